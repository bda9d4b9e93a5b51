"""Floating-point operations and KV cache of one prompt, dense or routed, layer by layer.

A multiplication and an addition are two operations. Two accountings:

- *paper*: the one that reproduces p-MoD's published figures. Linear maps of the decoder and the output head at
  every position; no attention products, no vision tower, no routers. Its "KV cache" is the vision tokens' alone.
- *as run*: what a prefill computes. Linear maps, causal attention products (scores and weighted sum), routers, the
  vision tower with its projector, and the output head at the last position only; the cache holds the text too.
"""

from dataclasses import dataclass

from reeltune.config.mixture_of_depths import MixtureOfDepthsConfig
from reeltune.models.mixture_of_depths.schedule import kept_count, layer_ratios, mean_ratio
from reeltune.planning.architecture import Architecture, Decoder, Tower


@dataclass(frozen=True)
class LayerCost:
    """One decoder layer on one prompt; `ratio` None: dense."""

    layer: int
    ratio: float | None
    vision_tokens: int
    tokens: int
    cached_tokens: int
    linear_flops: int
    attention_flops: int
    router_flops: int
    cache_bytes: int


@dataclass(frozen=True)
class PromptCost:
    """One prompt of `text_tokens` and `vision_tokens`, by layer; the sums under both accountings."""

    text_tokens: int
    vision_tokens: int
    layers: tuple[LayerCost, ...]
    vision_cache_share: float
    head_flops_all: int
    head_flops_last: int
    vision_flops: int

    @property
    def paper_flops(self) -> int:
        return sum(layer.linear_flops for layer in self.layers) + self.head_flops_all

    @property
    def run_flops(self) -> int:
        layers = sum(each.linear_flops + each.attention_flops + each.router_flops for each in self.layers)
        return layers + self.head_flops_last + self.vision_flops

    @property
    def cache_bytes(self) -> int:
        return sum(layer.cache_bytes for layer in self.layers)


def prompt_cost(
    architecture: Architecture,
    *,
    text_tokens: int,
    vision_tokens: int,
    routing: MixtureOfDepthsConfig | None = None,
    cache_value_bytes: int = 2,
) -> PromptCost:
    """The cost of one forward pass over a prompt. Raises ValueError for a schedule that routes layer 0."""
    decoder = architecture.decoder
    ratios: list[float | None] = [None] * decoder.layers
    if routing is not None:
        ratios = layer_ratios(routing, decoder.layers)
    layers = tuple(
        _layer_cost(decoder, index, ratio, text_tokens, vision_tokens, cache_value_bytes)
        for index, ratio in enumerate(ratios)
    )
    positions = text_tokens + vision_tokens
    return PromptCost(
        text_tokens=text_tokens,
        vision_tokens=vision_tokens,
        layers=layers,
        vision_cache_share=mean_ratio(ratios),
        head_flops_all=2 * decoder.head_weights * positions,
        head_flops_last=2 * decoder.head_weights,
        vision_flops=tower_flops(architecture.vision, vision_tokens) if architecture.vision else 0,
    )


def _layer_cost(
    decoder: Decoder, index: int, ratio: float | None, text: int, vision: int, cache_value_bytes: int
) -> LayerCost:
    kept = vision if ratio is None else kept_count(vision, ratio)
    tokens, window = text + kept, decoder.window_of(index)
    cached = tokens if window is None else min(tokens, window)
    return LayerCost(
        layer=index,
        ratio=ratio,
        vision_tokens=kept,
        tokens=tokens,
        cached_tokens=cached,
        linear_flops=2 * decoder.layer_weights * tokens,
        # The mean over layers: a recurrent layer reads its state once a token, like so many weights.
        attention_flops=(
            (decoder.layers - decoder.recurrent_layers)
            * attention_flops(decoder.heads * decoder.head_dim, tokens, window)
            + decoder.recurrent_layers * 4 * decoder.state_values * tokens
        )
        // decoder.layers,
        router_flops=0 if ratio is None else 2 * decoder.hidden * vision,
        cache_bytes=decoder.cache_values * cache_value_bytes * cached,
    )


def attention_flops(width: int, tokens: int, window: int | None = None) -> int:
    """Scores and weighted sums under a causal mask: token i looks at i + 1 keys, and at no more than a window."""
    free = tokens if window is None else min(tokens, window)
    return 4 * width * (free * (free + 1) // 2 + (tokens - free) * free)


def tower_flops(tower: Tower, vision_tokens: int) -> int:
    """The vision tower over as many images as give `vision_tokens`, and the projector."""
    # LLaVA-NeXT adds a token per row of its grid: a few more than whole images.
    images = max(1, round(vision_tokens / tower.tokens_per_image)) if vision_tokens else 0
    patches = tower.tokens_per_image * tower.patches_per_token + tower.class_tokens
    full = tower.layers if tower.full_layers is None else tower.full_layers
    linear = 2 * (tower.layers * tower.layer_weights + tower.hidden * tower.patch_values) * patches
    attention = 4 * tower.hidden * patches * (full * patches + (tower.layers - full) * min(tower.window or 0, patches))
    return images * (linear + attention) + 2 * tower.projector_weights * vision_tokens
