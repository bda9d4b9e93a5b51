"""The tokens being decoded: each prompt's keys and values once for its G rows, each row's own after them; in recurrent
layers a state of each row's own, in layers with a sliding window no more than the window.

The prompts' keys and values are copied once, padded to one tensor per layer; nothing grows by copying after that: own
keys and values are written into buffers with room to spare, and the prompts' never move while one of their rows is
alive.

Shape letters: B groups, G rows per group, R rows alive, H query heads, K key heads, P prompt tokens, t own tokens,
D head size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from reeltune.models.shared_prefix.recurrent import RecurrentLayer, Tokens
from reeltune.models.types import KeysValues, LayerState, PromptState, Recurrent

FIRST_ROOM = 64


class Seen(NamedTuple):
    """What one token of each row sees in a layer, by `LayerCache`'s names."""

    keys: Tensor
    values: Tensor
    filled: Tensor | None
    own_keys: Tensor
    own_values: Tensor


@dataclass
class LayerCache:
    """One layer's `keys` and `values` [B, K, P, D] of the prompts, `filled` [B, 1, 1, P] where a prompt is shorter,

    and `own_keys`, `own_values` [R, K, room, D].
    """

    keys: Tensor
    values: Tensor
    filled: Tensor | None
    own_keys: Tensor
    own_values: Tensor

    @classmethod
    def of(cls, prompts: Sequence[KeysValues], rows: int) -> "LayerCache":
        keys, values = _padded(prompts, "right")
        lengths = torch.tensor([each.keys.shape[1] for each in prompts], device=keys.device)
        filled = torch.arange(keys.shape[2], device=keys.device) >= lengths[:, None]
        own = keys.new_empty(rows, keys.shape[1], FIRST_ROOM, keys.shape[3])
        return cls(keys, values, filled[:, None, None] if bool(filled.any()) else None, own, torch.empty_like(own))

    def put(self, own_tokens: int, key: Tensor, value: Tensor) -> None:
        """Write the rows' token [R, K, 1, D] that comes after `own_tokens` others."""
        self.own_keys[:, :, own_tokens : own_tokens + 1] = key
        self.own_values[:, :, own_tokens : own_tokens + 1] = value

    def seen(self, own_tokens: int) -> "Seen":
        """What that token sees, itself among it."""
        own_keys, own_values = (own[:, :, : own_tokens + 1] for own in (self.own_keys, self.own_values))
        return Seen(self.keys, self.values, self.filled, own_keys, own_values)

    def grow(self, own_tokens: int) -> None:
        """Make room for one more token."""
        # Doubling the room keeps copying at a constant share of all tokens written.
        if own_tokens == self.own_keys.shape[2]:
            self._widen(own_tokens)

    def _widen(self, slots: int) -> None:
        self.own_keys, self.own_values = (
            torch.cat([own, torch.empty_like(own[:, :, :slots])], dim=2) for own in (self.own_keys, self.own_values)
        )

    def keep(self, rows: Tensor, groups: Tensor | None) -> None:
        self.own_keys, self.own_values = self.own_keys[rows], self.own_values[rows]
        if groups is not None:
            self.keys, self.values = self.keys[groups], self.values[groups]
            self.filled = None if self.filled is None else self.filled[groups]


@dataclass
class WindowCache(LayerCache):
    """One layer with a sliding window: prompts end where the tensors end, and own tokens go around in `window` slots.

    Where rotary angles are already in the keys, their order does not matter to attention.
    """

    window: int = 0

    @classmethod
    def of(cls, prompts: Sequence[KeysValues], rows: int) -> "WindowCache":
        keys, values = _padded(prompts, "left")
        lengths = torch.tensor([each.keys.shape[1] for each in prompts], device=keys.device)
        filled = torch.arange(keys.shape[2], device=keys.device) < keys.shape[2] - lengths[:, None]
        window = prompts[0].window
        assert window is not None
        own = keys.new_empty(rows, keys.shape[1], min(FIRST_ROOM, window), keys.shape[3])
        filled_at = filled[:, None, None] if bool(filled.any()) else None
        return cls(keys, values, filled_at, own, torch.empty_like(own), window)

    def put(self, own_tokens: int, key: Tensor, value: Tensor) -> None:
        super().put(own_tokens % self.window, key, value)

    def seen(self, own_tokens: int) -> Seen:
        first = self._first_seen(own_tokens)
        return Seen(
            self.keys[:, :, first:],
            self.values[:, :, first:],
            None if self.filled is None else self.filled[..., first:],
            self.own_keys[:, :, : own_tokens + 1],
            self.own_values[:, :, : own_tokens + 1],
        )

    def grow(self, own_tokens: int) -> None:
        room = self.own_keys.shape[2]
        if own_tokens == room < self.window:
            self._widen(min(room, self.window - room))
        first = self._first_seen(own_tokens)
        # Half of what is there at a time: copying what is left costs no more than was given back.
        if first and 2 * first >= self.keys.shape[2]:
            self.keys, self.values = (each[:, :, first:].clone() for each in (self.keys, self.values))
            self.filled = None if self.filled is None else self.filled[..., first:]

    def _first_seen(self, own_tokens: int) -> int:
        """The first column of `keys` that own token `own_tokens` sees; as many as there are: it sees none."""
        width = self.keys.shape[2]
        return min(max(0, width + own_tokens + 1 - self.window), width)


