"""Every provider against attention by its definition, one token at a time in float64, and its gradient by hand.

The GPU's provider runs here on kernels of plain matrices in place of CUDA's; what CUDA's own take and give is checked
on fake tensors, which have a shape, a type and a device, and no numbers. `reeltune doctor` runs them for real.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from reeltune.models.shared_prefix import attention
from reeltune.models.shared_prefix.attention import RowAttention, joined_keys_attention, provider_for
from reeltune.models.shared_prefix.flash_cpu import CPU
from reeltune.models.shared_prefix.flash_cuda import CUDA, Segments, Span, varlen
from reeltune.models.shared_prefix.provider import Provider, attend_over_row

SCALE = 0.3


def by_definition(query: Tensor, key: Tensor, value: Tensor, row: RowAttention) -> Tensor:
    """[1, L', H, D] in float64: token by token, the softmax over its prompt and its own completion so far."""
    query, key, value = (each[0].double() for each in (query, key, value))
    share = len(query) // len(key)
    visible: list[list[int]] = []
    place = 0
    prompts = []
    for length in row.prompts:
        prompts.append(list(range(place, place + length)))
        visible += [prompts[-1][: index + 1] for index in range(length)]
        place += length
    for prompt, lengths in zip(prompts, row.completions, strict=True):
        for length in lengths:
            visible += [prompt + list(range(place, place + index + 1)) for index in range(length)]
            place += length
    visible = visible[key.shape[1] - query.shape[1] :]
    rows = []
    for token, places in enumerate(visible):
        heads = []
        for head in range(len(query)):
            scores = key[head // share, places] @ query[head, token] * SCALE
            heads.append(scores.softmax(0) @ value[head // share, places])
        rows.append(torch.stack(heads))
    return torch.stack(rows)[None]


def plain_forward(q: Tensor, k: Tensor, v: Tensor, of: Span, over: Span, *, causal: bool, scale: float) -> Any:
    """What a varlen kernel gives, sequence by sequence; places of no sequence stay NaN."""
    outputs = torch.full_like(q, torch.nan)
    sums = torch.full((q.shape[1], len(q)), torch.nan, dtype=torch.promote_types(q.dtype, torch.float32))
    for (a, b), (c, d) in _sequences(of, over):
        scores = _scores(q[a:b], k[c:d], causal, scale)
        outputs[a:b] = (scores.softmax(-1) @ _heads(v[c:d], q.shape[1])).transpose(0, 1).to(q.dtype)
        sums[:, a:b] = scores.logsumexp(-1)
    return outputs, sums


def plain_backward(
    g: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    o: Tensor,
    s: Tensor,
    of: Span,
    over: Span,
    *,
    causal: bool,
    scale: float,
) -> Any:
    """The gradients of one softmax whose output and sum are given, by the formulas of the flash papers."""
    to_q, to_k, to_v = (torch.zeros_like(each) for each in (q, k, v))
    share = q.shape[1] // k.shape[1]
    for (a, b), (c, d) in _sequences(of, over):
        weights = (_scores(q[a:b], k[c:d], causal, scale) - s[:, a:b, None]).exp()
        slope, output = (each[a:b].transpose(0, 1).to(weights.dtype) for each in (g, o))
        to_weights = slope @ _heads(v[c:d], q.shape[1]).transpose(1, 2)
        to_scores = weights * (to_weights - (slope * output).sum(-1, keepdim=True)) * scale
        to_q[a:b] += (to_scores @ _heads(k[c:d], q.shape[1])).transpose(0, 1).to(q.dtype)
        for into, each in ((to_k, to_scores.transpose(1, 2) @ _heads(q[a:b], q.shape[1])),
                           (to_v, weights.transpose(1, 2) @ slope)):  # fmt: skip
            into[c:d] += each.unflatten(0, (-1, share)).sum(1).transpose(0, 1).to(q.dtype)
    return to_q, to_k, to_v


def _sequences(of: Span, over: Span) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    pairs = list(zip(pairwise(of.offsets.tolist()), pairwise(over.offsets.tolist()), strict=True))
    assert of.longest >= max((b - a for (a, b), _ in pairs), default=0)
    assert over.longest >= max((d - c for _, (c, d) in pairs), default=0)
    assert all(d > c for (a, b), (c, d) in pairs if b > a), "a query without any key has no softmax"
    return [pair for pair in pairs if pair[0][1] > pair[0][0]]


def _heads(x: Tensor, heads: int) -> Tensor:
    """[tokens, K, D] -> [H, tokens, D], float32 at least."""
    x = x.transpose(0, 1).repeat_interleave(heads // x.shape[1], dim=0)
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _scores(q: Tensor, k: Tensor, causal: bool, scale: float) -> Tensor:
    scores = _heads(q, q.shape[1]) @ _heads(k, q.shape[1]).transpose(1, 2) * scale
    if causal:
        assert len(q) == len(k)
        scores = scores.masked_fill(torch.ones(len(q), len(q)).triu(1).bool(), -torch.inf)
    return scores


VARLEN = varlen("two varlen calls of plain matrices", plain_forward, plain_backward)
WAYS: dict[str, Provider | None] = {"cpu": CPU, "varlen": VARLEN, "joined": None}


def attend(way: str, row: RowAttention, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    provider = WAYS[way]
    if provider is None:
        return joined_keys_attention(row, query, key, value, SCALE)
    return attend_over_row(provider, row, query, key, value, SCALE)


def tensors(tokens: int, heads: tuple[int, int], size: int, dtype: torch.dtype, missing: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(tokens)
    shapes = [(heads[0], tokens - missing), (heads[1], tokens), (heads[1], tokens)]
    return [
        torch.randn(1, *shape, size, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
        for shape in shapes
    ]


lengths = st.lists(st.lists(st.integers(0, 6), max_size=4), min_size=1, max_size=4)
layouts = lengths.flatmap(
    lambda groups: st.tuples(st.lists(st.integers(1, 9), min_size=len(groups), max_size=len(groups)), st.just(groups))
)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=40, deadline=None)
@given(
    layout=layouts,
    heads=st.sampled_from([(4, 1), (4, 2), (4, 4), (6, 2), (1, 1)]),
    size=st.sampled_from([8, 16, 24]),
    known=st.booleans(),
)
def test_ragged_rows_are_attention_by_its_definition(
    way: str, layout: Any, heads: tuple[int, int], size: int, known: bool
) -> None:
    prompts, completions = layout
    row = RowAttention(prompts, completions)
    known = known and row.completion_tokens > 0
    tokens = sum(prompts) + row.completion_tokens
    inputs = tensors(tokens, heads, size, torch.float64, sum(prompts) if known else 0)
    wanted = by_definition(*inputs, row)
    found = attend(way, row, *inputs)
    assert found.shape == wanted.shape
    assert torch.allclose(found, wanted, atol=1e-10)
    slope = torch.randn(wanted.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for mine, theirs in zip(
        torch.autograd.grad((found * slope).sum(), inputs), torch.autograd.grad((wanted * slope).sum(), inputs),
        strict=True,
    ):  # fmt: skip
        assert torch.allclose(mine, theirs, atol=1e-10)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [64, 80, 128])
def test_bfloat16_is_the_definition_to_its_own_rounding(way: str, size: int) -> None:
    row = RowAttention([40, 7], [[9, 1, 0, 5], [3, 3]])
    inputs = tensors(47 + 21, (4, 2), size, torch.bfloat16)
    wanted = by_definition(*inputs, row)
    found = attend(way, row, *inputs)
    assert found.dtype == torch.bfloat16
    assert float((found.double() - wanted).detach().abs().max()) < 0.03
    slope = torch.randn(wanted.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    wanted_slopes = torch.autograd.grad((wanted * slope).sum(), inputs)
    found_slopes = torch.autograd.grad((found * slope.bfloat16()).sum(), inputs)
    for mine, theirs in zip(found_slopes, wanted_slopes, strict=True):
        assert mine.dtype == torch.bfloat16
        assert float((mine.double() - theirs.double()).norm() / theirs.double().norm()) < 0.02


def test_the_gpu_makes_two_calls_whatever_the_number_of_groups() -> None:
    calls: list[tuple[int, int, bool]] = []

    def forward(q: Tensor, k: Tensor, v: Tensor, of: Span, over: Span, **how: Any) -> Any:
        calls.append((len(q), len(k), how["causal"]))
        return plain_forward(q, k, v, of, over, **how)

    provider = varlen("counted", forward, plain_backward)
    row = RowAttention([5] * 30, [[3, 2]] * 30)
    attend_over_row(provider, row, *tensors(300, (2, 2), 8, torch.float32), SCALE)
    assert calls == [(300, 300, True), (150, 150, False)]  # the keys of the prompts once, without a copy
    prefill = RowAttention([5, 4], [[], []])
    attend_over_row(provider, prefill, *tensors(9, (2, 2), 8, torch.float32), SCALE)
    assert calls[2:] == [(9, 9, True)]


def test_offsets_are_made_once_for_all_layers() -> None:
    row = RowAttention([5, 4], [[2], [0, 3]])
    first = Segments.of(row, 0, torch.device("cpu"))
    assert Segments.of(row, 0, torch.device("cpu")) is first
    assert first.own.offsets.tolist() == [0, 5, 9, 11, 14] and first.own.offsets.dtype == torch.int32
    assert first.queries is not None and first.queries.offsets.tolist() == [0, 2, 5]
    assert first.keys is not None and first.keys.offsets.tolist() == [0, 5, 9]
    over = Segments.of(row, 9, torch.device("cpu"))
    assert over.own.offsets.tolist() == [0, 2, 5]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("heads", "size"), [((28, 4), 128), ((32, 8), 128), ((8, 8), 64), ((4, 1), 256)])
@pytest.mark.parametrize("missing", [False, True])
def test_cudas_kernels_take_what_they_are_given(
    dtype: torch.dtype, heads: tuple[int, int], size: int, missing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Copying between fake CUDA tensors asks for the device, which is not here; a fresh one is as good.
    monkeypatch.setattr(Tensor, "contiguous", lambda x: torch.empty(x.shape, dtype=x.dtype, device=x.device))
    row = RowAttention([700, 20], [[9, 1, 0, 5], [3, 3]])
    with FakeTensorMode():
        tokens = 720 + 21
        queries = 21 if missing else tokens
        inputs = [
            torch.empty(1, length, count, size, dtype=dtype, device="cuda").transpose(1, 2)
            for count, length in ((heads[0], queries), (heads[1], tokens), (heads[1], tokens))
        ]
        output, sums = CUDA.forward(row, *inputs, SCALE)
        assert output.shape == (1, queries, heads[0], size) and output.dtype == dtype
        assert sums.shape == (1, heads[0], queries) and sums.dtype == torch.float32
        assert output.device.type == "cuda"
        slopes = CUDA.backward(row, torch.empty_like(output), *inputs, output, sums, SCALE)
        for slope, each in zip(slopes, inputs, strict=True):
            assert slope.shape == each.shape and slope.dtype == dtype and slope.device == each.device
        assert attend_over_row(CUDA, row, *inputs, SCALE).shape == output.shape


def test_each_device_and_type_has_its_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert provider_for(torch.empty(1, 2, 3, 8)) is CPU
    with FakeTensorMode():
        for dtype, size, wanted in (
            (torch.bfloat16, 128, CUDA),
            (torch.float16, 256, CUDA),
            (torch.float32, 128, None),
            (torch.bfloat16, 260, None),
            (torch.bfloat16, 12, None),
        ):
            assert provider_for(torch.empty(1, 2, 3, size, dtype=dtype, device="cuda")) is wanted
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
        assert provider_for(torch.empty(1, 2, 3, 128, dtype=torch.bfloat16, device="cuda")) is None


def test_without_a_provider_a_row_is_joined_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    row = RowAttention([5], [[3, 2]])
    inputs = tensors(10, (2, 1), 8, torch.float64)
    used: list[Sequence[int]] = []

    def joined(row: RowAttention, *args: Any) -> Tensor:
        used.append(row.prompts)
        return joined_keys_attention(row, *args)

    monkeypatch.setattr(attention, "provider_for", lambda query: None)
    monkeypatch.setattr(attention, "joined_keys_attention", joined)
    assert torch.allclose(row.attend(0, *inputs, SCALE), by_definition(*inputs, row), atol=1e-10)
    assert used == [[5]]
