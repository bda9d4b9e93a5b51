"""Attention of many completions over prompts that stand once in a row, without any mask.

`enable` puts one function in front of a language model's attention. Calls without `shared` go where they went
before. With it, `shared.attend` decides who sees whom, and `shared.recur` who goes on from which state in layers that
have a recurrent state instead of keys (`recurrent.py`): `RowAttention` and `OverPrompts` here for the learner and the
prefill, `Decoder` in `decoding.py` for single tokens. As an argument it passes through stock transformers, and
through the recomputed layers of gradient checkpointing.

Shape letters: H query heads, K key heads (H is a multiple of K), L tokens of the row, P prompt tokens, R
completions, C tokens of the longest, D head size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention.bias import causal_lower_right

from reeltune.errors import InputError
from reeltune.models._transformers import has_flash_on_cuda, put_in_front_of_attention
from reeltune.models.shared_prefix.flash_cpu import CPU
from reeltune.models.shared_prefix.flash_cuda import CUDA
from reeltune.models.shared_prefix.layout import Padding, spans
from reeltune.models.shared_prefix.provider import Provider, attend_over_row
from reeltune.models.shared_prefix.recurrent import RecurrentLayer, Tokens, over_completions, over_prompts
from reeltune.models.shared_prefix.window import reaches, tail_of, windowed_attention
from reeltune.models.types import LayerState, Recurrent

# For each layer what each prompt left there.
PromptCache = list[Sequence[LayerState]]


class SharedAttention(Protocol):
    """One pass over a row: what its tokens go on from in a layer of each kind."""

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float, window: int | None = None
    ) -> Tensor:
        """[R, H, L, D], [R, K, L, D] twice -> [R, L, H, D]; `window`: how many tokens one sees, itself among them."""
        ...

    def recur(self, layer: RecurrentLayer, tokens: Tokens) -> Tensor:
        """What `layer` makes of the row's tokens, [R, L, value heads, value size]."""
        ...


def enable(language_model: Any) -> None:
    """Let this language model's attention take `shared`; its own attention serves every other call."""
    put_in_front_of_attention(language_model, _in_front_of)


def _in_front_of(base: Callable[..., Any]) -> Callable[..., Any]:
    def attention(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Any,
        scaling: float | None = None,
        shared: SharedAttention | None = None,
        sliding_window: int | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        if shared is None:
            result: tuple[Tensor, Tensor | None] = base(
                module, query, key, value, attention_mask, scaling=scaling, sliding_window=sliding_window, **kwargs
            )
            return result
        layer: Any = module.layer_idx
        if sliding_window is None:
            _refuse_ignored_window(module, layer)
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        # Rotary tables in float32 lift queries and keys above what autocast gave the values.
        return shared.attend(layer, query.to(value.dtype), key.to(value.dtype), value, scale, sliding_window), None

    return attention


def _refuse_ignored_window(module: Any, layer: int) -> None:
    """InputError where the config asks for a window that the model's class does not know: its own cache would have it,
    its masks would not."""
    kinds = getattr(module.config, "layer_types", None)
    if kinds and kinds[layer] == "sliding_attention":
        raise InputError(
            f"layer_types of config.json makes layer {layer} a sliding_attention, but {type(module).__name__} has no "
            "windows; remove layer_types"
        )


@dataclass
class RowAttention:
    """A row of B prompts followed by their completions, each as its number of tokens.

    `completions[b]` holds the lengths of prompt b's completions. Queries may be those of the completions alone; keys
    and values are of the whole row.
    """

    prompts: Sequence[int]
    completions: Sequence[Sequence[int]]

    def __post_init__(self) -> None:
        self.prompt_spans = spans(0, self.prompts)
        self.prompt_tokens = sum(self.prompts)
        self.completion_tokens = sum(map(sum, self.completions))
        lengths = [length for group in self.completions for length in group if length]
        self.padding = Padding(lengths) if lengths else None
        self.memo: dict[Any, Any] = {}

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float, window: int | None = None
    ) -> Tensor:
        if window is not None and reaches(self, window):
            return windowed_attention(self, query, key, value, scale, window)
        provider = provider_for(query)
        if provider is None:
            return joined_keys_attention(self, query, key, value, scale)
        return attend_over_row(provider, self, query, key, value, scale)

    def recur(self, layer: RecurrentLayer, tokens: Tokens) -> Tensor:
        return self.recur_from(layer, tokens)[0]

    def recur_from(self, layer: RecurrentLayer, tokens: Tokens) -> tuple[Tensor, list[Recurrent]]:
        """What `recur` gives, and the state that each prompt leaves."""
        outputs, states = over_prompts(layer, tokens, self.prompt_spans)
        if self.padding:
            own = tokens.at(slice(self.prompt_tokens, None))
            outputs.append(over_completions(layer, own, states, self.completions, self.padding))
        return torch.cat(outputs, dim=1), states

    def pairs(self, missing: int) -> list[tuple[slice, slice]]:
        """For each prompt that has completions: where its keys stand, and where its completions' queries do."""
        queries = spans(self.prompt_tokens - missing, [sum(lengths) for lengths in self.completions])
        return [pair for pair in zip(self.prompt_spans, queries, strict=True) if pair[1].start < pair[1].stop]

    def of_completions(self, row: Tensor) -> Tensor:
        """[1, heads, L, ...] -> the part [heads, tokens, ...] of the completions, which end every row."""
        return row[0, :, row.shape[2] - self.completion_tokens :]

    def missing(self, query: Tensor, key: Tensor) -> int:
        """How many tokens at the start of the row have no query: none, or all prompts."""
        return key.shape[2] - query.shape[2]

    def without(self, dropped: Sequence[int]) -> "RowAttention":
        """The row of a layer that skips so many tokens of each prompt."""
        left = [length - count for length, count in zip(self.prompts, dropped, strict=True)]
        return replace(self, prompts=left)


