"""One optimizer step over many passes and processes."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from reeltune.models.policy import Policy
from reeltune.models.shared_prefix.row import group_log_probs, pack
from reeltune.models.types import Group
from reeltune.rollout.reader import autocast
from reeltune.training.method import Item, Method


class Learner(nn.Module):
    """The module that is wrapped for many processes: groups in, log-probs with gradient out."""

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, groups: Sequence[Group], temperature: float) -> list[Tensor]:
        return group_log_probs(self.policy, groups, temperature=temperature)


def accumulate_gradients(
    learner: nn.Module,
    accelerator: Accelerator,
    method: Method,
    items: Sequence[Item],
    *,
    update: int,
    temperature: float,
    token_budget: int,
    precision: str,
) -> dict[str, float]:
    """Add the gradient of the step's loss; returns the sums of all processes for the metrics.

    Items without weight teach nothing and are left out. Every process makes equally many passes, the last
    one synchronized: a process with fewer repeats one with weight 0.
    """
    active = [item for item in items if item.active]
    passes = pack([item.group for item in active], token_budget)
    rounds = max(gather_object([len(passes)]))
    sums: list[dict[str, float]] = [{} for _ in active]
    for number in range(rounds):
        real = number < len(passes)
        members = [active[index] for index in passes[number]] if real else [_afresh(items[0])]
        last = number + 1 == rounds
        with nullcontext() if last else accelerator.no_sync(learner):
            with autocast(accelerator.device, precision):
                log_probs = learner([item.group for item in members], temperature)
            losses = [
                method.loss(item, values.float(), update) for item, values in zip(members, log_probs, strict=True)
            ]
            loss = torch.stack([each for each, _ in losses]).sum()
            # Gradients are averaged over processes; the loss is a sum over all of them.
            factor = float(accelerator.num_processes if real else 0)
            # Groups of one video share its features, whose graph a later pass may need again.
            accelerator.backward(loss * factor, retain_graph=not last)
        if real:
            for index, (_, each) in zip(passes[number], losses, strict=True):
                sums[index] = each
    total: dict[str, float] = {}
    # Added up in the order of the groups, so that the sum does not depend on how they were packed.
    for each in gather_object(sums):
        for name, value in each.items():
            total[name] = total.get(name, 0.0) + value
    return total


def _afresh(item: Item) -> Item:
    """The item without the rollout's state of its prompt, whose graph may be gone or is to be checked."""
    return replace(item, group=replace(item.group, state=None))


@torch.no_grad()
def log_prob_gap(
    policy: Policy, items: Sequence[Item], *, temperature: float, token_budget: int, precision: str
) -> float:
    """Largest |learner - rollout| log-prob over the completion tokens of these items."""
    gap = 0.0
    groups = [_afresh(item).group for item in items]
    for indices in pack(groups, token_budget):
        with autocast(policy.device, precision):
            log_probs = group_log_probs(policy, [groups[index] for index in indices], temperature=temperature)
        for index, values in zip(indices, log_probs, strict=True):
            difference = values.float().cpu() - items[index].signals.rollout_log_probs
            gap = max(gap, float(difference[groups[index].completions.mask].abs().max()))
    return gap
