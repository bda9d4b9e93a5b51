"""Log-probs of given tokens, with logits only where a token is predicted, in float32 and in chunks."""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def token_log_probs(
    hidden: Tensor,
    token_ids: Tensor,
    head: nn.Module,
    *,
    banned: Tensor,
    temperature: float = 1.0,
    chunk_size: int = 1024,
) -> Tensor:
    """Log-probs [N] (float32) of `token_ids` [N] predicted from `hidden` [N, H].

    The distribution is the one the rollout samples from: `banned` tokens have probability 0 and logits are
    divided by `temperature` (0 means greedy and counts as 1). At most `chunk_size` rows of logits exist at a
    time, in the backward pass too.
    """

    def chunk_log_probs(hidden: Tensor, token_ids: Tensor) -> Tensor:
        logits = policy_logits(head(hidden), banned=banned, temperature=temperature)
        return logits.log_softmax(-1).gather(-1, token_ids[:, None])[:, 0]

    chunks = zip(hidden.split(chunk_size), token_ids.split(chunk_size), strict=True)
    if torch.is_grad_enabled() and hidden.requires_grad:
        parts = [checkpoint(chunk_log_probs, *chunk, use_reentrant=False) for chunk in chunks]
    else:
        parts = [chunk_log_probs(*chunk) for chunk in chunks]
    return torch.cat(parts) if parts else hidden.new_zeros(0, dtype=torch.float32)


def policy_logits(logits: Tensor, *, banned: Tensor, temperature: float) -> Tensor:
    """Logits [..., V] -> the float32 logits whose softmax is the policy."""
    logits = logits.float().index_fill(-1, banned, float("-inf"))
    return logits / temperature if temperature not in (0.0, 1.0) else logits
