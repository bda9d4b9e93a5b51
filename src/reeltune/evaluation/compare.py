"""Two sets of answers to the same samples: which is better, and could it be chance?

Paired: what differs is looked at sample by sample, and whole videos are drawn, so that neither hard samples nor videos
with many questions count as evidence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reeltune.errors import InputError
from reeltune.evaluation.score_table import aligned
from reeltune.sample import read_rows
from reeltune.statistics import bootstrap_means, interval_of

FILE = "per_sample.jsonl"
NOT_SCORES = ("id", "task", "video", "answers")
Scored = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Difference:
    """Of one metric, in percent: means of both, B - A with its 95 % interval, and on how many samples each is better.

    p: two-sided, twice the smaller share of draws on one side of 0 (our choice); at least 1 / draws.
    """

    task: str
    metric: str
    n: int
    videos: int
    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float
    a_better: int
    b_better: int


@dataclass(frozen=True)
class Comparison:
    """only_a, only_b: ids of one side alone; they are left out."""

    differences: list[Difference]
    only_a: list[str]
    only_b: list[str]

    def text(self, names: Sequence[str] = ("A", "B")) -> str:
        lines = []
        for name, ids in zip(names, (self.only_a, self.only_b), strict=True):
            if ids:
                lines.append(f"{len(ids)} id(s) only in {name}, ignored: {', '.join(ids[:5])}")
        head = [
            "task, metric (%)",
            "A",
            "B",
            "B - A",
            "95 % interval",
            "p",
            "A better",
            "B better",
            "samples",
            "videos",
        ]
        rows = [head]
        for each in self.differences:
            rows.append(
                [
                    f"{each.task}, {each.metric}",
                    f"{each.a:.2f}",
                    f"{each.b:.2f}",
                    f"{each.difference:+.2f}",
                    f"{each.low:+.2f} to {each.high:+.2f}",
                    f"{each.p:.3f}",
                    *(str(count) for count in (each.a_better, each.b_better, each.n, each.videos)),
                ]
            )
        return "\n".join([*lines, aligned(rows)])


def read_scored(path: Path) -> Scored:
    """Rows by id of a file that `score --per-sample` or `eval` wrote; a folder holds it as per_sample.jsonl."""
    file = path / FILE if path.is_dir() else path
    if not file.exists():
        raise InputError(
            f"{file}: no such file; give a folder of `reeltune eval` or the output of `reeltune score --per-sample`"
        )
    found: Scored = {}
    for line, row in read_rows(file):
        text = isinstance(row.get("id"), str) and isinstance(row.get("task"), str) and isinstance(row.get("video"), str)
        # Samples have the first three too; `answers` is what score writes of each one's completions.
        if not text or not isinstance(row.get("answers"), list):
            raise InputError(
                f"{file}, line {line}: not the scores of a sample (id, task, video, metrics, answers); give a "
                "folder of `reeltune eval` or the output of `reeltune score --per-sample`"
            )
        found[row["id"]] = row
    return found


def compare(a: Scored, b: Scored, *, resamples: int = 10_000, seed: int = 0) -> Comparison:
    """B against A on the ids that both have. InputError when there is none, or when one id is of two tasks."""
    common = [name for name in a if name in b]
    if not common:
        raise InputError("the two evaluations have no ids in common; compare answers to the same samples")
    other = [name for name in common if a[name]["task"] != b[name]["task"]]
    if other:
        raise InputError(
            f"id {other[0]!r} is of {a[other[0]]['task']} in one and of {b[other[0]]['task']} in the other"
        )
    found = []
    for task in dict.fromkeys(a[name]["task"] for name in common):
        own = [name for name in common if a[name]["task"] == task]
        for metric in _metrics([a[own[0]], b[own[0]]] + [a[name] for name in own]):
            pairs = {name: (a[name].get(metric), b[name].get(metric)) for name in own}
            told = {name: pair for name, pair in pairs.items() if None not in pair}
            if told:
                found.append(_difference(task, metric, told, [a[name]["video"] for name in told], resamples, seed))
    return Comparison(found, [n for n in a if n not in b], [n for n in b if n not in a])


def _metrics(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(
        dict.fromkeys(
            name
            for row in rows
            for name, value in row.items()
            if name not in NOT_SCORES and isinstance(value, int | float)
        )
    )


def _difference(
    task: str, metric: str, pairs: Mapping[str, Any], videos: Sequence[str], resamples: int, seed: int
) -> Difference:
    values = np.array(list(pairs.values()), dtype=np.float64)
    steps = (values[:, 1] - values[:, 0])[:, None]
    drawn = bootstrap_means(steps, resamples, np.random.default_rng(seed), videos)
    low, high = interval_of(drawn)
    beyond = min(float((drawn <= 0).mean()), float((drawn >= 0).mean()))
    mean_a, mean_b = values.mean(axis=0)
    return Difference(
        task=task,
        metric=metric,
        n=len(values),
        videos=len(set(videos)),
        a=float(mean_a),
        b=float(mean_b),
        difference=float(mean_b - mean_a),
        low=float(low[0]),
        high=float(high[0]),
        p=min(1.0, max(2 * beyond, 1 / resamples)),
        a_better=int((steps < 0).sum()),
        b_better=int((steps > 0).sum()),
    )
