"""One routed decoder layer: the family's own layer, run on the tokens its router kept.

With h = x + Attention(norm1(x)) over the kept tokens, and router weight w:
kept vision h + w * MLP(norm2(h)); kept text h + MLP(norm2(h)); skipped vision w * x; padding as it was
(arXiv 2412.04449, as its released code does it).
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from reeltune.config.mixture_of_depths import MixtureOfDepthsConfig
from reeltune.models._transformers import (
    CACHE,
    LlamaDecoderLayer,
    Qwen2_5_VLDecoderLayer,
    Qwen2DecoderLayer,
    Qwen2VLDecoderLayer,
    Qwen3DecoderLayer,
    Qwen3VLTextDecoderLayer,
    causal_mask,
)
from reeltune.models.mixture_of_depths.cache import routed_cache_layer
from reeltune.models.mixture_of_depths.routing import (
    Routing,
    Selection,
    kept_vision,
    router_weights,
    string_skipped,
)


class Router(nn.Linear):
    """One logit per token, zero at first; always computed in float32 at least.

    In bfloat16 equal logits would be common, and which token is kept would be their order's doing.
    """

    def __init__(self, hidden_size: int, *, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__(hidden_size, 1, bias=True, device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def spread(self, std: float, *, seed: int) -> None:
        """Start from small random weights: equal logits leave it to the first updates which tokens are kept.

        Our choice; the published routers start at zero.
        """
        drawn = torch.randn(self.weight.shape, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            self.weight.copy_(std * drawn)

    def forward(self, hidden: Tensor) -> Tensor:
        """[..., H] -> [..., 1]."""
        exact = torch.promote_types(hidden.dtype, torch.float32)
        with torch.autocast(hidden.device.type, enabled=False):
            return functional.linear(hidden.to(exact), self.weight.to(exact), self.bias.to(exact))


class RoutedLayer:
    """Mixed into a family's decoder layer class, before it; the layer's modules and weights keep their names.

    It repeats the family's block: two pre-norm residual branches, with the modules below.
    """

    dense_class: ClassVar[type[nn.Module]]
    self_attn: Any
    mlp: Any
    input_layernorm: Any
    post_attention_layernorm: Any
    training: bool
    router: nn.Module
    ratio: float
    settings: MixtureOfDepthsConfig

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Any = None,
        position_ids: Tensor | None = None,
        use_cache: bool | None = False,
        position_embeddings: tuple[Tensor, Tensor] | None = None,
        routing: Routing | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """[R, L, H] -> [R, L, H]. `attention_mask` and `position_ids` are those of the model's layer 0.

        Position ids are used through their cos and sin only: with gaps they would read as packed sequences.
        """
        if routing is None or position_embeddings is None:
            raise ValueError("a routed layer needs `routing` and `position_embeddings`: call it through the model")
        cache = kwargs.pop(CACHE, None)
        # No vision token to skip: text only, or a decoding step. Weights are 1, so this is the family's own layer.
        if not routing.counts:
            hidden_states = self._keep_router_in_graph(hidden_states)
            mask = self._mask(hidden_states, routing.real, attention_mask, cache, routing)
            return self._block(hidden_states, position_embeddings, mask, cache, None, kwargs)
        logits, weights = self._weights(hidden_states, routing)
        quotas = routing.quotas(self.ratio)
        # Everyone is kept: nothing to gather, but the weights still count.
        if tuple(quotas) == routing.counts:
            mask = self._mask(hidden_states, routing.real, attention_mask, cache, routing)
            return self._block(hidden_states, position_embeddings, mask, cache, weights, kwargs)
        # The kept tokens as shorter rows, with the rotary angles of their places in the whole row: positions have gaps.
        selection = _select(hidden_states, logits, routing, quotas)
        chosen = selection.gather(hidden_states)
        cos, sin = (selection.gather(each) for each in position_embeddings)
        if routing.custom_mask:
            attention_mask = selection.mask(attention_mask)
        # In a shared row prompts come before completions and only they hold vision tokens: the row's prompts shrink.
        if "shared" in kwargs:
            dropped = [count - quota for count, quota in zip(routing.counts, quotas, strict=True)]
            kwargs["shared"] = kwargs["shared"].without(dropped)
        mask = self._mask(chosen, selection.real, attention_mask, cache, routing)
        output = self._block(chosen, (cos, sin), mask, cache, selection.gather(weights), kwargs)
        # The block's outputs go back to their places; who was skipped keeps what came in, times its weight (STRing).
        skipped = string_skipped(hidden_states, weights) if self.settings.scale_skipped else hidden_states
        return selection.put_back(skipped, output)

    def _weights(self, hidden: Tensor, routing: Routing) -> tuple[Tensor, Tensor]:
        """Logits [V] of the routable tokens, and weights [R, L, 1] of all tokens: 1 at text and padding."""
        flat = hidden.flatten(0, 1)
        logits = self.router(flat.index_select(0, routing.vision))[:, 0]
        weights = router_weights(self.settings.weight, logits, self.settings.alpha, routing).to(hidden.dtype)
        ones = torch.ones(len(flat), dtype=hidden.dtype, device=hidden.device)
        return logits, ones.index_copy(0, routing.vision, weights).view(*hidden.shape[:2], 1)

    def _block(
        self,
        hidden: Tensor,
        position_embeddings: tuple[Tensor, Tensor],
        mask: Any,
        cache: Any,
        weights: Tensor | None,
        kwargs: dict[str, Any],
    ) -> Tensor:
        attended: Tensor
        attended, _ = self.self_attn(
            hidden_states=self.input_layernorm(hidden),
            attention_mask=mask,
            position_ids=None,
            position_embeddings=position_embeddings,
            **{CACHE: cache},
            **kwargs,
        )
        hidden = hidden + attended
        changed: Tensor = self.mlp(self.post_attention_layernorm(hidden))
        return hidden + (changed if weights is None else weights * changed)

    def _mask(self, hidden: Tensor, real: Tensor | None, given: Any, cache: Any, routing: Routing) -> Any:
        """The attention mask of this layer's own tokens, on top of its own cache."""
        if routing.custom_mask:
            return given
        index = self.self_attn.layer_idx
        if cache is not None:
            rows, width = hidden.shape[:2]
            layer = routed_cache_layer(cache, index)
            real = layer.extend(real, rows=rows, width=width, device=hidden.device)
        return causal_mask(self.self_attn.config, hidden, real, cache, index)

    def _keep_router_in_graph(self, hidden: Tensor) -> Tensor:
        """Adds 0: every process of a training step must reach the router, also with a batch of text only."""
        if not (self.training and torch.is_grad_enabled()):
            return hidden
        nothing: Tensor = self.router(hidden[:, :1].detach()).sum() * 0
        return hidden + nothing.to(hidden.dtype)


