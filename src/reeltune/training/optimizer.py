"""AdamW and the learning rate: the rate is a function of the step, so there is no scheduler state."""

import math

import torch

from reeltune.config.recipe import OptimConfig
from reeltune.errors import InputError
from reeltune.models.policy import Policy


def make_optimizer(policy: Policy, config: OptimConfig) -> torch.optim.AdamW:
    """AdamW over the parameters that train; norms, biases and other vectors are not decayed.

    Each part of the model with a rate of its own (`optim.lr_of`) has groups of its own, whose `lr_share` is that rate
    as a share of `optim.lr`. InputError for a part in which nothing trains.
    """
    trained = policy.trained()
    if not trained:
        raise InputError("no parameter trains: unfreeze a part of the model (model.freeze)")
    parts = {part for _, _, part in trained}
    if idle := sorted(set(config.lr_of) - parts):
        raise InputError(f"optim.lr_of.{idle[0]}: nothing of it trains; what trains: {', '.join(sorted(parts))}")
    groups = []
    for own in (None, *config.lr_of):
        members = [value for _, value, part in trained if (part if part in config.lr_of else None) == own]
        share = config.lr_of[own] / config.lr if own else 1.0
        for matrix, decay in ((True, config.weight_decay), (False, 0.0)):
            chosen = [value for value in members if (value.ndim >= 2) == matrix]
            groups.append({"params": chosen, "weight_decay": decay, "lr_share": share})
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, eps=config.eps)


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
