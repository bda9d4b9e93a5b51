"""GRPO's advantages and losses as pure functions.

A step's loss is one sum over all its completion tokens, each with a weight that holds the normalization. So
groups may be split over passes and processes in any way and the gradient stays the same.

Shape letters: B groups, G completions per group, C completion tokens.
Sources: GRPO (arXiv 2402.03300), DAPO (2503.14476), Dr. GRPO (2503.20783), GSPO (2507.18071).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Loss = Literal["grpo", "dapo", "dr_grpo", "bnpo", "gspo"]
Scale = Literal["group", "batch", "none"]


def advantages(
    rewards: Tensor,
    valid: Tensor | None = None,
    *,
    scale: Scale = "group",
    epsilon: float = 1e-4,
    std_floor: float = 0.0,
) -> Tensor:
    """(R - group mean) / (std + epsilon), for `rewards` [B, G].

    `valid` [B, G] leaves completions without a reward out of mean and std; their advantage is 0. The std has
    ddof = 1, of each group, of the whole batch, or is not used; `std_floor` bounds it from below, since with a
    continuous reward the jitter of a group that agrees would else become a full-size gradient. A group whose
    rewards are equal has no signal: advantage 0.
    """
    valid = torch.ones_like(rewards, dtype=torch.bool) if valid is None else valid
    rewards = rewards.masked_fill(~valid, 0.0)
    count = valid.sum(1, keepdim=True)
    mean = rewards.sum(1, keepdim=True) / count.clamp(min=1)
    centered = (rewards - mean).masked_fill(~valid, 0.0)
    silent = ~has_signal(rewards, valid)[:, None]
    if scale == "none":
        return centered.masked_fill(silent, 0.0)
    if scale == "group":
        std = (centered.square().sum(1, keepdim=True) / (count - 1).clamp(min=1)).sqrt()
    else:
        std = rewards[valid].std() if int(valid.sum()) > 1 else rewards.new_zeros(())
    return (centered / (std.clamp(min=std_floor) + epsilon)).masked_fill(silent, 0.0)


def step_advantages(
    rewards: Tensor,
    valid: Tensor,
    tasks: Sequence[str],
    *,
    scale: Literal["group", "task", "batch", "none"],
    epsilon: float,
    std_floor: float,
) -> Tensor:
    """`advantages` of a step's groups [B, G], of which each belongs to one of `tasks` [B].

    With scale "task" the std is that of all completions of the task: IoU, accuracy and judge scores differ in scale,
    and none of them then outweighs the others (our choice).
    """
    if scale != "task":
        return advantages(rewards, valid, scale=scale, epsilon=epsilon, std_floor=std_floor)
    result = torch.zeros_like(rewards)
    for task in dict.fromkeys(tasks):
        rows = torch.tensor([own == task for own in tasks])
        result[rows] = advantages(rewards[rows], valid[rows], scale="batch", epsilon=epsilon, std_floor=std_floor)
    return result


def has_signal(rewards: Tensor, valid: Tensor) -> Tensor:
    """[B] bool: at least two completions with a reward, and not all the same."""
    highest = rewards.masked_fill(~valid, -torch.inf).amax(1)
    lowest = rewards.masked_fill(~valid, torch.inf).amin(1)
    return highest > lowest


@dataclass(frozen=True)
class StepTotals:
    """What the weights of a step are normalized by, over all groups and processes."""

    groups: int
    completions: int
    tokens: int
    max_new_tokens: int


def token_weights(mask: Tensor, totals: StepTotals, loss: Loss) -> Tensor:
    """Weight [G, C] of each token of one group; `mask` [G, C] is true where a token carries loss.

    - grpo, gspo: the mean over a completion's tokens, then over completions;
    - dapo: the mean over all tokens of the step;
    - dr_grpo: the sum over tokens by a constant length, `max_new_tokens`, then the mean over completions;
    - bnpo: the mean over the tokens of a group, then over groups (the "local batch" is the group: our choice).
    """
    tokens = mask.float()
    if loss == "dapo":
        return tokens / max(totals.tokens, 1)
    if loss == "dr_grpo":
        return tokens / (totals.completions * totals.max_new_tokens)
    if loss == "bnpo":
        return tokens / (tokens.sum().clamp(min=1) * totals.groups)
    return tokens / (tokens.sum(1, keepdim=True).clamp(min=1) * totals.completions)


@dataclass(frozen=True)
class PolicyLoss:
    """`loss` is the summed scalar; the others are per-token [G, C] and detached, for the metrics."""

    loss: Tensor
    kl: Tensor
    clipped: Tensor


def policy_loss(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantage: Tensor,
    weights: Tensor,
    *,
    loss: Loss = "dapo",
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    reference_log_probs: Tensor | None = None,
    kl_weight: float = 0.0,
) -> PolicyLoss:
    """The clipped policy-gradient loss of one group, plus `kl_weight` times the k3 divergence.

    `log_probs`, `old_log_probs`, `reference_log_probs`, `weights`: [G, C]; `advantage`: [G].
    Per token -min(r A, clip(r, 1 - clip_low, 1 + clip_high) A) with r = exp(log_probs - old). With gspo, r is
    one per completion: the exponential of the mean log-ratio over its tokens.
    """
    carried = weights > 0
    log_ratio = (log_probs - old_log_probs).masked_fill(~carried, 0.0)
    if loss == "gspo":
        mean = log_ratio.sum(1, keepdim=True) / carried.sum(1, keepdim=True).clamp(min=1)
        log_ratio = mean.expand_as(log_ratio)
    ratio = log_ratio.exp()
    advantage = advantage[:, None]
    clipped_ratio = ratio.clamp(1 - clip_low, 1 + clip_high)
    surrogate = torch.minimum(ratio * advantage, clipped_ratio * advantage)
    per_token = -surrogate
    kl = torch.zeros_like(log_probs)
    if reference_log_probs is not None:
        kl = k3(log_probs, reference_log_probs).masked_fill(~carried, 0.0)
        per_token = per_token + kl_weight * kl
    with torch.no_grad():
        clipped = (ratio * advantage > surrogate) & carried
    return PolicyLoss((per_token * weights).sum(), kl.detach(), clipped)


def k3(log_probs: Tensor, reference_log_probs: Tensor) -> Tensor:
    """Schulman's k3 estimate of KL(policy || reference) per token: exp(d) - d - 1, d = reference - policy."""
    difference = reference_log_probs - log_probs
    return difference.exp() - difference - 1


def completion_mask(ids: Tensor, end_ids: Sequence[int]) -> Tensor:
    """True up to and including the first end token of each row; `ids` [G, C]."""
    ended = torch.isin(ids, torch.tensor(list(end_ids), device=ids.device))
    return ended.int().cumsum(1) - ended.int() == 0
