"""The exact judge of toyworld's texts: they are made of known sentences and answers, so a rule can compare them.

A sentence that is not of that grammar states nothing. The same event told twice covers two equal events, told once it
covers one. Order is not judged, as in AutoDQ.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, cast

from reeltune.errors import InputError
from reeltune.judges.base import A, RuleJudge
from reeltune.judges.questions import Entailment, Extraction, Grading, Label, Question, Rating

Fact = tuple[str, str, str]
"""Subject, what it does, and which way or into what."""

_EVENT = re.compile(r"the (\w+ \w+) (?:(appears|returns|vanishes)|(moves) (left|right|up|down)|(turns) (\w+))")
_ANSWER = re.compile(
    r"(?:(?:it|the object) )?(moves|stays still|changes color|vanishes and returns)"
    r"|(?:an? |the )?(circle|square|triangle|cross)"
)
_OPENING = re.compile(r"the video begins (?:empty|with the \w+ \w+(?: and the \w+ \w+)*)")


class EventsJudge(RuleJudge):
    kind: ClassVar[str] = "events"

    def answer(self, question: Question[A]) -> A:
        if isinstance(question, Entailment) and question.kind == "events":
            return cast(A, labels(question.text, question.statements))
        if isinstance(question, Extraction) and question.kind == "events":
            return cast(A, events(question.text))
        if isinstance(question, Grading):
            return cast(A, graded(question.reference, question.answer))
        raise InputError(
            f"judge.kind='events' compares toyworld's captions and answers in words; it cannot answer a "
            f"{question.template!r} question. Use judge.kind=openai or recorded"
        )


def labels(text: str, statements: Sequence[str]) -> tuple[Label, ...]:
    """Entailed, contradicted (the same subject goes another way), or left open.

    Raises InputError when neither the text nor the statements are toyworld's: then this judge is the wrong one.
    """
    told = [fact_of(sentence) for sentence in sentences(text)]
    asked = [fact_of(statement) for statement in statements]
    if (None in told or not told) and None in asked:
        wrong = statements[asked.index(None)]
        raise InputError(
            "judge.kind='events' reads only toyworld sentences such as 'The red circle moves left.'; got "
            f"{wrong!r}. Use judge.kind=openai or recorded for real captions"
        )
    left = Counter(fact for fact in told if fact)
    return tuple(_label(fact, left) for fact in asked)


def graded(reference: str, answer: str) -> Rating:
    """Right if both name the same action or the same form: "moves" and "It moves."

    Raises InputError when the reference is none of toyworld's.
    """
    meant = _named(reference)
    if meant is None:
        raise InputError(
            f"judge.kind='events' grades only toyworld's answers such as 'it moves' or 'circle'; the reference is "
            f"{reference!r}. Use judge.kind=openai or recorded"
        )
    right = _named(answer) == meant
    return Rating(right, 5.0 * right)


def _named(text: str) -> str | None:
    match = _ANSWER.fullmatch(" ".join(text.lower().rstrip(". ").split()))
    return match and (match[1] or match[2])


def events(text: str) -> tuple[str, ...]:
    """Every sentence but the opening, which tells a state; sentences out of the grammar count as events too."""
    return tuple(sentence for sentence in sentences(text) if not _OPENING.fullmatch(sentence.lower()))


def sentences(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"[.\n]+", text) if part.strip()]


def fact_of(sentence: str) -> Fact | None:
    """'The red circle moves left.' -> ('red circle', 'moves', 'left'); None for anything else."""
    match = _EVENT.fullmatch(" ".join(sentence.lower().rstrip(". ").split()))
    if not match:
        return ("", "opening", "") if _OPENING.fullmatch(sentence.lower().strip()) else None
    subject, plain, moves, way, turns, color = cast(tuple[Any, ...], match.groups())
    return subject, plain or moves or turns, way or color or ""


def _label(fact: Fact | None, left: "Counter[Fact]") -> Label:
    if fact is None:
        return "neutral"
    if left[fact] > 0:
        left[fact] -= 1
        return "entailment"
    subject, action, _ = fact
    other = any(told[:2] == (subject, action) and told[2] != fact[2] for told in left)
    return "contradiction" if other else "neutral"
