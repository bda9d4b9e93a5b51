"""Completions that were drawn by other probabilities than the learner's: older weights, or a server's kernels.

Shape letters: G completions, C completion tokens. Sources: truncated importance sampling between a rollout engine and a
learner, Yao et al., "Your efficient RL framework secretly brings you off-policy RL training" (2025); masking in place
of truncation, IcePop (2025); a ratio to the weights before the update beside one to the behavior, decoupled PPO (arXiv
2110.00641).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from reeltune.config.rl import RLConfig
from reeltune.errors import InputError
from reeltune.rollout.engine import RolloutEngine, computes_beside
from reeltune.rollout.group import Group
from reeltune.training.grpo import k3
from reeltune.training.learner import Learner

Kind = Literal["none", "truncated", "masked"]


def importance(own: Tensor, behavior: Tensor, mask: Tensor, kind: Kind, cap: float) -> tuple[Tensor, Tensor]:
    """(what each token's loss is multiplied by [G, C], whether the cap changed that [G, C] bool).

    The ratio of the learner's probability before the update to the one a token was drawn with: at most `cap`
    (truncated), or 0 where it is above `cap` or below 1 / `cap` (masked). With kind none it is 1: the loss's own ratio
    speaks.
    """
    ratio = (own - behavior).masked_fill(~mask, 0.0).exp()
    if kind == "none":
        return torch.ones_like(ratio), torch.zeros_like(mask)
    if kind == "truncated":
        return ratio.clamp(max=cap), (ratio > cap) & mask
    beyond = ((ratio > cap) | (ratio < 1 / cap)) & mask
    return ratio.masked_fill(beyond, 0.0), beyond


@dataclass(frozen=True)
class OffPolicy:
    """How a step takes what the engine said of its tokens.

    `stale`: rollouts run ahead of the update. Then, without a correction, the ratio that the loss clips is the one to
    the behavior's log-probs; with one it is that to the learner's own before the update, as of a synchronous step, and
    the correction carries the rest. `tolerance`: a group that is not stale, and whose log-probs are off by more than
    this on average, stops the run.
    """

    stale: bool
    kind: Kind
    cap: float
    tolerance: float

    def judge(self, group: Group, own: Tensor, step: int) -> None:
        """Fill in `old_log_probs`, `correction` and `mismatch` from the learner's log-probs `own` [G, C] before any
        update of this step. InputError where rollout and learner cannot have seen the same."""
        mask = group.weights.to(own.device) > 0
        behavior = group.log_probs.to(own)
        weights, capped = importance(own, behavior, mask, self.kind, self.cap)
        gap = (own - behavior).abs()[mask]
        if group.version == step and len(gap) and not float(gap.mean()) <= self.tolerance:
            raise InputError(
                f"step {step + 1}, sample {group.sample.id!r}: with the same weights, rollout and learner differ "
                f"by {float(gap.mean()):.3g} in a token's log-prob on average, more than {self.tolerance:g} "
                "(rl.parity_tolerance): their inputs differ, or the engine has other weights. This step was not "
                "applied"
            )
        old = behavior if self.stale and self.kind == "none" else own
        group.old_log_probs, group.correction = old, weights
        ratio = (own - behavior).masked_fill(~mask, 0.0).exp()
        used = ratio if self.kind == "none" else weights
        group.mismatch = {
            "mismatch_kl": float(k3(own, behavior)[mask].sum()),
            "correction": float(used[mask].sum()),
            "capped": float(capped.sum()),
        }


def off_policy(learner: Learner, config: RLConfig, engine: RolloutEngine) -> OffPolicy | None:
    """None where completions come from the very weights that learn, in the very step."""
    stale = learner.recipe.rollout.max_staleness > 0
    if not (stale or computes_beside(engine) or config.correction != "none"):
        return None
    return OffPolicy(stale, config.correction, config.correction_cap, learner.parity_tolerance)


def off_policy_metrics(sums: Mapping[str, float], staleness: Sequence[int]) -> dict[str, float]:
    """`staleness`: of every group of the step, in updates; its mean.

    Per token that carries loss: `correction_mean`, the ratio of learner to behavior as it was used; `clipped_share`,
    where the correction's cap or the loss's clip cut it; `mismatch_kl`, KL(behavior || learner) as k3 estimates it.
    """
    tokens = max(sums.get("tokens", 0.0), 1.0)
    return {
        "staleness": sum(staleness) / max(len(staleness), 1),
        "mismatch_kl": sums.get("mismatch_kl", 0.0) / tokens,
        "correction_mean": sums.get("correction", 0.0) / tokens,
        "clipped_share": (sums.get("clipped", 0.0) + sums.get("capped", 0.0)) / tokens,
    }
