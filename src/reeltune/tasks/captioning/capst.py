"""CapST, the caption metric of CaReBench (arXiv 2501.00513): AutoDQ's rules for actions and again for objects.

Objects are statements "There is ..." with one attribute each. F1 of the means, over all videos.
"""

from collections.abc import Sequence
from dataclasses import replace

from reeltune.judges.base import Judge, Progress
from reeltune.judges.questions import Kind
from reeltune.tasks.captioning.autodq import described_rows, macro
from reeltune.tasks.captioning.sample import CaptioningSample
from reeltune.tasks.judged import NO_DRAWS, Draws, JudgedScores

PARTS: tuple[tuple[str, Kind], ...] = (("actions", "events"), ("objects", "objects"))


def capst(
    samples: Sequence[CaptioningSample],
    captions: Sequence[Sequence[str | None]],
    judge: Judge,
    progress: Progress | None = None,
    draws: Draws = NO_DRAWS,
) -> JudgedScores:
    """`capst.actions.*` and `capst.objects.*`, percentages and counts of what the judge left out."""
    name = f"{judge.kind}_proxy" if judge.proxy else "capst"
    found: dict[str, float] = {}
    per_sample: list[dict[str, float]] = [{} for _ in samples]
    for part, kind in PARTS:
        rows = described_rows(samples, captions, judge, kind, progress)
        whole = macro((replace(row, subset="all") for row in rows), draws)
        found |= {f"{name}.{part}.{key}": value for key, value in whole.items()}
        for own, row in zip(per_sample, rows, strict=True):
            own |= row.shown(f"{name}.{part}")
    return JudgedScores(found, per_sample)
