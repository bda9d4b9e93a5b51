"""AutoDQ, the metric of DREAM-1K (arXiv 2407.00634): do prediction and reference tell the same events?

Recall and precision as in `judges.described`. Macro: means of recall and of precision per subset, the means of those
over the subsets, and F1 of these two means (not the mean of F1s). Judgments that failed are left out of the means and
counted; a missing caption tells nothing and scores 0, which is our choice.

`autodq.compat.*` are the same judgments averaged as the published script does (evaluation/metrics/evaluate_dream_gpt.py
of https://github.com/bytedance/tarsier, commit 63de87a7): a sample of which either judgment failed is dropped from both
means and counted; `judge.quotes=single` asks as it does, with single quotes in place of double ones.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from reeltune.judges.base import Judge, Progress
from reeltune.judges.described import Described, Shares, judge_described
from reeltune.judges.questions import Kind
from reeltune.tasks.captioning.sample import CaptioningSample
from reeltune.tasks.judged import NO_DRAWS, Draws, JudgedScores, macro_intervals


@dataclass(frozen=True)
class Row:
    """One sample: its subset, its recall and precision in 0..1; None was not answered."""

    subset: str
    recall: float | None
    precision: float | None

    def shown(self, name: str) -> dict[str, float]:
        """What was answered, in percent."""
        shares = (("recall", self.recall), ("precision", self.precision))
        return {f"{name}.{key}": 100.0 * value for key, value in shares if value is not None}


def autodq(
    samples: Sequence[CaptioningSample],
    captions: Sequence[Sequence[str | None]],
    judge: Judge,
    progress: Progress | None = None,
    draws: Draws = NO_DRAWS,
) -> JudgedScores:
    """`autodq.*` in percent, by subset too. `captions`: of each sample's completions; their mean counts."""
    name = f"{judge.kind}_proxy" if judge.proxy else "autodq"
    rows = described_rows(samples, captions, judge, "events", progress)
    metrics = {f"{name}.{key}": value for key, value in macro(rows, draws).items()}
    metrics |= {f"{name}.compat.{key}": value for key, value in as_published(rows).items()}
    return JudgedScores(metrics, [row.shown(name) for row in rows])


def macro(rows: Iterable[Row], draws: Draws = NO_DRAWS) -> dict[str, float]:
    """Percentages recall, precision, f1 with their intervals, the same by subset where there are several, and counts
    of what failed."""
    subsets: dict[str, list[Row]] = {}
    for row in rows:
        subsets.setdefault(row.subset, []).append(row)
    means = {
        name: (_mean(row.recall for row in own), _mean(row.precision for row in own)) for name, own in subsets.items()
    }
    found = _scores(_mean(pair[0] for pair in means.values()), _mean(pair[1] for pair in means.values()))
    found |= macro_intervals([[(row.recall, row.precision) for row in own] for own in subsets.values()], draws)
    if len(subsets) > 1:
        for name, pair in sorted(means.items()):
            found |= {f"{name}.{key}": value for key, value in _scores(*pair).items()}
    every = [row for own in subsets.values() for row in own]
    return found | {
        "unjudged_recall": float(sum(row.recall is None for row in every)),
        "unjudged_precision": float(sum(row.precision is None for row in every)),
    }


def as_published(rows: Sequence[Row]) -> dict[str, float]:
    """recall, precision and f1 over the samples of which both are known, and how many were `dropped`."""
    whole = [row for row in rows if row.recall is not None and row.precision is not None]
    found = {key: value for key, value in macro(whole).items() if key in ("recall", "precision", "f1")}
    return found | {"dropped": float(len(rows) - len(whole))}


def f1_of_means(recall: float, precision: float) -> float:
    return 2 * recall * precision / (recall + precision) if recall + precision else 0.0


def described_rows(
    samples: Sequence[CaptioningSample],
    captions: Sequence[Sequence[str | None]],
    judge: Judge,
    kind: Kind,
    progress: Progress | None = None,
) -> list[Row]:
    """Both shares of each sample; several completions count as their mean over those that were judged."""
    pairs = [described_pairs(sample, own, kind) for sample, own in zip(samples, captions, strict=True)]
    shares = iter(judge_described(judge, [pair for own in pairs for pair in own], progress=progress))
    rows = []
    for sample, own in zip(samples, captions, strict=True):
        judged = [Shares(recall=0.0, precision=0.0) if caption is None else next(shares) for caption in own]
        named = sample.meta.get("type")
        subset = "all" if named in (None, "") else str(named)
        rows.append(Row(subset, _mean(each.recall for each in judged), _mean(each.precision for each in judged)))
    return rows


def described_pairs(sample: CaptioningSample, captions: Sequence[str | None], kind: Kind) -> list[Described]:
    """What to judge of a sample's captions; those that say nothing are not sent."""
    stated = sample.events if kind == "events" else sample.objects
    return [Described(caption, sample.caption or "", stated, kind) for caption in captions if caption is not None]


def _scores(recall: float | None, precision: float | None) -> dict[str, float]:
    known = {name: 100.0 * value for name, value in (("recall", recall), ("precision", precision)) if value is not None}
    if recall is not None and precision is not None:
        known["f1"] = 100.0 * f1_of_means(recall, precision)
    return known


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean of what is known; None when nothing is."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
