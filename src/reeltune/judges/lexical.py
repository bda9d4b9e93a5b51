"""A proxy: shared words instead of judgment. Free and instant, and wrong where it matters.

On negations and swapped roles word overlap is below chance (AUC .05 to .42 on 24 hard pairs), so its numbers are named
`lexical_proxy` everywhere and never print under a benchmark's name.
"""

from typing import ClassVar, cast

from reeltune.errors import InputError
from reeltune.judges.base import A, RuleJudge
from reeltune.judges.events import sentences
from reeltune.judges.questions import Entailment, Extraction, Question
from reeltune.judges.words.similarity import containment

THRESHOLD = 0.75
"""The share of a statement's words that a text must have to count as entailing it (our choice)."""


class LexicalJudge(RuleJudge):
    kind: ClassVar[str] = "lexical"
    proxy: ClassVar[bool] = True
    proxy_note: ClassVar[str] = "word overlap, not a judgment"

    def answer(self, question: Question[A]) -> A:
        if isinstance(question, Entailment):
            shares = [containment(question.text, statement) for statement in question.statements]
            return cast(A, tuple("entailment" if share >= THRESHOLD else "neutral" for share in shares))
        if isinstance(question, Extraction):
            return cast(A, tuple(sentences(question.text)))
        raise InputError(
            f"judge.kind='lexical' only counts shared words and cannot answer a {question.template!r} question. "
            "Use judge.kind=openai or recorded"
        )

    @property
    def label(self) -> str:
        return "lexical proxy"
