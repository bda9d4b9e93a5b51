"""A row's attention in a layer with a sliding window: a token sees itself and the `window` - 1 tokens before it.

Distances count tokens of the sequence [prompt | completion], as transformers' masks do, and not M-RoPE positions. Of a
prompt its completions see at most the last `window` tokens: that tail is what the prompt leaves for them
(`tail_of`), and it is joined to the keys of each completion. So a window needs no copy of a whole prompt, and no
tensor here grows with the square of a row. On public functions, for every device; our choice.

Shape letters: H query heads, K key heads (H is a multiple of K), L tokens of the row, P prompt tokens, D head size.
"""

import torch
from torch import Tensor
from torch.nn import functional

from reeltune.models.shared_prefix.layout import Padding
from reeltune.models.shared_prefix.provider import Row
from reeltune.models.types import KeysValues

BLOCK = 256
"""Queries of a prompt at a time: their keys are those of the block and of one window before it."""


def reaches(row: Row, window: int) -> bool:
    """Whether the window hides anything in the row: its longest sequence is longer than the window."""
    sequences = zip(row.prompts, row.completions, strict=True)
    return max(prompt + max(lengths, default=0) for prompt, lengths in sequences) > window


def tail_of(keys: Tensor, values: Tensor, window: int | None) -> KeysValues:
    """What a prompt's `keys` and `values` [K, P, D] leave in a layer: all, or the last `window` tokens of them."""
    if window is None or keys.shape[1] <= window:
        return KeysValues(keys, values, window)
    # Copies: the rest of the row need not live as long as its tail.
    keys, values = (each[:, -window:].clone() for each in (keys, values))
    return KeysValues(keys, values, window)


def windowed_attention(row: Row, query: Tensor, key: Tensor, value: Tensor, scale: float, window: int) -> Tensor:
    """[1, Q, H, D] of `query` [1, H, Q, D] and `key`, `value` [1, K, L, D], as in `Provider`."""
    missing = row.missing(query, key)
    pieces = []
    # 1. Each prompt over itself, unless the row's queries are the completions alone.
    for span in [] if missing else row.prompt_spans:
        pieces += _over_itself(row, query[:, :, span], key[:, :, span], value[:, :, span], scale, window)
    # 2. A prompt's completions as a batch of rows [tail of the prompt | completion]. `span` counts queries, `own` keys:
    #    the prompts have no queries where they are missing.
    completions = [[length for length in lengths if length] for lengths in row.completions if any(lengths)]
    for (prompt, span), lengths in zip(row.pairs(missing), completions, strict=True):
        padding = Padding(lengths)
        tail = slice(max(prompt.start, prompt.stop - window), prompt.stop)
        own = slice(span.start + missing, span.stop + missing)
        queries = padding.split(query[0, :, span])
        keys, values = (
            torch.cat([each[:, :, tail].expand(padding.rows, -1, -1, -1), padding.split(each[0, :, own])], dim=2)
            for each in (key, value)
        )
        rows = _attend(row, queries, keys, values, tail.stop - tail.start, scale, window)
        pieces.append(padding.join(rows)[None])
    return torch.cat(pieces, dim=2).transpose(1, 2)


def _over_itself(row: Row, query: Tensor, key: Tensor, value: Tensor, scale: float, window: int) -> list[Tensor]:
    """A sequence over its own tokens, block by block of queries: [1, H, tokens, D] each."""
    blocks = []
    for start in range(0, query.shape[2], BLOCK):
        first, end = max(0, start + 1 - window), min(start + BLOCK, query.shape[2])
        keys, values = (each[:, :, first:end] for each in (key, value))
        blocks.append(_attend(row, query[:, :, start:end], keys, values, start - first, scale, window))
    return blocks


def _attend(row: Row, query: Tensor, key: Tensor, value: Tensor, before: int, scale: float, window: int) -> Tensor:
    """Rows of queries whose first one has `before` keys ahead of its own: [R, H, Q, D]."""
    # Each call keeps its mask for the backward pass: blocks and layers share one, as numbers, which are not converted.
    known = (window, before, key.shape[2], key.dtype, key.device)
    if known not in row.memo:
        places = torch.arange(key.shape[2], device=key.device)
        distance = places[before:, None] - places
        hidden = (distance < 0) | (distance >= window)
        row.memo[known] = torch.zeros(hidden.shape, dtype=key.dtype, device=key.device).masked_fill(hidden, -torch.inf)
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask=row.memo[known], scale=scale, enable_gqa=query.shape[1] != key.shape[1]
    )
