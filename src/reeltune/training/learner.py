"""The learner: log-probs with gradient of groups of completions, and one optimizer step over many passes."""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from reeltune.config.recipe import Recipe
from reeltune.distributed.world import World
from reeltune.errors import InputError
from reeltune.models.policy import Policy
from reeltune.models.shared_prefix.row import group_log_probs, pack
from reeltune.models.types import Group as PromptGroup
from reeltune.rollout.group import Group
from reeltune.rollout.reader import autocast
from reeltune.training.faults import name_memory, require_finite
from reeltune.training.optimizer import learning_rate

Objective = Callable[[Group, Tensor], tuple[Tensor, dict[str, float]]]
"""(group, its log-probs [G, C]) -> (its share of the step's loss, sums to add up for the metrics)."""
PARITY_TOLERANCE = {"float32": 1e-4, "bf16": 0.25}


class LogProbs(nn.Module):
    """The module that is wrapped for many processes: groups in, log-probs with gradient out."""

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, groups: Sequence[PromptGroup], temperature: float) -> list[Tensor]:
        return group_log_probs(self.policy, groups, temperature=temperature)


@dataclass
class Learner:
    """A policy, its optimizer and the processes that train it together."""

    policy: Policy
    optimizer: torch.optim.Optimizer
    world: World
    recipe: Recipe

    def __post_init__(self) -> None:
        self.module = self.world.wrap(LogProbs(self.policy))
        self.temperature = self.recipe.temperature
        self.budget = self.recipe.packing.train_tokens
        self.precision = self.recipe.optim.precision

    def update(self, step: int, groups: Sequence[Group], objective: Objective) -> dict[str, float]:
        """One optimizer step over the groups of all processes; returns the sums of all of them, `grad_norm` and `lr`.

        InputError where a log-prob, the loss or the gradient is not finite: this update is then not applied.
        """
        rate = learning_rate(step, self.recipe.steps, self.recipe.optim)
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = rate * parameters.get("lr_share", 1.0)
        self.optimizer.zero_grad()
        sums = self._accumulate(step, groups, objective)
        norm = float(nn.utils.clip_grad_norm_(self.module.parameters(), self.recipe.optim.max_grad_norm))
        if not math.isfinite(norm):
            raise InputError(
                f"step {step + 1}: the gradient's norm is {norm}; this update was not applied. Lower optim.lr, or look "
                f"for the cause in the last steps of {self.recipe.run.dir}/metrics.jsonl"
            )
        self.optimizer.step()
        return sums | {"grad_norm": norm, "lr": rate}

    def _accumulate(self, step: int, groups: Sequence[Group], objective: Objective) -> dict[str, float]:
        """Add the gradient of the step's loss.

        Groups without weight teach nothing and are left out. Every process makes equally many passes, the last one
        synchronized: a process with fewer repeats one with weight 0.
        """
        active = [group for group in groups if group.teaches]
        passes = pack(active, self.budget)
        rounds = max(self.world.gather([len(passes)]))
        sums: list[dict[str, float]] = [{} for _ in active]
        for number in range(rounds):
            real = number < len(passes)
            members = [active[index] for index in passes[number]] if real else [without_state(groups[0])]
            last = number + 1 == rounds
            with nullcontext() if last else self._unsynchronized(), name_memory(members, step=step, doing="training"):
                with autocast(self.world.device, self.precision):
                    log_probs = [each.float() for each in self.module(members, self.temperature)]
                for group, values in zip(members, log_probs, strict=True):
                    require_finite({"the learner's log-probs": values}, step=step, sample=group.sample.id)
                # A repeated pass has weight 0: it only takes part in the averaging.
                losses = [
                    objective(group, values) if real else (values.sum(), {})
                    for group, values in zip(members, log_probs, strict=True)
                ]
                loss = torch.stack([each for each, _ in losses]).sum()
                # Gradients are averaged over processes; the loss is a sum over all of them.
                factor = float(self.world.size if real else 0)
                # Groups of one video share its features, whose graph a later pass may need again.
                (loss * factor).backward(retain_graph=not last)
            if real:
                for index, (_, each) in zip(passes[number], losses, strict=True):
                    sums[index] = each
        total: dict[str, float] = {}
        # Added up in the order of the groups, so that the sum does not depend on how they were packed.
        for each in self.world.gather(sums):
            for name, value in each.items():
                total[name] = total.get(name, 0.0) + value
        for name, value in total.items():
            if not math.isfinite(value):
                raise InputError(f"step {step + 1}: {name} is {value}; this update was not applied. Lower optim.lr")
        return total

    def _unsynchronized(self) -> AbstractContextManager[Any]:
        """Gradients of this pass stay here; the last pass averages those of all of them."""
        module: Any = self.module
        return module.no_sync() if self.world.size > 1 else nullcontext()

    @torch.no_grad()
    def log_probs(self, groups: Sequence[Group], policy: Policy | None = None) -> list[Tensor]:
        """[G, C] of each group, without gradient, each prompt computed afresh; of this policy or of another."""
        found: list[Tensor] = [torch.empty(0)] * len(groups)
        for indices in pack(groups, self.budget):
            members = [without_state(groups[index]) for index in indices]
            log_probs = group_log_probs(policy or self.policy, members, temperature=self.temperature)
            for index, values in zip(indices, log_probs, strict=True):
                found[index] = values
        return found

    def check_parity(self, step: int, groups: Sequence[Group]) -> None:
        """InputError unless rollout and learner give the sampled tokens the same log-probs: else they see different
        inputs, and every gradient would be wrong without a word."""
        tolerance = self.recipe.rl.parity_tolerance or PARITY_TOLERANCE[self.precision]
        gaps = [0.0]
        with autocast(self.world.device, self.precision):
            found = self.log_probs(groups)
        for group, values in zip(groups, found, strict=True):
            require_finite(
                {"the learner's log-probs": values, "the rollout's log-probs": group.log_probs},
                step=step,
                sample=group.sample.id,
            )
            difference = values.float().cpu() - group.log_probs
            gaps.append(float(difference[group.completions.mask].abs().max()))
        gap = max(self.world.gather(gaps))
        if not gap <= tolerance:
            raise InputError(
                f"rollout and learner must give the sampled tokens the same log-probs within {tolerance:g}; they "
                f"differ by {gap:.3g}. They see different inputs (positions, pixels, padding) or run at different "
                "precision; if the precision is meant, raise rl.parity_tolerance"
            )


def without_state(group: Group) -> Group:
    """The group without the rollout's state of its prompt, whose graph may be gone or is to be checked."""
    fresh = copy(group)
    fresh.state = None
    return fresh
