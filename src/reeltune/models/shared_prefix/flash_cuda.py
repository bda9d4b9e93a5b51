"""A row's attention on a GPU: two calls of variable-length flash kernels, however many prompts and completions it has.

The first: every prompt and every completion, causally over itself. The second: all completions of each prompt over that
prompt, where every key is visible. Their outputs are merged by their sums (`provider.py`).

Shape letters: H query heads, K key heads, D head size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from reeltune.models._transformers import flash_on_cuda, flash_on_cuda_backward
from reeltune.models.shared_prefix.provider import Provider, Row


@dataclass(frozen=True)
class Span:
    """Sequences that stand one after the other: where each starts, and at last where all end (int32), and the longest.

    On the device of the tensors they stand in.
    """

    offsets: Tensor
    longest: int

    @classmethod
    def of(cls, lengths: Sequence[int], device: torch.device) -> "Span":
        offsets = torch.tensor([0, *accumulate(lengths)], dtype=torch.int32, device=device)
        return cls(offsets, max(lengths, default=0))


@dataclass(frozen=True)
class Segments:
    """The two calls of a row. `own`: every prompt (unless its queries are missing) and every completion, over itself.
    `queries`, `keys`: all completions of each prompt together, over that prompt; None where there is no completion.
    """

    own: Span
    queries: Span | None
    keys: Span | None

    @classmethod
    def of(cls, row: Row, missing: int, device: torch.device) -> "Segments":
        """Made once per row: all layers share it."""
        key = (missing, device)
        if key not in row.memo:
            prompts = [] if missing else list(row.prompts)
            own = [length for length in [*prompts, *(each for group in row.completions for each in group)] if length]
            completed = [sum(group) for group in row.completions]
            over = [Span.of(each, device) if any(completed) else None for each in (completed, row.prompts)]
            row.memo[key] = cls(Span.of(own, device), *over)
        found: Segments = row.memo[key]
        return found


VarlenForward = Callable[..., tuple[Tensor, Tensor]]
VarlenBackward = Callable[..., tuple[Tensor, Tensor, Tensor]]


def varlen(name: str, forward: VarlenForward, backward: VarlenBackward) -> Provider:
    """A provider on kernels that take sequences of any lengths one after the other, [tokens, heads, D].

    forward(query, key, value, query span, key span, causal=, scale=) -> output, sums [H, tokens]
    backward(gradient, query, key, value, output, sums, query span, key span, causal=, scale=) -> three gradients
    """

    # `narrow` and not slices: tests run this on fake CUDA tensors, which a build without CUDA cannot index.
    def row_forward(row: Row, query: Tensor, key: Tensor, value: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        missing = row.missing(query, key)
        part = Segments.of(row, missing, query.device)
        q, k, v = (each.squeeze(0).transpose(0, 1) for each in (query, key, value))
        # 1. Every prompt and every completion over itself: sequences one after the other, so each is causal by itself.
        #    Keys and values of the tokens that have a query.
        own = [_after(each, missing) for each in (k, v)]
        output, sums = forward(q, *own, part.own, part.own, causal=True, scale=scale)
        # 2. All completions of a prompt, as one long sequence, over that prompt: every key is visible, so no mask.
        #    `first`: where the completions begin among the queries, `end`: where the prompts end among the keys.
        if part.queries and part.keys:
            end, first = row.prompt_tokens, row.prompt_tokens - missing
            prompts = [each.narrow(0, 0, end) for each in (k, v)]
            over_prompt, prompt_sums = forward(
                _after(q, first), *prompts, part.queries, part.keys, causal=False, scale=scale
            )
            sums = _merge(output, sums, over_prompt, prompt_sums, first)
        return output.unsqueeze(0), sums.unsqueeze(0)

    def row_backward(
        row: Row,
        gradient: Tensor,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        output: Tensor,
        sums: Tensor,
        scale: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        missing = row.missing(query, key)
        part = Segments.of(row, missing, query.device)
        q, k, v = (each.squeeze(0).transpose(0, 1) for each in (query, key, value))
        g, o, s = (each.squeeze(0) for each in (gradient, output, sums))
        # Each call's backward is given the *merged* output and sums: with them its recomputed probabilities are the
        # shares of its keys in the whole softmax, and the two gradients add up to that of one attention over all keys.
        own = [_after(each, missing) for each in (k, v)]
        to_q, to_k, to_v = backward(g, q, *own, o, s, part.own, part.own, causal=True, scale=scale)
        if missing:  # the prompts' keys have gradient from the second call alone
            to_k, to_v = (torch.cat([each.new_zeros(missing, *each.shape[1:]), each]) for each in (to_k, to_v))
        # Part 1 writes; part 2 adds to the completions' queries and the prompts' keys, in place through views.
        if part.queries and part.keys:
            end, first = row.prompt_tokens, row.prompt_tokens - missing
            prompts = [each.narrow(0, 0, end) for each in (k, v)]
            tokens = [_after(g, first), _after(q, first), *prompts, _after(o, first), _after(s, first, dim=1)]
            found = backward(*tokens, part.queries, part.keys, causal=False, scale=scale)
            places = (_after(to_q, first), to_k.narrow(0, 0, end), to_v.narrow(0, 0, end))
            for into, each in zip(places, found, strict=True):
                into += each
        to_query, to_key, to_value = (each.transpose(0, 1).unsqueeze(0) for each in (to_q, to_k, to_v))
        return to_query, to_key, to_value

    return Provider(name, row_forward, row_backward)


def _merge(output: Tensor, sums: Tensor, over_prompt: Tensor, prompt_sums: Tensor, first: int) -> Tensor:
    """Add what the completions, from `first` on, found over their prompts; `output` in place. The sums of both.

    The two softmaxes become the one over both key sets: exp(sum of one - sum of both) is the share of each.
    """
    merged, own_sums = _after(output, first), _after(sums, first, dim=1)
    total = torch.logaddexp(prompt_sums, own_sums)
    share = (prompt_sums - total).exp().T.unsqueeze(-1).to(output.dtype)
    merged += (over_prompt - merged) * share
    return torch.cat([sums.narrow(1, 0, first), total], dim=1)


def _after(x: Tensor, start: int, dim: int = 0) -> Tensor:
    return x.narrow(dim, start, x.shape[dim] - start)


def _cuda_forward(q: Tensor, k: Tensor, v: Tensor, of: Span, over: Span, **how: Any) -> tuple[Tensor, Tensor]:
    return flash_on_cuda(q, k, v, of.offsets, over.offsets, of.longest, over.longest, **how)


def _cuda_backward(
    g: Tensor, q: Tensor, k: Tensor, v: Tensor, o: Tensor, s: Tensor, of: Span, over: Span, **how: Any
) -> tuple[Tensor, Tensor, Tensor]:
    return flash_on_cuda_backward(g, q, k, v, o, s, of.offsets, over.offsets, of.longest, over.longest, **how)


CUDA = varlen("two varlen flash calls", _cuda_forward, _cuda_backward)
