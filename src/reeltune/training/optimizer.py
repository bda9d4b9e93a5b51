"""AdamW and the learning rate: the rate is a function of the step, so there is no scheduler state."""

import math
from collections.abc import Iterable

import torch
from torch import nn

from reeltune.config.recipe import OptimConfig
from reeltune.errors import InputError


def make_optimizer(module: nn.Module, config: OptimConfig) -> torch.optim.AdamW:
    """AdamW over the parameters that train; norms, biases and other vectors are not decayed."""
    named = [(name, value) for name, value in module.named_parameters() if value.requires_grad]
    if not named:
        raise InputError("no parameter trains: unfreeze a part of the model")
    groups = [
        {"params": list(_of_rank(named, matrix=True)), "weight_decay": config.weight_decay},
        {"params": list(_of_rank(named, matrix=False)), "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, eps=config.eps)


def _of_rank(named: Iterable[tuple[str, nn.Parameter]], *, matrix: bool) -> Iterable[nn.Parameter]:
    return (value for _, value in named if (value.ndim >= 2) == matrix)


def learning_rate(step: int, steps: int, config: OptimConfig) -> float:
    """The rate of optimizer step `step` (from 0) of `steps`: linear warm-up, then the schedule's decay."""
    if step < config.warmup_steps:
        return config.lr * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(steps - config.warmup_steps, 1)
    if config.schedule == "constant":
        share = 1.0
    elif config.schedule == "linear":
        share = 1 - progress
    else:
        share = (1 + math.cos(math.pi * progress)) / 2
    return config.lr * (config.final_lr_share + (1 - config.final_lr_share) * share)
