"""How well one description covers another, by a judge: the three calls of AutoDQ, shared by reward and benchmark.

Recall: the share of the reference's events that the prediction entails. Precision: the share of the prediction's events
that the reference entails. Only "entailment" counts. No event at all is a full share (AutoDQ, arXiv 2407.00634).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from reeltune.judges.base import Cost, Judge, Progress
from reeltune.judges.questions import Entailment, Extraction, Kind, Label


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


def judge_described(
    judge: Judge, pairs: Sequence[Described], *, precision: bool = True, progress: Progress | None = None
) -> list[Shares]:
    """Both shares of every pair, asked in two rounds so that all of a round can run at once.

    Texts are lower-cased first, as AutoDQ does. `precision=False` asks for recall alone: one call a pair.
    """
    texts = [(pair.prediction.lower(), pair.reference.lower()) for pair in pairs]
    statements = _extracted(judge, [pair.statements for pair in pairs], [text[1] for text in texts], pairs, progress)
    claims: list[tuple[str, ...] | None] = [None] * len(pairs)
    if precision:
        claims = _extracted(judge, [None] * len(pairs), [text[0] for text in texts], pairs, progress)
    recalls = _labelled(judge, [text[0] for text in texts], statements, pairs, progress)
    precisions = _labelled(judge, [text[1] for text in texts], claims, pairs, progress)
    return [
        Shares(
            recall=None if found is None else share(found),
            precision=None if told is None else share(told),
            recall_labels=found,
            precision_labels=told,
            statements=stated,
            claims=claim,
        )
        for found, told, stated, claim in zip(recalls, precisions, statements, claims, strict=True)
    ]


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


def _extracted(
    judge: Judge,
    known: Sequence[tuple[str, ...] | None],
    texts: Sequence[str],
    pairs: Sequence[Described],
    progress: Progress | None,
) -> list[tuple[str, ...] | None]:
    wanted = [index for index, each in enumerate(known) if each is None]
    found = judge.ask([Extraction(texts[index], pairs[index].kind) for index in wanted], progress)
    result = list(known)
    for index, each in zip(wanted, found, strict=True):
        result[index] = each
    return result


def _labelled(
    judge: Judge,
    texts: Sequence[str],
    statements: Sequence[tuple[str, ...] | None],
    pairs: Sequence[Described],
    progress: Progress | None,
) -> list[tuple[Label, ...] | None]:
    """Labels of each text's statements; () without a call where there are none."""
    asked = [index for index, each in enumerate(statements) if each]
    found = judge.ask([Entailment(texts[i], statements[i] or (), pairs[i].kind) for i in asked], progress)
    result: list[tuple[Label, ...] | None] = [() if each == () else None for each in statements]
    for index, labels in zip(asked, found, strict=True):
        result[index] = labels
    return result
