"""What a judge can be asked, and the one strict reader of each reply.

A reply that breaks the asked form raises `BadReply`: it is asked again, then counted as unanswered, never scored.
The readers take JSON or a Python literal, alone or in a code fence, with or without reasoning before `</think>`, and
the published scripts' own shapes, so that official prompts work from files.
"""

import ast
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar, cast, get_args

from reeltune.errors import shown

A_co = TypeVar("A_co", covariant=True)
Label = Literal["entailment", "neutral", "contradiction"]
Kind = Literal["events", "objects"]
LABELS: tuple[str, ...] = get_args(Label)


class BadReply(ValueError):
    """A judge's reply is not what was asked for; the message says why."""


class Question(ABC, Generic[A_co]):
    """One question with an answer of type A. `template` names its prompt, `fields` fill the prompt."""

    @property
    @abstractmethod
    def template(self) -> str: ...

    @abstractmethod
    def fields(self) -> Mapping[str, str]: ...

    @abstractmethod
    def read(self, reply: str) -> A_co:
        """The answer. Raises BadReply."""


@dataclass(frozen=True)
class Entailment(Question[tuple[Label, ...]]):
    """Does the text entail, contradict or leave open each statement? All in one call (AutoDQ, arXiv 2407.00634)."""

    text: str
    statements: tuple[str, ...]
    kind: Kind = "events"

    @property
    def template(self) -> str:
        return f"entailment-{self.kind}"

    def fields(self) -> Mapping[str, str]:
        """The statements numbered, one a line, and as a JSON list, as the published script sends them."""
        return {
            "text": self.text,
            "statements": _numbered(self.statements),
            "statements_json": json.dumps(self.statements, ensure_ascii=False),
            "count": str(len(self.statements)),
        }

    def read(self, reply: str) -> tuple[Label, ...]:
        """As many labels as statements, each one of `LABELS`."""
        value = literal(reply)
        rows = value.get("labels", value.get(self.kind)) if isinstance(value, dict) else value
        if not isinstance(rows, list):
            raise BadReply(f"expected a list of labels, got {shown(value)}")
        labels = tuple(_label(row) for row in rows)
        if len(labels) != len(self.statements):
            raise BadReply(f"expected {len(self.statements)} labels, got {len(labels)}")
        return labels


@dataclass(frozen=True)
class Extraction(Question[tuple[str, ...]]):
    """Which events (or objects) does the text state? At most ten are asked for; all that come back count."""

    text: str
    kind: Kind = "events"

    _KEYS: ClassVar = {"events": ("events",), "objects": ("objects", "events")}

    @property
    def template(self) -> str:
        return f"extraction-{self.kind}"

    def fields(self) -> Mapping[str, str]:
        return {"text": self.text}

    def read(self, reply: str) -> tuple[str, ...]:
        value = literal(reply)
        if isinstance(value, dict):
            value = next((value[key] for key in self._KEYS[self.kind] if key in value), value)
        if not isinstance(value, list) or not all(isinstance(each, str) and each.strip() for each in value):
            raise BadReply(f"expected a list of sentences, got {shown(value)}")
        return tuple(each.strip() for each in value)


@dataclass(frozen=True)
class Reading(Question[str]):
    """What does the caption alone answer to the question? First step of VDCScore (arXiv 2410.03051)."""

    caption: str
    question: str
    template: ClassVar[str] = "reading"

    def fields(self) -> Mapping[str, str]:
        return {"caption": self.caption, "question": self.question}

    def read(self, reply: str) -> str:
        if not (answer := visible(reply)):
            raise BadReply("expected an answer, got nothing")
        return answer


@dataclass(frozen=True)
class Rating:
    """`right`: the judge said yes; `score` from 0 to 5."""

    right: bool
    score: float


@dataclass(frozen=True)
class Grading(Question[Rating]):
    """Does an answer agree with the reference? Second step of VDCScore."""

    question: str
    reference: str
    answer: str
    template: ClassVar[str] = "grading"

    def fields(self) -> Mapping[str, str]:
        return {"question": self.question, "reference": self.reference, "answer": self.answer}

    def read(self, reply: str) -> Rating:
        """{"pred": "yes" or "no", "score": a number from 0 to 5}."""
        value = literal(reply)
        said, score = (value.get("pred"), value.get("score")) if isinstance(value, dict) else (None, None)
        word = said.strip().lower() if isinstance(said, str) else None
        number = score if isinstance(score, int | float) and not isinstance(score, bool) else None
        if word not in ("yes", "no") or number is None or not 0 <= number <= 5:
            raise BadReply(f'expected {{"pred": "yes"|"no", "score": 0..5}}, got {shown(value)}')
        return Rating(word == "yes", float(number))


def visible(reply: str) -> str:
    """A reply without the reasoning that some judges write before it."""
    return reply.rpartition("</think>")[2].strip()


def literal(reply: str) -> Any:
    """The JSON value or Python literal that is the whole reply. Raises BadReply."""
    text = visible(reply)
    fenced = re.fullmatch(r"```\w*\s*\n(.*)\n\s*```", text, re.DOTALL)
    text = fenced[1].strip() if fenced else text
    try:
        value = _parsed(text)
        # NaN, half a surrogate pair and integers of thousands of digits can be parsed, but not written down.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        raise BadReply(f"expected JSON, got {shown(text)}") from None
    return value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return ast.literal_eval(text)


def _label(row: Any) -> Label:
    if isinstance(row, dict):
        row = row.get("label", row.get("relationship"))
    word = row.strip().lower() if isinstance(row, str) else row
    if word not in LABELS:
        raise BadReply(f"expected one of {', '.join(LABELS)}, got {shown(row)}")
    return cast(Label, word)


def _numbered(statements: tuple[str, ...]) -> str:
    return "\n".join(f"{number}. {statement}" for number, statement in enumerate(statements, start=1))
