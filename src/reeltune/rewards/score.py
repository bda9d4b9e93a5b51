"""The rewards of a recipe by task, and those of one group as tensors."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reeltune.config.recipe import RewardConfig
from reeltune.data.samples import Sample, nearest
from reeltune.errors import InputError
from reeltune.judges.base import Judge
from reeltune.rewards.weights import Reward, reward_of
from reeltune.tasks import get_task
from reeltune.tasks.base import Mode, RewardOptions


@dataclass(frozen=True)
class GroupRewards:
    """`components` name -> one value per completion (None: does not apply); `total` [G]; `valid` [G] bool.

    A completion without any applying component, or without a judge's answer, is not valid: it leaves the group's
    statistics.
    """

    components: dict[str, list[float | None]]
    total: Tensor
    valid: Tensor


def recipe_rewards(config: RewardConfig, tasks: Iterable[str], mode: Mode) -> dict[str, Reward]:
    """Task -> its reward. InputError for names that no task of the samples has."""
    names = sorted(set(tasks))
    for section, given in (("weights", config.weights), ("functions", config.functions)):
        for name in given:
            if name not in names:
                raise InputError(f"rewards.{section}.{name}: no training sample has this task{nearest(name, names)}")
    options = RewardOptions(
        iou_threshold=config.iou_threshold,
        generalized_iou=config.generalized_iou,
        length_bounds=config.length_bounds,
        captioning=config.captioning,
    )
    return {
        name: reward_of(
            get_task(name),
            mode,
            preset=config.preset,
            weights=config.weights.get(name),
            options=options,
            functions=config.functions.get(name),
        )
        for name in names
    }


def score_group(reward: Reward, sample: Sample, texts: Sequence[str], *, judge: Judge | None = None) -> GroupRewards:
    """Raises InputError for a reward that is NaN or infinite: it would silently ruin the whole group."""
    rows = reward.group(sample, texts, judge)
    totals = [total for total, _ in rows]
    names = [name for name in reward.weights if any(name in components for _, components in rows)]
    return GroupRewards(
        components={name: [components.get(name) for _, components in rows] for name in names},
        total=torch.tensor([0.0 if total is None else total for total in totals], dtype=torch.float32),
        valid=torch.tensor([total is not None for total in totals]),
    )
