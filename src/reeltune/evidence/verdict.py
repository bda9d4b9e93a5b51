"""Means over seeds, paired differences with their intervals, and what they say of a claim. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reeltune.errors import InputError
from reeltune.evidence.spec import Claim, Reproduction
from reeltune.statistics import bootstrap_means, interval_of

Rows = Mapping[str, float]
"""Id of a sample -> its value in percent."""
Measured = Mapping[int, Mapping[str, Mapping[str, Rows]]]
"""Seed -> run -> measure -> rows."""
RESAMPLES = 2000


@dataclass(frozen=True)
class Verdict:
    """`difference` and its 95 % interval in points; `seeds`: the difference of each seed."""

    claim: Claim
    difference: float
    low: float
    high: float
    seeds: tuple[float, ...]

    @property
    def holds(self) -> bool:
        goal = self.claim.points
        return self.difference >= goal and (not self.claim.each_seed or min(self.seeds) >= goal)

    @property
    def word(self) -> str:
        """`uncertain` where the interval of the difference holds the goal itself: other samples could turn it."""
        if self.low <= self.claim.points <= self.high:
            return f"{'holds' if self.holds else '**MISS**'}, within chance"
        return "holds" if self.holds else "**MISS**"


def judge(claim: Claim, measured: Measured) -> Verdict:
    """Paired by seed and sample. The bootstrap draws samples of each measure and seed; measures count equally.

    The interval speaks for other samples of these seeds, not for other seeds: their spread stands in `seeds`.
    InputError when the two runs did not answer the same samples.
    """
    drawn = np.zeros(RESAMPLES)
    seeds: list[float] = []
    generator = np.random.default_rng(0)
    for runs in measured.values():
        own = 0.0
        for measure in claim.measures:
            steps = _paired(runs[claim.than][measure], runs[claim.better][measure], where=measure)
            own += float(steps.mean()) / len(claim.measures)
            means = bootstrap_means(steps[:, None], RESAMPLES, generator)[:, 0]
            drawn += means / len(claim.measures) / len(measured)
        seeds.append(own)
    low, high = interval_of(drawn[:, None])
    return Verdict(claim, float(np.mean(seeds)), float(low[0]), float(high[0]), tuple(seeds))


def _paired(before: Rows, after: Rows, *, where: str) -> "np.ndarray":
    if set(before) != set(after) or not before:
        raise InputError(f"{where}: the two runs answered different samples, {len(before)} and {len(after)}")
    return np.array([after[name] - before[name] for name in before])


def retained(found: Reproduction) -> list[str]:
    """The measures of what was not trained."""
    return [name for name, measure in found.small.measures.items() if not measure.trained]


def mean_table(found: Reproduction, measured: Measured, trivial: Mapping[str, Mapping[str, float]]) -> str:
    """Markdown: a row a run, a column a measure: mean of the seeds, least and most in brackets."""
    measures, kept = list(found.small.measures), retained(found)
    head = ["", *measures, *(["retained"] if len(kept) > 1 else [])]
    lines = [head]
    for run in next(iter(measured.values())):
        cells = [_over_seeds([_mean([runs[run][name]]) for runs in measured.values()]) for name in measures]
        if len(kept) > 1:
            cells.append(_over_seeds([_mean([runs[run][name] for name in kept]) for runs in measured.values()]))
        lines.append([run, *cells])
    for row, values in trivial.items():
        lines.append([f"*{row}*", *(f"{values[name]:.1f}" if name in values else "" for name in head[1:])])
    return markdown(lines)


def claim_table(verdicts: Sequence[Verdict]) -> str:
    lines = [["claim", "goal", "difference", "95 % interval", "by seed", "verdict"]]
    for each in verdicts:
        lines.append(
            [
                each.claim.says,
                f"at least {each.claim.points:+g}",
                f"{each.difference:+.1f}",
                f"{each.low:+.1f} to {each.high:+.1f}",
                ", ".join(f"{value:+.1f}" for value in each.seeds),
                each.word,
            ]
        )
    return markdown(lines)


def markdown(lines: Sequence[Sequence[str]]) -> str:
    rule = "|---" * len(lines[0]) + "|"
    rows = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([rows[0], rule, *rows[1:]])


def _mean(columns: Sequence[Rows]) -> float:
    return float(np.mean([np.mean(list(rows.values())) for rows in columns]))


def _over_seeds(values: Sequence[float]) -> str:
    spread = f" ({min(values):.1f} to {max(values):.1f})" if len(values) > 1 else ""
    return f"{np.mean(values):.1f}{spread}"