def _select(hidden: Tensor, logits: Tensor, routing: Routing, quotas: list[int]) -> Selection:
    rows, length = hidden.shape[:2]
    real = torch.ones(rows, length, dtype=torch.bool, device=hidden.device) if routing.real is None else routing.real
    kept = real.flatten().index_copy(0, routing.vision, kept_vision(logits, routing, quotas))
    return Selection.of(kept.view(rows, length), routing.kept_lengths(quotas))


class RoutedLlamaLayer(RoutedLayer, LlamaDecoderLayer):  # type: ignore[misc]
    dense_class = LlamaDecoderLayer


class RoutedQwen2Layer(RoutedLayer, Qwen2DecoderLayer):  # type: ignore[misc]
    dense_class = Qwen2DecoderLayer


class RoutedQwen3Layer(RoutedLayer, Qwen3DecoderLayer):  # type: ignore[misc]
    dense_class = Qwen3DecoderLayer


class RoutedQwen2VLLayer(RoutedLayer, Qwen2VLDecoderLayer):  # type: ignore[misc]
    dense_class = Qwen2VLDecoderLayer


class RoutedQwen25VLLayer(RoutedLayer, Qwen2_5_VLDecoderLayer):  # type: ignore[misc]
    dense_class = Qwen2_5_VLDecoderLayer


class RoutedQwen3VLLayer(RoutedLayer, Qwen3VLTextDecoderLayer):  # type: ignore[misc]
    dense_class = Qwen3VLTextDecoderLayer


# Subclasses of the family's layer, so wrapping by type and output capture still find them.
ROUTED_CLASSES: dict[str, type[nn.Module]] = {
    each.dense_class.__name__: each
    for each in (
        RoutedLlamaLayer, RoutedQwen2Layer, RoutedQwen3Layer, RoutedQwen2VLLayer, RoutedQwen25VLLayer,
        RoutedQwen3VLLayer,
    )
}  # fmt: skip
