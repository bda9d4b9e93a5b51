"""p-MoD by its formulas alone: one token at a time, in float64, without batches, caches, masks or gathers."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass
class PlainTokens:
    """One sample: embeddings [L, H], cos and sin [L, D], which tokens are vision, in which turn each came.

    `deepstack[layer]` [vision tokens, H] is added to the vision tokens after an early layer (Qwen3-VL).
    """

    embeds: Tensor
    cos: Tensor
    sin: Tensor
    vision: list[bool]
    turn: list[int]
    deepstack: list[Tensor] = field(default_factory=list)


@dataclass
class PlainForm:
    """The published form; the tests of the tests change one thing at a time."""

    keep: Callable[[int, float], int] = lambda count, ratio: int(count * ratio)
    weigh: Callable[[list[Tensor]], list[Tensor]] = lambda logits: [1 + 0.2 * torch.tanh(each) for each in logits]
    scale_skipped: bool = True
    whole_block: bool = False
    renumber: bool = False


def plain_forward(
    model: Any, tokens: PlainTokens, ratios: list[float | None], form: PlainForm | None = None
) -> tuple[Tensor, list[list[int]]]:
    """Logits [L, vocabulary] and which tokens each layer kept. `model` is in float64 and only lends its weights."""
    form = form or PlainForm()
    hidden = [row.double() for row in tokens.embeds]
    kept_by_layer = []
    for number, layer in enumerate(model.model.language_model.layers):
        ratio = ratios[number]
        everyone = list(range(len(hidden)))
        if ratio is None:
            hidden, kept = _block(layer, hidden, everyone, {}, tokens, form), everyone
        else:
            weights, kept = _route(layer.router, hidden, tokens, ratio, form)
            changed = _block(layer, hidden, kept, weights, tokens, form)
            scale = weights if form.scale_skipped else {}
            hidden = [
                changed[kept.index(i)] if i in set(kept) else scale.get(i, torch.ones(())) * hidden[i] for i in everyone
            ]
        if number < len(tokens.deepstack):
            extra = iter(tokens.deepstack[number].double())
            hidden = [hidden[i] + next(extra) if tokens.vision[i] else hidden[i] for i in everyone]
        kept_by_layer.append(kept)
    final = torch.stack([_norm(model.model.language_model.norm, each) for each in hidden])
    return final @ model.lm_head.weight.T, kept_by_layer


def _route(
    router: Any, hidden: list[Tensor], tokens: PlainTokens, ratio: float, form: PlainForm
) -> tuple[dict[int, Tensor], list[int]]:
    weights: dict[int, Tensor] = {}
    kept = [i for i in range(len(hidden)) if not tokens.vision[i]]
    for turn in sorted(set(tokens.turn)):
        mine = [i for i in range(len(hidden)) if tokens.vision[i] and tokens.turn[i] == turn]
        if not mine:
            continue
        logits = [router.weight[0] @ hidden[i] + router.bias[0] for i in mine]
        weights |= dict(zip(mine, form.weigh(logits), strict=True))
        best = sorted(range(len(mine)), key=lambda place: (-logits[place].item(), place))
        kept += [mine[place] for place in best[: form.keep(len(mine), ratio)]]
    return weights, sorted(kept)


def _block(
    layer: Any,
    hidden: list[Tensor],
    kept: list[int],
    weights: dict[int, Tensor],
    tokens: PlainTokens,
    form: PlainForm,
) -> list[Tensor]:
    attention, size = layer.self_attn, layer.self_attn.head_dim
    keys: list[Tensor] = []
    values: list[Tensor] = []
    result = []
    for place, i in enumerate(kept):
        x = hidden[i]
        normed = _norm(layer.input_layernorm, x)
        query, key, value = (
            _linear(each, normed).view(-1, size) for each in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        if hasattr(attention, "q_norm"):
            query, key = _norm(attention.q_norm, query), _norm(attention.k_norm, key)
        at = place if form.renumber else i
        query, key = (_rotate(each, tokens.cos[at].double(), tokens.sin[at].double()) for each in (query, key))
        keys.append(key)
        values.append(value)
        past_keys, past_values = torch.stack(keys), torch.stack(values)
        heads = []
        for head in range(len(query)):
            shared = head // (len(query) // len(key))
            shares = (past_keys[:, shared] @ query[head] / math.sqrt(size)).softmax(0)
            heads.append(shares @ past_values[:, shared])
        w = weights.get(i, torch.ones((), dtype=torch.float64))
        attended = _linear(attention.o_proj, torch.cat(heads))
        h = x + (w * attended if form.whole_block else attended)
        inner = _norm(layer.post_attention_layernorm, h)
        gate = torch.nn.functional.silu(_linear(layer.mlp.gate_proj, inner))
        result.append(h + w * _linear(layer.mlp.down_proj, gate * _linear(layer.mlp.up_proj, inner)))
    return result


def _linear(layer: Any, x: Tensor) -> Tensor:
    y = layer.weight @ x
    return y if layer.bias is None else y + layer.bias


def _norm(norm: Any, x: Tensor) -> Tensor:
    epsilon = getattr(norm, "variance_epsilon", None) or norm.eps
    return norm.weight * x / torch.sqrt((x * x).mean(-1, keepdim=True) + epsilon)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], dim=-1) * sin
