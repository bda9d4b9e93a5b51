"""What a judge gives: verdicts on statements, rewards made of them, and metrics with their 95 % bootstrap intervals
over samples.

What the judge left out is left out of the intervals too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Verdict:
    """What a judge said of one statement.

    `of` "reference": a statement of the reference, held against the answer; "answer": one of the answer's, held against
    the reference. `said`: entailment (the other side states it), neutral, contradiction. `score`: where it gave one.
    """

    of: Literal["reference", "answer"]
    statement: str
    said: Literal["entailment", "neutral", "contradiction"]
    score: float | None = None

    def row(self) -> dict[str, str | float]:
        """As the rollouts' file has it."""
        plain: dict[str, str | float] = {"of": self.of, "statement": self.statement, "said": self.said}
        return plain if self.score is None else plain | {"score": self.score}


class JudgedComponents(dict[str, float | None]):
    """The judged components of one completion, and the verdicts behind them: what a run records beside the reward."""

    def __init__(self, components: Mapping[str, float | None], verdicts: Iterable[Verdict] = ()) -> None:
        super().__init__(components)
        self.verdicts = tuple(verdicts)


@dataclass(frozen=True)
class JudgedScores:
    """metrics: over all samples. per_sample: of each sample, in order, the scores that were judged, in percent."""

    metrics: dict[str, float]
    per_sample: list[dict[str, float]]


@dataclass(frozen=True)
class Draws:
    """How often samples are drawn anew; 0: no intervals. Equal draws give equal intervals."""

    resamples: int = 0
    seed: int = 0


NO_DRAWS = Draws()


def macro_intervals(subsets: Sequence[Sequence[tuple[float | None, float | None]]], draws: Draws) -> dict[str, float]:
    """NAME.low and NAME.high, in percent, of recall, precision and F1 from the (recall, precision) of each sample.

    Samples are drawn within their subset, since every subset weighs the same (our choice).
    """
    if not draws.resamples:
        return {}
    import numpy as np

    from reeltune.statistics import bootstrap_means, interval_of

    generator = np.random.default_rng(draws.seed)
    values = [np.array(rows, dtype=np.float64) for rows in subsets]  # None becomes NaN
    drawn = np.stack([bootstrap_means(rows, draws.resamples, generator) for rows in values])
    told = ~np.isnan(drawn)
    with np.errstate(invalid="ignore"):
        recall, precision = (np.where(told, drawn, 0.0).sum(0) / told.sum(0)).T
        f1 = np.where(recall + precision > 0, 2 * recall * precision / (recall + precision), recall + precision)
    columns = {"recall": recall, "precision": precision, "f1": f1}
    judged = {name: 100.0 * column for name, column in columns.items() if not np.isnan(column).all()}
    return _named(list(judged), *interval_of(np.column_stack(list(judged.values())))) if judged else {}


def mean_intervals(columns: Mapping[str, Sequence[float]], draws: Draws) -> dict[str, float]:
    """NAME.low and NAME.high of the mean of each column."""
    if not draws.resamples:
        return {}
    import numpy as np

    from reeltune.statistics import bootstrap_interval

    matrix = np.array(list(columns.values()), dtype=np.float64).T
    return _named(list(columns), *bootstrap_interval(matrix, resamples=draws.resamples, seed=draws.seed))


def _named(names: Sequence[str], low: Iterable[float], high: Iterable[float]) -> dict[str, float]:
    found = {}
    for name, lower, upper in zip(names, low, high, strict=True):
        found[f"{name}.low"], found[f"{name}.high"] = float(lower), float(upper)
    return found
