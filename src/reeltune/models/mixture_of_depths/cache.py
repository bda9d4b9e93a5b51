"""The part of a KV cache that belongs to one routed layer: its kept tokens, and which of them are real."""

from typing import Any

import torch
from torch import Tensor

from reeltune.errors import InputError
from reeltune.models._transformers import CACHE, Cache, DynamicLayer


class RoutedCacheLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values of the tokens that one routed layer kept.

    Rows keep different numbers of tokens, so a row's fill-up stands in the cache with it: `real` [rows, length] is
    false there, None while nothing is padded. It follows the keys through every change of the batch.
    """

    real: Tensor | None = None

    def extend(self, real: Tensor | None, *, rows: int, width: int, device: torch.device) -> Tensor | None:
        """Note `width` further tokens, about to be cached; returns `real` [rows, past + width] with them."""
        past = self.get_seq_length()
        if self.real is not None or real is not None:
            before = torch.ones(rows, past, dtype=torch.bool, device=device) if self.real is None else self.real
            now = torch.ones(rows, width, dtype=torch.bool, device=device) if real is None else real
            self.real = torch.cat([before, now], dim=1)
        return self.real

    def reset(self) -> None:
        super().reset()
        self.real = None

    def crop(self, tokens_to_remove: int) -> None:
        super().crop(tokens_to_remove)
        if self.real is not None and tokens_to_remove:
            self.real = self.real[:, : -abs(tokens_to_remove)]

    def reorder_cache(self, beam_idx: Tensor) -> None:
        super().reorder_cache(beam_idx)
        self._select(beam_idx)

    def batch_select_indices(self, indices: Tensor) -> None:
        super().batch_select_indices(indices)
        self._select(indices)

    def batch_repeat_interleave(self, repeats: int) -> None:
        super().batch_repeat_interleave(repeats)
        if self.real is not None:
            self.real = self.real.repeat_interleave(repeats, dim=0)

    def _select(self, rows: Tensor) -> None:
        if self.real is not None:
            self.real = self.real[rows.to(self.real.device)]


def routed_cache_layer(cache: Any, index: int) -> RoutedCacheLayer:
    """The cache's layer `index`, made a routed one while it is empty.

    Raises InputError for a cache that cannot hold a different length per layer.
    """
    if not isinstance(cache, Cache):
        raise InputError(f"p-MoD needs a transformers DynamicCache as {CACHE}; got {type(cache).__name__}")
    while len(cache.layers) <= index and cache.layer_class_to_replicate is not None:
        cache.layers.append(cache.layer_class_to_replicate())
    layer = cache.layers[index]
    if isinstance(layer, RoutedCacheLayer):
        return layer
    if type(layer) is not DynamicLayer:
        raise InputError(
            f"p-MoD needs a DynamicCache: each routed layer caches the tokens it kept, so lengths differ by layer, "
            f"which {type(layer).__name__} cannot hold. Leave cache_implementation out of generate()"
        )
    if layer.get_seq_length():
        raise InputError(
            "p-MoD: this cache was filled without routing, so it contains tokens that the layer would skip; start "
            "with an empty DynamicCache"
        )
    routed = RoutedCacheLayer()
    cache.layers[index] = routed
    return routed
