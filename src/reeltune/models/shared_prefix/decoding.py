"""The tokens being decoded: each prompt's keys and values once for its G rows, each row's own after them; in recurrent
layers a state of each row's own.

The prompts' keys and values are copied once, padded to one tensor per layer; nothing grows by copying after that: own
keys and values are written into buffers with room to spare, and the prompts' never move while one of their rows is
alive.

Shape letters: B groups, G rows per group, R rows alive, H query heads, K key heads, P prompt tokens, t own tokens,
D head size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from reeltune.models.shared_prefix.recurrent import RecurrentLayer, Tokens
from reeltune.models.types import KeysValues, PromptState, Recurrent

FIRST_ROOM = 64


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
        keys, values = (
            pad_sequence([each.transpose(0, 1) for each in part], batch_first=True).transpose(1, 2).contiguous()
            for part in zip(*prompts, strict=True)
        )
        lengths = torch.tensor([each.keys.shape[1] for each in prompts], device=keys.device)
        filled = torch.arange(keys.shape[2], device=keys.device) >= lengths[:, None]
        own = keys.new_empty(rows, keys.shape[1], FIRST_ROOM, keys.shape[3])
        return cls(keys, values, filled[:, None, None] if bool(filled.any()) else None, own, torch.empty_like(own))

    def grow(self, own_tokens: int) -> None:
        """Make room for one more token."""
        # Doubling the room keeps copying at a constant share of all tokens written.
        if own_tokens == self.own_keys.shape[2]:
            self.own_keys, self.own_values = (
                torch.cat([own, torch.empty_like(own)], dim=2) for own in (self.own_keys, self.own_values)
            )

    def keep(self, rows: Tensor, groups: Tensor | None) -> None:
        self.own_keys, self.own_values = self.own_keys[rows], self.own_values[rows]
        if groups is not None:
            self.keys, self.values = self.keys[groups], self.values[groups]
            self.filled = None if self.filled is None else self.filled[groups]


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
            (RecurrentCache if isinstance(states[0], Recurrent) else LayerCache).of(states, rows)
            for states in zip(*(each.layers for each in prompts), strict=True)
        ]

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """One token per row: `query` [R, H, 1, D], `key` and `value` [R, K, 1, D] -> [R, 1, H, D]."""
        cache: LayerCache = self.layers[layer]
        end = self.own_tokens + 1
        rows, heads, _, size = query.shape
        key_heads = key.shape[1]
        cache.own_keys[:, :, end - 1 : end] = key
        cache.own_values[:, :, end - 1 : end] = value
        own_keys, own_values = cache.own_keys[:, :, :end], cache.own_values[:, :, :end]
        # Query heads that share a key head stand side by side: one product serves them, keys are not repeated.
        query = query.reshape(rows, key_heads, heads // key_heads, size) * scale
        # Over the prompt, the G rows of a group are one matrix of G * H / K queries: its keys are read once per group.
        over_prompt = self._by_group(query) @ cache.keys.transpose(2, 3)
        if cache.filled is not None:
            over_prompt = over_prompt.masked_fill(cache.filled, float("-inf"))
        # Over its own tokens each row has keys of its own; scores then join the prompt's for one softmax over both.
        over_own = self._by_group(query @ own_keys.transpose(2, 3))
        weights = torch.cat([over_prompt, over_own], dim=-1).softmax(-1, dtype=torch.float32).to(value.dtype)
        prompt_weights, own_weights = weights.split([over_prompt.shape[-1], end], dim=-1)
        output = self._by_row(prompt_weights @ cache.values) + self._by_row(own_weights) @ own_values
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
