"""GRPO's advantages and losses as pure functions.

A step's loss is one sum over all its completion tokens, each with a weight that holds the normalization. So
groups may be split over passes and processes in any way and the gradient stays the same.

Shape letters: B groups, G completions per group, C completion tokens.
Sources: GRPO (arXiv 2402.03300), DAPO (2503.14476), Dr. GRPO (2503.20783), GSPO (2507.18071).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from reeltune.config import names
from reeltune.errors import InputError
from reeltune.registry import Registry

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
    zero_variance = ~has_signal(rewards, valid)[:, None]
    if scale == "none":
        return centered.masked_fill(zero_variance, 0.0)
    if scale == "group":
        std = (centered.square().sum(1, keepdim=True) / (count - 1).clamp(min=1)).sqrt()
    else:
        std = rewards[valid].std() if int(valid.sum()) > 1 else rewards.new_zeros(())
    return (centered / (std.clamp(min=std_floor) + epsilon)).masked_fill(zero_variance, 0.0)


def step_advantages(
    rewards: Tensor,
    valid: Tensor,
    tasks: Sequence[str],
    *,
    scale: Literal["group", "task", "moving", "batch", "none"],
    epsilon: float,
    std_floor: float,
    scales: Mapping[str, float] | None = None,
) -> Tensor:
    """`advantages` of a step's groups [B, G], of which each belongs to one of `tasks` [B].

    With scale "task" the std is that of all completions of the task: IoU, accuracy and judge scores differ in scale,
    and none of them then outweighs the others (our choice). With "moving" it is that of `scales`, by task.
    """
    if scale == "moving":
        stds = [max((scales or {}).get(task, 0.0), std_floor) + epsilon for task in tasks]
        return advantages(rewards, valid, scale="none") / rewards.new_tensor(stds)[:, None]
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


@dataclass(frozen=True)
class Clip:
    """How far the ratio of a token may go before its gradient ends: 1 - low .. 1 + high."""

    low: float = 0.2
    high: float = 0.2


@dataclass(frozen=True)
class Loss:
    """A policy loss is two pure functions. A loss of your own is a `Loss` in a file: `rl.loss: file.py:NAME`.

    `weights(mask, totals)`: the weight [G, C] of each token of one group in the step's sum; `mask` [G, C] is true where
    a token carries loss.
    `terms(log_probs, old_log_probs, advantage, carried, clip)`: each token's loss [G, C], and where its gradient was
    cut off [G, C] bool; `advantage` is [G, 1].
    """

    weights: Callable[[Tensor, "StepTotals"], Tensor]
    terms: Callable[[Tensor, Tensor, Tensor, Tensor, Clip], tuple[Tensor, Tensor]]
    divides_by_std: bool = True


def mean_of_completions(mask: Tensor, totals: StepTotals) -> Tensor:
    """The mean over a completion's tokens, then over completions."""
    tokens = mask.float()
    return tokens / (tokens.sum(1, keepdim=True).clamp(min=1) * totals.completions)


def mean_of_tokens(mask: Tensor, totals: StepTotals) -> Tensor:
    """The mean over all tokens of the step."""
    return mask.float() / max(totals.tokens, 1)


def constant_length(mask: Tensor, totals: StepTotals) -> Tensor:
    """The sum over tokens by a constant length, `max_new_tokens`, then the mean over completions."""
    return mask.float() / (totals.completions * totals.max_new_tokens)


def mean_of_group_tokens(mask: Tensor, totals: StepTotals) -> Tensor:
    """The mean over the tokens of a group, then over groups (the "local batch" is the group: our choice)."""
    tokens = mask.float()
    return tokens / (tokens.sum().clamp(min=1) * totals.groups)


def clipped_surrogate(
    log_probs: Tensor, old_log_probs: Tensor, advantage: Tensor, carried: Tensor, clip: Clip
) -> tuple[Tensor, Tensor]:
    """-min(r A, clip(r) A) with r = exp(log_probs - old), token by token."""
    return _clipped(_log_ratio(log_probs, old_log_probs, carried), advantage, clip)


def clipped_sequence_surrogate(
    log_probs: Tensor, old_log_probs: Tensor, advantage: Tensor, carried: Tensor, clip: Clip
) -> tuple[Tensor, Tensor]:
    """The same with one ratio per completion: the exponential of the mean log-ratio over its tokens (GSPO)."""
    log_ratio = _log_ratio(log_probs, old_log_probs, carried)
    mean = log_ratio.sum(1, keepdim=True) / carried.sum(1, keepdim=True).clamp(min=1)
    return _clipped(mean.expand_as(log_ratio), advantage, clip)


def _log_ratio(log_probs: Tensor, old_log_probs: Tensor, carried: Tensor) -> Tensor:
    return (log_probs - old_log_probs).masked_fill(~carried, 0.0)


def _clipped(log_ratio: Tensor, advantage: Tensor, clip: Clip) -> tuple[Tensor, Tensor]:
    ratio = log_ratio.exp()
    surrogate = torch.minimum(ratio * advantage, ratio.clamp(1 - clip.low, 1 + clip.high) * advantage)
    return -surrogate, ratio * advantage > surrogate


GRPO = Loss(mean_of_completions, clipped_surrogate)
DAPO = Loss(mean_of_tokens, clipped_surrogate)
DR_GRPO = Loss(constant_length, clipped_surrogate, divides_by_std=False)
BNPO = Loss(mean_of_group_tokens, clipped_surrogate)
GSPO = Loss(mean_of_completions, clipped_sequence_surrogate)


def _is_loss(name: str, found: object) -> None:
    if not isinstance(found, Loss):
        raise InputError(f"rl.loss={name!r} must name a reeltune.training.grpo.Loss; got a {type(found).__name__}")


LOSSES: Registry[Loss] = Registry("loss", names.LOSSES, _is_loss)


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
    loss: Loss = DAPO,
    *,
    clip: Clip = Clip(),
    reference_log_probs: Tensor | None = None,
    kl_weight: float = 0.0,
) -> PolicyLoss:
    """The policy-gradient loss of one group, plus `kl_weight` times the k3 divergence.

    `log_probs`, `old_log_probs`, `reference_log_probs`, `weights`: [G, C]; `advantage`: [G].
    """
    carried = weights > 0
    per_token, clipped = loss.terms(log_probs, old_log_probs, advantage[:, None], carried, clip)
    kl = torch.zeros_like(log_probs)
    if reference_log_probs is not None:
        kl = k3(log_probs, reference_log_probs).masked_fill(~carried, 0.0)
        per_token = per_token + kl_weight * kl
    return PolicyLoss((per_token * weights).sum(), kl.detach(), clipped & carried)


def k3(log_probs: Tensor, reference_log_probs: Tensor) -> Tensor:
    """Schulman's k3 estimate of KL(policy || reference) per token: exp(d) - d - 1, d = reference - policy."""
    difference = reference_log_probs - log_probs
    return difference.exp() - difference - 1


def completion_mask(ids: Tensor, end_ids: Sequence[int]) -> Tensor:
    """True up to and including the first end token of each row; `ids` [G, C]."""
    ended = torch.isin(ids, torch.tensor(list(end_ids), device=ids.device))
    return ended.int().cumsum(1) - ended.int() == 0
