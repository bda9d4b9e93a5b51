"""Gated delta nets over prompts that stand once in a row: a prompt's state goes to its G completions, in the graph.

A gated delta net (arXiv 2412.06464; three of four layers of Qwen3.5) reads tokens one after the other into one matrix
a head. What a completion needs of its prompt is that matrix, and the last inputs of the short convolution before it:
projections run over the whole row, convolution and recurrence once over each prompt, then over all completions as
rows that start from their prompt's state. Exact; our choice.

Shape letters: L tokens of a row, R rows, X channels of the convolution, V value heads.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from reeltune.errors import InputError
from reeltune.models._transformers import (
    Qwen3_5GatedDeltaNet,
    Qwen3_5MoeGatedDeltaNet,
    become,
    delta_rule,
    short_convolution,
)
from reeltune.models.shared_prefix.layout import Padding
from reeltune.models.types import Recurrent


class Tokens(NamedTuple):
    """A layer's projections of its tokens: `mixed` queries, keys and values [R, L, X] before the convolution, the log
    of each token's `decay` [R, L, V] and its `beta` [R, L, V], the share of its value that is written."""

    mixed: Tensor
    decay: Tensor
    beta: Tensor

    def at(self, span: slice) -> "Tokens":
        return Tokens(*(each[:, span] for each in self))


class RecurrentLayer(Protocol):
    """A layer with a state in place of keys (a linear attention): R rows of L tokens, V value heads.

    `advance` must give the same outputs and states in one go as in pieces: completions go on from the prompt's state.
    """

    layer_idx: int

    def start(self, tokens: Tokens) -> Recurrent:
        """The state before the first token, of each of the tokens' rows."""
        ...

    def advance(self, tokens: Tokens, state: Recurrent) -> tuple[Tensor, Recurrent]:
        """Outputs [R, L, V, value size] of rows that go on from `state`, and their states after it."""
        ...


def over_prompts(layer: RecurrentLayer, tokens: Tokens, spans: Sequence[slice]) -> tuple[list[Tensor], list[Recurrent]]:
    """The output [1, P, V, value size] and the state after it of each prompt of a row."""
    outputs, states = [], []
    for span in spans:
        prompt = tokens.at(span)
        output, ends = layer.advance(prompt, layer.start(prompt))
        outputs.append(output)
        # A copy: the convolution's inputs of the whole prompt need not live as long as the last of them.
        states.append(Recurrent(ends.tail[0].clone(), ends.matrix[0]))
    return outputs, states


def over_completions(
    layer: RecurrentLayer,
    tokens: Tokens,
    states: Sequence[Recurrent],
    completions: Sequence[Sequence[int]],
    padding: Padding,
) -> Tensor:
    """Outputs [1, L, V, value size] of a row's completions, each from its prompt's state.

    `completions[b]` holds the lengths of prompt b's completions, empty ones too; `padding` is of those that are not.
    """
    owners = [index for index, lengths in enumerate(completions) for length in lengths if length]
    start = Recurrent(*(torch.stack([each[owner] for owner in owners]) for each in zip(*states, strict=True)))
    # Filled places stand after a completion's own tokens and change none of their outputs.
    rows = Tokens(*(padding.split(each)[:, 0] for each in tokens))
    output, _ = layer.advance(rows, start)
    return padding.join(output[:, None])


def enable(language_model: Any) -> None:
    """Let the recurrent layers of this language model take `shared`; weights, names and other calls stay.

    Raises InputError for a recurrent layer of a class that is not known, wherever that class has its state.
    """
    kinds = getattr(getattr(language_model, "config", None), "layer_types", None) or []
    for index, layer in enumerate(language_model.layers):
        is_recurrent = index < len(kinds) and kinds[index] == "linear_attention"
        net = getattr(layer, "linear_attn", layer if is_recurrent else None)
        if net is None:
            continue
        if (known := SHARED_CLASSES.get(type(net).__name__)) is None:
            raise InputError(
                f"layer {index} is a recurrent layer of class {type(net).__name__}; only {sorted(SHARED_CLASSES)} "
                "can pass the state of a prompt to its completions"
            )
        become(net, known)


class _Shared:
    """Mixed into a gated delta net, before it."""

    layer_idx: int
    conv_kernel_size: int
    key_dim: int
    value_dim: int
    head_k_dim: int
    head_v_dim: int
    num_v_heads: int
    A_log: Tensor
    dt_bias: Tensor
    in_proj_qkv: Any
    in_proj_z: Any
    in_proj_a: Any
    in_proj_b: Any
    norm: Any
    out_proj: Any

    def forward(self, hidden_states: Tensor, *args: Any, shared: Any = None, **kwargs: Any) -> Tensor:
        """[R, L, H] -> [R, L, H]."""
        if shared is None:
            stock: Tensor = super().forward(hidden_states, *args, **kwargs)  # type: ignore[misc]
            return stock
        steps = torch.nn.functional.softplus(self.in_proj_a(hidden_states).float() + self.dt_bias)
        tokens = Tokens(
            mixed=self.in_proj_qkv(hidden_states),
            decay=-self.A_log.float().exp() * steps,
            beta=self.in_proj_b(hidden_states).sigmoid(),
        )
        output = shared.recur(self, tokens)
        gate = self.in_proj_z(hidden_states).reshape(-1, self.head_v_dim)
        output = self.norm(output.reshape(-1, self.head_v_dim), gate)
        result: Tensor = self.out_proj(output.view(*hidden_states.shape[:2], -1))
        return result

    def start(self, tokens: Tokens) -> Recurrent:
        rows, _, channels = tokens.mixed.shape
        matrix = (rows, self.num_v_heads, self.head_k_dim, self.head_v_dim)
        return Recurrent(
            tokens.mixed.new_zeros(rows, self.conv_kernel_size - 1, channels),
            tokens.mixed.new_zeros(matrix, dtype=torch.float32),
        )

    def advance(self, tokens: Tokens, state: Recurrent) -> tuple[Tensor, Recurrent]:
        inputs = torch.cat([state.tail, tokens.mixed], dim=1)
        convolved = short_convolution(self, inputs)[:, state.tail.shape[1] :]
        parts = convolved.split([self.key_dim, self.key_dim, self.value_dim], dim=-1)
        sizes = (self.head_k_dim, self.head_k_dim, self.head_v_dim)
        query, key, value = (part.unflatten(-1, (-1, size)) for part, size in zip(parts, sizes, strict=True))
        output, matrix = delta_rule(self, query, key, value, tokens.decay, tokens.beta, state.matrix)
        return output, Recurrent(inputs[:, inputs.shape[1] - state.tail.shape[1] :], matrix)


class SharedQwen35DeltaNet(_Shared, Qwen3_5GatedDeltaNet):  # type: ignore[misc]
    pass


class SharedQwen35MoeDeltaNet(_Shared, Qwen3_5MoeGatedDeltaNet):  # type: ignore[misc]
    pass


SHARED_CLASSES: dict[str, type[Any]] = {
    base.__name__: shared
    for shared, base in (
        (SharedQwen35DeltaNet, Qwen3_5GatedDeltaNet), (SharedQwen35MoeDeltaNet, Qwen3_5MoeGatedDeltaNet),
    )
}  # fmt: skip