@dataclass
class Recording:
    """A row whose `cache` gains what the prompts leave in every layer."""

    # Kept apart from the row: every layer's graph holds the row, and would hold the keys of the layers after it.
    row: RowAttention
    cache: PromptCache

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float, window: int | None = None
    ) -> Tensor:
        self.cache.append([tail_of(key[0, :, span], value[0, :, span], window) for span in self.row.prompt_spans])
        return self.row.attend(layer, query, key, value, scale, window)

    def recur(self, layer: RecurrentLayer, tokens: Tokens) -> Tensor:
        output, states = self.row.recur_from(layer, tokens)
        self.cache.append(states)
        return output

    def without(self, dropped: Sequence[int]) -> "Recording":
        return Recording(self.row.without(dropped), self.cache)


class OverPrompts:
    """A row of completions alone, over prompts whose state in every layer is known, in a graph or not."""

    def __init__(self, prompts: PromptCache, completions: Sequence[Sequence[int]]) -> None:
        self.prompts = prompts
        self.completions = completions

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float, window: int | None = None
    ) -> Tensor:
        prompts: Any = self.prompts[layer]
        # Layers keep other numbers of tokens: a routed one those that it chose, one with a window its tail.
        row = RowAttention([prompt.keys.shape[1] for prompt in prompts], self.completions)
        key = torch.cat([*(prompt.keys for prompt in prompts), key[0]], dim=1)[None]
        value = torch.cat([*(prompt.values for prompt in prompts), value[0]], dim=1)[None]
        return row.attend(layer, query, key, value, scale, window)

    def recur(self, layer: RecurrentLayer, tokens: Tokens) -> Tensor:
        states: Any = self.prompts[layer.layer_idx]
        padding = Padding([length for lengths in self.completions for length in lengths if length])
        return over_completions(layer, tokens, states, self.completions, padding)


def provider_for(query: Tensor) -> Provider | None:
    """Who computes for tensors like `query` [1, H, L, D]; None: no flash kernel takes them, so `joined_keys_attention`.

    That is float32 on a GPU, a head size above 256 or no multiple of 8, a GPU before Ampere, and AMD's.
    """
    if query.device.type == "cpu":
        return CPU
    return CUDA if has_flash_on_cuda(query) else None


def joined_keys_attention(row: RowAttention, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """The same for any device, on public functions: a completion's keys are joined to a copy of its prompt's.

    [1, Q, H, D] of `query` [1, H, Q, D] and `key`, `value` [1, K, L, D], as in `Provider`. Unlike the flash ways it
    takes memory for the copies, one of the prompt's keys for each completion.
    """
    grouped = query.shape[1] != key.shape[1]
    missing = row.missing(query, key)
    pieces = []
    # 1. Each prompt over itself, unless the row's queries are the completions alone.
    for span in [] if missing else row.prompt_spans:
        queries, keys, values = (each[:, :, span] for each in (query, key, value))
        rows = functional.scaled_dot_product_attention(
            queries, keys, values, is_causal=True, scale=scale, enable_gqa=grouped
        )
        pieces.append(rows)
    # 2. A prompt's completions as a batch of rows [prompt | completion]: the queries are the last ones of the keys, so
    #    the causal mask is aligned to the lower right. `span` counts queries, `own` keys: the prompts have no queries
    #    where they are missing.
    completions = [[length for length in lengths if length] for lengths in row.completions if any(lengths)]
    for (prompt, span), lengths in zip(row.pairs(missing), completions, strict=True):
        padding = Padding(lengths)
        queries = padding.split(query[0, :, span])
        own = slice(span.start + missing, span.stop + missing)
        keys, values = (
            torch.cat([each[:, :, prompt].expand(padding.rows, -1, -1, -1), padding.split(each[0, :, own])], dim=2)
            for each in (key, value)
        )
        mask: Any = causal_lower_right(padding.width, keys.shape[2])
        rows = functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, scale=scale, enable_gqa=grouped
        )
        pieces.append(padding.join(rows)[None])
    return torch.cat(pieces, dim=2).transpose(1, 2)
