"""The spread of each task's rewards as a moving average over steps, to divide advantages by.

A group's own std makes a full-size gradient of whatever little its completions differ; a step's holds few groups of
each task. The average of many steps weighs tasks alike and leaves small differences small (our choice).
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from reeltune.training.grpo import has_signal

SUFFIX = "/advantage_scale"


def updated_scales(
    scales: Mapping[str, float], rewards: Tensor, valid: Tensor, tasks: Sequence[str], *, decay: float
) -> dict[str, float]:
    """Task -> std: `decay` of what it was, the rest of this step's, the root mean of the groups' variances (ddof 1).

    `rewards`, `valid`: [B, G]; `tasks` [B]. Groups without signal say nothing about the scale and are left out; a task
    seen for the first time has this step's.
    """
    found = dict(scales)
    informative = has_signal(rewards, valid)
    for task in dict.fromkeys(tasks):
        rows = [index for index, own in enumerate(tasks) if own == task and informative[index]]
        if not rows:
            continue
        std = float(torch.stack([rewards[index][valid[index]].double().var() for index in rows]).mean().sqrt())
        found[task] = decay * found[task] + (1 - decay) * std if task in found else std
    return found


def scale_metrics(scales: Mapping[str, float]) -> dict[str, float]:
    """What a step writes of them; `restored_scales` reads it."""
    return {f"{task}{SUFFIX}": value for task, value in scales.items()}


def restored_scales(rows: Iterable[Mapping[str, float]], last_step: int) -> dict[str, float]:
    """The scales as they stood after `last_step`, from the lines of metrics.jsonl; JSON keeps every float exactly."""
    found: dict[str, float] = {}
    for row in rows:
        if row["step"] <= last_step:
            found |= {name.removesuffix(SUFFIX): value for name, value in row.items() if name.endswith(SUFFIX)}
    return found
