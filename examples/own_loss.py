"""A loss of your own: CISPO (arXiv 2506.13585), which clips the ratio as a weight and keeps every token's gradient.

reeltune train recipes/toy/grpo.yaml rl.loss=examples/own_loss.py:CISPO rl.updates_per_rollout=2
"""

from torch import Tensor

from reeltune.training.grpo import Clip, Loss, mean_of_tokens


def terms(
    log_probs: Tensor, old_log_probs: Tensor, advantage: Tensor, carried: Tensor, clip: Clip
) -> tuple[Tensor, Tensor]:
    """-stop(min(r, 1 + high)) * A * log p, token by token."""
    ratio = (log_probs - old_log_probs).masked_fill(~carried, 0.0).exp().detach()
    clipped = ratio.clamp(max=1 + clip.high)
    return -clipped * advantage * log_probs, ratio > clipped


CISPO = Loss(mean_of_tokens, terms)
