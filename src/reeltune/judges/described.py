"""How well one description covers another, by a judge: the three questions of AutoDQ, shared by reward and benchmark.

Recall: the share of the reference's events that the prediction entails. Precision: the share of the prediction's events
that the reference entails. Only "entailment" counts. No event at all is a full share (AutoDQ, arXiv 2407.00634).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from reeltune.judges.base import Cost, Judge, Progress
from reeltune.judges.questions import Entailment, Extraction, Kind, Label
from reeltune.judges.rounds import Judgment, ask_together


@dataclass(frozen=True)
class Described:
    """A prediction against its reference. `statements` None: not annotated, the judge finds them in `reference`."""

    prediction: str
    reference: str
    statements: tuple[str, ...] | None
    kind: Kind = "events"


@dataclass(frozen=True)
class Shares:
    """`recall` and `precision` in 0..1 with the labels behind them; None where a call was not answered or not made."""

    recall: float | None = None
    precision: float | None = None
    recall_labels: tuple[Label, ...] | None = None
    precision_labels: tuple[Label, ...] | None = None
    statements: tuple[str, ...] | None = None
    """The reference's statements."""
    claims: tuple[str, ...] | None = None
    """The prediction's statements."""

    @property
    def f1(self) -> float | None:
        """Harmonic mean of both shares; None when one is missing, 0 when both are 0."""
        if self.recall is None or self.precision is None:
            return None
        both = self.recall + self.precision
        return 2 * self.recall * self.precision / both if both else 0.0


def share(labels: Sequence[Label]) -> float:
    """The share of "entailment"; 1 for no label."""
    return sum(label == "entailment" for label in labels) / len(labels) if labels else 1.0


def described(pairs: Sequence[Described], *, precision: bool = True) -> Judgment[list[Shares]]:
    """Both shares of every pair, in two rounds: what is stated, then what entails it.

    Texts are lower-cased first, as AutoDQ does. `precision=False` asks for recall alone: one question a pair.
    """
    predictions, references = [pair.prediction.lower() for pair in pairs], [pair.reference.lower() for pair in pairs]
    # 1. First round: the statements of every text whose statements nobody wrote down. References that bring theirs are
    #    not asked about, predictions always are, except for recall alone, which needs none.
    unstated = [index for index, pair in enumerate(pairs) if pair.statements is None]
    questions = [Extraction(references[index], pairs[index].kind) for index in unstated]
    if precision:
        questions += [Extraction(text, pair.kind) for text, pair in zip(predictions, pairs, strict=True)]
    found = (yield questions) if questions else []
    statements = [pair.statements for pair in pairs]
    for index, stated in zip(unstated, found, strict=False):
        statements[index] = stated
    claims: list[tuple[str, ...] | None] = found[len(unstated) :] if precision else [None] * len(pairs)
    # 2. Second round: which of one text's statements the other entails. Recall asks the prediction about the
    #    reference's statements, precision the other way round; both sides of all pairs are one list of questions.
    sides = [
        *zip(predictions, statements, [pair.kind for pair in pairs], strict=True),
        *zip(references, claims, [pair.kind for pair in pairs], strict=True),
    ]
    entailments = [Entailment(text, asked, kind) for text, asked, kind in sides if asked]
    answers = iter((yield entailments) if entailments else [])
    # 3. Answers go back to their sides: no statement at all needs no judge, unknown ones cannot be asked about.
    labels: list[tuple[Label, ...] | None] = [
        next(answers) if asked else (None if asked is None else ()) for _, asked, _ in sides
    ]
    return [
        Shares(
            recall=None if own is None else share(own),
            precision=None if told is None else share(told),
            recall_labels=own,
            precision_labels=told,
            statements=stated,
            claims=claim,
        )
        for own, told, stated, claim in zip(labels, labels[len(pairs) :], statements, claims, strict=False)
    ]


def judge_described(
    judge: Judge, pairs: Sequence[Described], *, precision: bool = True, progress: Progress | None = None
) -> list[Shares]:
    """`described`, asked at once."""
    [shares] = ask_together(judge, [described(pairs, precision=precision)], progress)
    return shares


def described_cost(judge: Judge, pairs: Sequence[Described], *, precision: bool = True) -> Cost:
    """At most what `judge_described` will ask; statements not known yet are taken for ten of ten words."""
    total = Cost()
    for pair in pairs:
        prediction, reference = pair.prediction.lower(), pair.reference.lower()
        total += _direction_cost(judge, prediction, reference, pair.statements, pair.kind)
        if precision:
            total += _direction_cost(judge, reference, prediction, None, pair.kind)
    return total


def _direction_cost(judge: Judge, text: str, source: str, statements: tuple[str, ...] | None, kind: Kind) -> Cost:
    """Does `text` entail the statements of `source`?"""
    total = Cost()
    if statements is None:
        extraction = Extraction(source, kind)
        total += judge.cost([extraction])
        statements = judge.known(extraction)
    if statements != ():
        total += judge.cost([Entailment(text, statements or _UNKNOWN, kind)])
    return total


_UNKNOWN = ("a sentence of about ten words that is not known yet",) * 10