@dataclass
class RecurrentCache:
    """One recurrent layer's state of every row alive: it changes with each token, so rows share none."""

    state: Recurrent

    @classmethod
    def of(cls, prompts: Sequence[Recurrent], rows: int) -> "RecurrentCache":
        share = rows // len(prompts)
        parts = (torch.stack(part).repeat_interleave(share, dim=0) for part in zip(*prompts, strict=True))
        return cls(Recurrent(*parts))

    def grow(self, own_tokens: int) -> None:
        """Its size does not depend on the number of tokens."""

    def keep(self, rows: Tensor, groups: Tensor | None) -> None:
        self.state = Recurrent(*(part[rows] for part in self.state))


def _padded(prompts: Sequence[KeysValues], side: str) -> tuple[Tensor, Tensor]:
    """Keys and values [B, K, P, D] of prompts of several lengths, filled up on one side."""
    keys, values = (
        pad_sequence([each.transpose(0, 1) for each in part], batch_first=True, padding_side=side)
        .transpose(1, 2)
        .contiguous()
        for part in ([each.keys for each in prompts], [each.values for each in prompts])
    )
    return keys, values


def _cache_class(state: LayerState) -> Any:
    if isinstance(state, Recurrent):
        return RecurrentCache
    return LayerCache if state.window is None else WindowCache


class Decoder:
    """The cache of a decoding batch, told by `step` which token comes and by `keep` which rows go on."""

    def __init__(self, prompts: Sequence[PromptState], group_size: int) -> None:
        self.group_size = group_size
        self.own_tokens = 0
        self.groups = len(prompts)
        # Where each row stands among the places of all groups, B * G of them.
        self.places = torch.arange(self.groups * group_size, device=prompts[0].last.device)
        rows = len(self.places)
        self.layers: list[Any] = [
            _cache_class(states[0]).of(states, rows) for states in zip(*(each.layers for each in prompts), strict=True)
        ]

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float, window: int | None = None
    ) -> Tensor:
        """One token per row: `query` [R, H, 1, D], `key` and `value` [R, K, 1, D] -> [R, 1, H, D]."""
        cache: LayerCache = self.layers[layer]
        rows, heads, _, size = query.shape
        key_heads = key.shape[1]
        cache.put(self.own_tokens, key, value)
        keys, values, filled, own_keys, own_values = cache.seen(self.own_tokens)
        # Query heads that share a key head stand side by side: one product serves them, keys are not repeated.
        query = query.reshape(rows, key_heads, heads // key_heads, size) * scale
        # Over the prompt, the G rows of a group are one matrix of G * H / K queries: its keys are read once per group.
        over_prompt = self._by_group(query) @ keys.transpose(2, 3)
        if filled is not None:
            over_prompt = over_prompt.masked_fill(filled, float("-inf"))
        # Over its own tokens each row has keys of its own; scores then join the prompt's for one softmax over both.
        over_own = self._by_group(query @ own_keys.transpose(2, 3))
        weights = torch.cat([over_prompt, over_own], dim=-1).softmax(-1, dtype=torch.float32).to(value.dtype)
        prompt_weights, own_weights = weights.split([over_prompt.shape[-1], own_keys.shape[2]], dim=-1)
        output = self._by_row(prompt_weights @ values) + self._by_row(own_weights) @ own_values
        return output.reshape(rows, 1, heads, size)

    def recur(self, layer: RecurrentLayer, tokens: Tokens) -> Tensor:
        """One token per row: [R, 1, ...] -> [R, 1, value heads, value size]."""
        cache: RecurrentCache = self.layers[layer.layer_idx]
        output, cache.state = layer.advance(tokens, cache.state)
        return output

    def step(self) -> None:
        """The token just seen by every layer is now part of the past."""
        self.own_tokens += 1
        for layer in self.layers:
            layer.grow(self.own_tokens)

    def keep(self, rows: Tensor) -> None:
        """Go on with these of the rows [R'] alone; a group without rows gives its prompt's memory back."""
        self.places = self.places[rows]
        # Places keep the shape [groups, G] with gaps where rows ended; only whole groups are closed up.
        alive, group = torch.unique(self.places // self.group_size, return_inverse=True)
        self.places = group * self.group_size + self.places % self.group_size
        closed = alive if len(alive) < self.groups else None
        for layer in self.layers:
            layer.keep(rows, closed)
        self.groups = len(alive)

    def _by_group(self, rows: Tensor) -> Tensor:
        """[R, K, H / K, x] -> [B, K, G * H / K, x], 0 at the places of rows that ended."""
        if len(rows) < self.groups * self.group_size:
            places = rows.new_zeros(self.groups * self.group_size, *rows.shape[1:])
            rows = places.index_copy(0, self.places, rows)
        _, key_heads, share, width = rows.shape
        grouped = rows.view(self.groups, self.group_size, key_heads, share, width).transpose(1, 2)
        return grouped.reshape(self.groups, key_heads, self.group_size * share, width)

    def _by_row(self, groups: Tensor) -> Tensor:
        """[B, K, G * H / K, x] -> [R, K, H / K, x]."""
        count, key_heads, _, width = groups.shape
        rows = groups.reshape(count, key_heads, self.group_size, -1, width).transpose(1, 2).flatten(0, 1)
        return rows[self.places] if len(self.places) < len(rows) else rows
