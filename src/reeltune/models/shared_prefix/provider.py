"""What computes a row's attention: a provider, two pure functions, one for each kind of device.

A completion token's softmax runs over its prompt and over its own completion. A provider computes the two parts by
flash kernels that give, beside each output, the log of the sum of exponentials; the two sums say how to weigh the two
outputs. In the backward pass each part is given the merged output and sum, which makes it compute exactly its share of
the gradient of the one softmax, so that the shares add up. No mask, no copy of a prompt.

Shape letters: H query heads, K key heads (H is a multiple of K), L tokens of the row, P prompt tokens, D head size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from reeltune.models.shared_prefix.layout import Padding


class Row(Protocol):
    """What a provider asks of a row, `[prompt 1 | ... | prompt B | completions of 1 | ...]`; see `RowAttention`."""

    prompts: Sequence[int]
    completions: Sequence[Sequence[int]]
    prompt_spans: list[slice]
    prompt_tokens: int
    padding: Padding | None
    memo: dict[Any, Any]
    """What a provider has made of the row in one layer, for the layers to come."""

    def pairs(self, missing: int) -> list[tuple[slice, slice]]: ...

    def of_completions(self, row: Tensor) -> Tensor: ...

    def missing(self, query: Tensor, key: Tensor) -> int: ...


@dataclass(frozen=True)
class Provider:
    """Two pure functions.

    forward(row, query [1, H, L', D], key [1, K, L, D], value, scale)
        -> output [1, L', H, D], sums [1, H, L']: of each token's one softmax the log of its sum, float32 at least.
    backward(row, gradient [1, L', H, D], query, key, value, output, sums, scale)
        -> gradients to query, key and value, in their shapes.
    L' is L, or the completions' tokens alone where the prompts have no query.
    """

    name: str
    forward: Callable[[Row, Tensor, Tensor, Tensor, float], tuple[Tensor, Tensor]]
    backward: Callable[
        [Row, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, float],
        tuple[Tensor, Tensor, Tensor],
    ]


def attend_over_row(provider: Provider, row: Row, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """[1, H, L', D], [1, K, L, D] twice -> [1, L', H, D], with gradient."""
    attend: Callable[..., Tensor] = _Attend.apply
    return attend(query, key, value, provider, row, scale)


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, provider: Provider, row: Row, scale: float
    ) -> Tensor:
        output, sums = provider.forward(row, query, key, value, scale)
        ctx.save_for_backward(query, key, value, output, sums)
        ctx.provider, ctx.row, ctx.scale = provider, row, scale
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, output, sums = ctx.saved_tensors
        found = ctx.provider.backward(ctx.row, gradient, query, key, value, output, sums, ctx.scale)
        return *found, None, None, None
