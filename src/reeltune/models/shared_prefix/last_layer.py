"""The last layer, for the tokens whose output is wanted: of each prompt its last one, and all completions.

A prompt's other tokens owe the last layer their keys and values and nothing more; their attention and their MLP would
be computed, forward and backward, for nobody. (The projections of their queries and output still run forward, since
the layer's own attention module makes the keys.) Exact; our choice.

Shape letters: B prompts, L tokens of the row, H query heads, K key heads, P prompt tokens, D head size.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from reeltune.models._transformers import before_forward
from reeltune.models.shared_prefix.attention import OverPrompts, Recording, RowAttention
from reeltune.models.shared_prefix.window import tail_of
from reeltune.models.types import KeysValues


def narrow(language_model: Any) -> None:
    """Let rows under `RowAttention` or `Recording` leave this model's last layer as `wanted` [B + completion tokens].

    A routed model stays as it is: its last layer has few prompt tokens already. So does one whose last layer has a
    recurrent state, which every token of the prompt makes.
    """
    if not hasattr(language_model.layers[-1], "self_attn"):
        return
    before_forward(language_model.layers[-1], _narrow, ["hidden_states", "position_embeddings", "position_ids"])


def wanted(row: RowAttention) -> Tensor:
    """Places [B + completion tokens] in a row of the tokens that predict: each prompt's end, then every completion's.

    int64, on the CPU.
    """
    ends = torch.tensor(row.prompts).cumsum(0) - 1
    return torch.cat([ends, row.prompt_tokens + torch.arange(row.completion_tokens)])


def _narrow(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    shared = kwargs.get("shared")
    if not isinstance(shared, RowAttention | Recording) or "routing" in kwargs:
        return None
    row = shared.row if isinstance(shared, Recording) else shared
    hidden, *rest = args
    rotary = kwargs["position_embeddings"]
    keys = _Keys(row)
    prompts = slice(row.prompt_tokens)
    layer.self_attn(
        hidden_states=layer.input_layernorm(hidden[:, prompts]),
        position_embeddings=tuple(each[..., prompts, :] for each in rotary),
        attention_mask=None,
        shared=keys,
    )
    if isinstance(shared, Recording):
        shared.cache.append(keys.pairs)
    places = wanted(row).to(hidden.device)
    narrowed = {
        "position_embeddings": tuple(each.index_select(-2, places) for each in rotary),
        "position_ids": None,
        "shared": _Ends(keys.pairs, row),
    }
    return (hidden.index_select(1, places), *rest), kwargs | narrowed


class _Keys:
    """Takes the prompts' keys and values and attends to nothing: what comes of it is dropped."""

    def __init__(self, row: RowAttention) -> None:
        self.row = row
        self.pairs: list[KeysValues] = []

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float, window: int | None = None
    ) -> Tensor:
        """[1, H, L, D], [1, K, L, D] twice -> [1, L, H, D] of zeros; `pairs` become [K, P, D] twice for each prompt."""
        self.pairs = [tail_of(key[0, :, span], value[0, :, span], window) for span in self.row.prompt_spans]
        return torch.zeros_like(query).transpose(1, 2)


class _Ends:
    """A row of the prompts' last tokens and of completions, over the prompts' keys and values."""

    def __init__(self, prompts: list[KeysValues], row: RowAttention) -> None:
        self.prompts = prompts
        self.row = row

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float, window: int | None = None
    ) -> Tensor:
        """[1, H, B + completion tokens, D] and as many keys and values -> [1, B + completion tokens, H, D]."""
        grouped = query.shape[1] != key.shape[1]
        # A prompt's last token sees all that is left of the prompt, which ends with it: no more than a window.
        outputs = [
            functional.scaled_dot_product_attention(
                query[:, :, index : index + 1], prompt.keys[None], prompt.values[None], scale=scale, enable_gqa=grouped
            ).transpose(1, 2)
            for index, prompt in enumerate(self.prompts)
        ]
        if self.row.completion_tokens:
            query, key, value = (each[:, :, len(self.prompts) :] for each in (query, key, value))
            over_prompts = OverPrompts([self.prompts], self.row.completions)
            outputs.append(over_prompts.attend(0, query, key, value, scale, window))
        return torch.cat(outputs, dim=1)
