"""Drawing tokens from logits with given uniform numbers."""

import torch
from torch import Tensor

from reeltune.rollout.engine import SamplingParams


def draw(log_probs: Tensor, uniforms: Tensor, params: SamplingParams) -> Tensor:
    """Token ids [R] from the policy's `log_probs` [R, V] by inverse transform of `uniforms` [R] in [0, 1).

    One uniform per token, from the row's own generator: a row's draw does not depend on its neighbors.
    """
    if params.temperature == 0:
        return log_probs.argmax(-1)
    probs = truncate(log_probs.double().exp(), top_k=params.top_k, top_p=params.top_p)
    cumulative = probs.cumsum(-1)
    targets = uniforms.to(cumulative.device, cumulative.dtype)[:, None] * cumulative[:, -1:]
    drawn = torch.searchsorted(cumulative, targets, right=True)[:, 0]
    # Rounding can push a target onto the total; the last token with any probability takes it.
    last = probs.shape[-1] - 1 - (probs.flip(-1) > 0).int().argmax(-1)
    return torch.minimum(drawn, last)


def truncate(probs: Tensor, *, top_k: int, top_p: float) -> Tensor:
    """Set to 0 what lies outside the `top_k` likeliest tokens or the smallest set of mass `top_p`.

    [R, V] -> [R, V], not renormalized. The likeliest token always stays.
    """
    if 0 < top_k < probs.shape[-1]:
        threshold = probs.topk(top_k, dim=-1).values[:, -1:]
        probs = probs.masked_fill(probs < threshold, 0.0)
    if top_p < 1:
        ordered, order = probs.sort(dim=-1, descending=True, stable=True)
        mass_before = ordered.cumsum(-1) - ordered
        outside = mass_before >= top_p * ordered.sum(-1, keepdim=True)
        outside[:, 0] = False
        probs = probs.masked_fill(torch.zeros_like(outside).scatter(-1, order, outside), 0.0)
    return probs
