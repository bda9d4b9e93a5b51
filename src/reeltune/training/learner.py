"""The learner: log-probs with gradient of groups of completions, and one optimizer step over many passes."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from reeltune.config.recipe import Recipe
from reeltune.distributed.shard import gathered, is_sharded, spread
from reeltune.distributed.world import World
from reeltune.errors import InputError
from reeltune.models.experts import (
    load_balancing_coefficient,
    load_balancing_loss,
    require_equal_experts,
    routers,
    watched,
)
from reeltune.models.features import encode_at_once
from reeltune.models.policy import Policy
from reeltune.models.shared_prefix.row import group_log_probs, pack
from reeltune.models.types import Group as PromptGroup
from reeltune.models.weights import whole
from reeltune.rollout.engine import derive_seed
from reeltune.rollout.group import Group
from reeltune.rollout.probe import TOLERANCE
from reeltune.rollout.reader import autocast
from reeltune.training.faults import name_memory, require_finite
from reeltune.training.optimizer import learning_rate
from reeltune.training.phases import Phases

Objective = Callable[[Group, Tensor], tuple[Tensor, dict[str, float]]]
"""(group, its log-probs [G, C]) -> (its share of the step's loss, sums to add up for the metrics)."""


@dataclass
class Learner:
    """A policy, its optimizer and the processes that train it together."""

    policy: Policy
    optimizer: torch.optim.Optimizer
    world: World
    recipe: Recipe
    phases: Phases = field(default_factory=Phases)
    """Told by a step what it is doing."""

    def __post_init__(self) -> None:
        # What every pass goes through: it knows of the other processes.
        self.sharded = is_sharded(self.policy)
        self.module = self.policy if self.sharded else self.world.wrap(self.policy)
        self.temperature = self.recipe.temperature
        self.budget = self.recipe.packing.train_tokens
        self.precision = self.recipe.optim.precision

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While prompts are read: a sharded tower that trains is whole, and runs without gradient."""
        if self.sharded and not self.policy.vision_frozen:
            with gathered(self.policy), torch.no_grad():
                yield
        else:
            yield

    def update(self, step: int, groups: Sequence[Group], objective: Objective) -> dict[str, float]:
        """One optimizer step over the groups of all processes; returns the sums of all of them, `grad_norm` and `lr`.

        InputError where a log-prob, the loss or the gradient is not finite: this update is then not applied.
        """
        rate = learning_rate(step, self.recipe.steps, self.recipe.optim)
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = rate * parameters.get("lr_share", 1.0)
        self.optimizer.zero_grad()
        # Dropout, where an adapter has it, depends on the step alone: a resumed run drops the same.
        torch.manual_seed(derive_seed(self.recipe.seed, "dropout", step, self.world.rank))
        sums = self._accumulate(step, groups, objective)
        norm = float(whole(nn.utils.clip_grad_norm_(self.policy.parameters(), self.recipe.optim.max_grad_norm)))
        if not math.isfinite(norm):
            raise InputError(
                f"step {step + 1}: the gradient norm is {norm}, so this update was not applied. Lower optim.lr, or "
                f"look for the cause in the last steps of {self.recipe.run.dir}/metrics.jsonl"
            )
        self.optimizer.step()
        return sums | {"grad_norm": norm, "lr": rate}

    def _accumulate(self, step: int, groups: Sequence[Group], objective: Objective) -> dict[str, float]:
        """Add the gradient of the step's loss.

        Groups without weight change nothing and are left out. Every process makes equally many passes, the last one
        synchronized: a process with fewer repeats one with weight 0.
        """
        # 1. Passes that fit the memory budget; all processes make as many as the one with the most.
        active = [group for group in groups if group.informative]
        passes = pack(active, self.budget)
        rounds = max(self.world.gather([len(passes)]))
        balancing = load_balancing_coefficient(self.policy)
        everywhere = sum(self.world.gather([len(active)])) if balancing else 1
        sums: list[dict[str, float]] = [{} for _ in active]
        # A sharded tower that trains runs within the pass: every process then comes by its blocks equally often.
        encode = self.sharded and not self.policy.vision_frozen
        for number in range(rounds):
            # 2. One pass over its groups' rows: only the last one averages gradients over processes.
            real = number < len(passes)
            members = [active[index] for index in passes[number]] if real else [without_state(groups[0])]
            last = number + 1 == rounds
            with nullcontext() if last else self._unsynchronized(), name_memory(members, step=step, doing="training"):
                with autocast(self.world.device, self.precision), watched(self.policy) as routed:
                    log_probs = [each.float() for each in self.module(self._pass(members, encode=encode))]
                for group, values in zip(members, log_probs, strict=True):
                    require_finite({"the learner's log-probs": values}, step=step, sample=group.sample.id)
                # 3. Each group's share of the step's loss. A repeated pass has weight 0: it only takes part in the
                #    averaging.
                losses = [
                    objective(group, values) if real else (values.sum(), {})
                    for group, values in zip(members, log_probs, strict=True)
                ]
                loss = torch.stack([each for each, _ in losses]).sum()
                if balancing:
                    # Its mean over the step's groups: every pass counts by how many of them it holds.
                    share = load_balancing_loss(routed) * len(members) / everywhere
                    loss = loss + balancing * share
                    losses[0][1]["load_balancing"] = float(share.detach())
                # 4. Gradients are averaged over processes; the loss is a sum over all of them.
                factor = float(self.world.size if real else 0)
                # Groups of one video share its features, whose graph a later pass may need again.
                (loss * factor).backward(retain_graph=not last and not self.sharded)
            if real:
                for index, (_, each) in zip(passes[number], losses, strict=True):
                    sums[index] = each
        # 5. The sums of all processes, added up in the order of the groups, so that they do not depend on the packing.
        total: dict[str, float] = {}
        for each in self.world.gather(sums):
            for name, value in each.items():
                total[name] = total.get(name, 0.0) + value
        for name, value in total.items():
            if not math.isfinite(value):
                raise InputError(f"step {step + 1}: {name} is {value}, so this update was not applied. Lower optim.lr")
        return total

    def _unsynchronized(self) -> AbstractContextManager[Any]:
        """Gradients of this pass stay here; the last pass averages those of all of them."""
        module: Any = self.module
        # In parts they are added up over the processes at once: whole ones would not fit.
        return module.no_sync() if self.world.size > 1 and not self.sharded else nullcontext()

    def _pass(self, groups: Sequence[Group], *, encode: bool = False) -> Callable[[Policy], list[Tensor]]:
        """Log-probs of the groups as one pass; with `encode` also their media's features, each once."""

        def compute(policy: Policy) -> list[Tensor]:
            members: Sequence[PromptGroup] = groups
            if encode:
                features = encode_at_once(policy, [group.prompt for group in groups])
                members = [PromptGroup(a.prompt, own, a.completions) for a, own in zip(groups, features, strict=True)]
            return group_log_probs(policy, members, temperature=self.temperature)

        return compute

    @torch.no_grad()
    def log_probs(
        self, groups: Sequence[Group], policy: Policy | None = None, *, idle: Group | None = None
    ) -> list[Tensor]:
        """[G, C] of each group, without gradient, each prompt computed afresh; of this policy or of another.

        Weights in parts are gathered by all processes together: one with fewer passes than others repeats one, of
        `idle` where it may have no group itself.
        """
        policy = policy or self.policy
        found: list[Tensor] = [torch.empty(0)] * len(groups)
        passes = pack(groups, self.budget)
        missing = max(self.world.gather([len(passes)])) - len(passes) if self.sharded else 0
        for indices in passes:
            log_probs = policy(self._pass([without_state(groups[index]) for index in indices]))
            for index, values in zip(indices, log_probs, strict=True):
                found[index] = values
        if missing:
            repeated = groups[passes[-1][0]] if passes else idle
            assert repeated is not None, "a process without groups needs an idle one"
            for _ in range(missing):
                policy(self._pass([without_state(repeated)]))
        spread(policy)
        return found

    @property
    def parity_tolerance(self) -> float:
        """Between rollout and learner, of a token's log-prob."""
        return self.recipe.rl.parity_tolerance or TOLERANCE[self.recipe.rounding]

    def check_parity(self, step: int, groups: Sequence[Group], idle: Group) -> None:
        """InputError unless rollout and learner give the sampled tokens the same log-probs: else they see different
        inputs, and every gradient would be wrong without a word."""
        tolerance = self.parity_tolerance
        gaps = [0.0]
        with autocast(self.world.device, self.precision):
            found = self.log_probs(groups, idle=idle)
            if routers(self.policy):
                # Decoding token by token takes the whole weights; all processes gather them together.
                with gathered(self.policy):
                    if groups:
                        require_equal_experts(self.policy, without_state(groups[0]))
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
                f"rollout and learner must agree on the log-probs of sampled tokens within {tolerance:g}; they "
                f"differ by {gap:.3g}. Either their inputs differ (positions, pixels, padding) or their "
                "precision does; if the precision is intended, raise rl.parity_tolerance"
            )


def without_state(group: Group) -> Group:
    """The group without the rollout's state of its prompt, whose graph may be gone or is to be checked."""
    fresh = copy(group)
    fresh.state = None
    return fresh
