"""AdamW and the learning rate: the rate is a function of the step, so there is no scheduler state."""

import math
from typing import Any

import torch

from reeltune.config.recipe import OptimConfig
from reeltune.errors import InputError
from reeltune.models.loading import require_bitsandbytes
from reeltune.models.policy import Policy


def make_optimizer(policy: Policy, config: OptimConfig) -> torch.optim.Optimizer:
    """AdamW over the parameters that train; norms, biases and other vectors are not decayed.

    Each part of the model with a rate of its own (`optim.lr_of`) has groups of its own, whose `lr_share` is that rate
    as a share of `optim.lr`. InputError for a part in which nothing trains, and for 8bit without its library.
    """
    trained = policy.trained()
    if not trained:
        raise InputError("no parameter is trainable: unfreeze a part of the model (model.freeze)")
    parts = {part for _, _, part in trained}
    if idle := sorted(set(config.lr_of) - parts):
        raise InputError(
            f"optim.lr_of.{idle[0]}: this part does not train; trainable parts: {', '.join(sorted(parts))}"
        )
    groups = []
    for own in (None, *config.lr_of):
        members = [value for _, value, part in trained if (part if part in config.lr_of else None) == own]
        share = config.lr_of[own] / config.lr if own else 1.0
        for matrix, decay in ((True, config.weight_decay), (False, 0.0)):
            chosen = [value for value in members if (value.ndim >= 2) == matrix]
            groups.append({"params": chosen, "weight_decay": decay, "lr_share": share})
    options: dict[str, Any] = {"lr": config.lr, "betas": config.betas, "eps": config.eps}
    if config.moments == "8bit":
        optimizer: torch.optim.Optimizer = require_bitsandbytes("optim.moments=8bit").optim.AdamW8bit(groups, **options)
        return optimizer
    return (HostAdamW if config.moments == "host" else torch.optim.AdamW)(groups, **options)


class HostAdamW(torch.optim.AdamW):
    """AdamW whose moments wait in the host's memory, and visit the device one parameter at a time.

    It saves 8 bytes for each parameter that trains, and moves them there and back at every step.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        assert closure is None
        groups = self.param_groups
        try:
            for group in groups:
                for parameter in group["params"]:
                    if parameter.grad is None:
                        continue
                    state = self.state[parameter]
                    self._move(state, parameter.device)
                    self.param_groups = [group | {"params": [parameter]}]
                    super().step()
                    self._move(state, torch.device("cpu"))
        finally:
            self.param_groups = groups

    @staticmethod
    def _move(state: dict[str, Any], device: torch.device) -> None:
        for key in set(state) - {"step"}:
            state[key] = state[key].to(device)


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
