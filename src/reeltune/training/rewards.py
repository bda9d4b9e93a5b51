"""The rewards of one group: named components from the task, weighted into one number per completion."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from reeltune.errors import InputError
from reeltune.judges.base import Judge
from reeltune.samples import Sample
from reeltune.tasks.base import Mode, RewardOptions, Task


@dataclass(frozen=True)
class GroupRewards:
    """`components` name -> one value per completion (None: does not apply); `total` [G]; `valid` [G] bool.

    A completion without any applying component, or without a judge's answer, is not valid: it leaves the group's
    statistics.
    """

    components: dict[str, list[float | None]]
    total: Tensor
    valid: Tensor


def score_group(
    task: Task[Any, Any],
    sample: Sample,
    texts: Sequence[str],
    *,
    mode: Mode,
    weights: Mapping[str, float],
    judge: Judge | None = None,
    options: RewardOptions | None = None,
) -> GroupRewards:
    """Raises InputError for a reward that is NaN or infinite: it would silently ruin the whole group."""
    answered = task.group_rewards(sample, texts, mode, judge=judge, options=options)
    rows: list[dict[str, float | None]] = [row or {} for row in answered]
    names = [name for name in next(filter(None, rows), {}) if weights.get(name, 0.0) != 0.0]
    for row, text in zip(rows, texts, strict=True):
        for name in names:
            value = row.get(name)
            if value is not None and not math.isfinite(value):
                raise InputError(
                    f"reward {name!r} of task {sample.task!r} must be finite; got {value} for sample "
                    f"{sample.id!r}, completion {text[:200]!r}"
                )
    totals = [_total({name: row.get(name) for name in names}, weights) for row in rows]
    return GroupRewards(
        components={name: [row.get(name) for row in rows] for name in names},
        total=torch.tensor([0.0 if total is None else total for total in totals], dtype=torch.float32),
        valid=torch.tensor([total is not None for total in totals]),
    )


def _total(components: Mapping[str, float | None], weights: Mapping[str, float]) -> float | None:
    applying = [weights[name] * value for name, value in components.items() if value is not None]
    return sum(applying) if applying else None
