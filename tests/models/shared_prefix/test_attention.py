"""The merged and the joined attention of a row equal one dense masked attention; enabling leaves no trace in files."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from reeltune.models.policy import load_policy
from reeltune.models.shared_prefix.attention import OverPrompts, RowAttention, joined_keys_attention
from reeltune.models.types import KeysValues

ROWS = [
    ([7, 5], [[3, 1, 4], [2, 2]]),
    ([9], [[4, 4, 4]]),
    ([6, 3], [[], [2, 0]]),
    ([6, 3], [[], []]),
    ([1, 1], [[1], [1, 70]]),
]


def masked(query: Tensor, key: Tensor, value: Tensor, prompts: list[int], completions: list[list[int]]) -> Tensor:
    """The definition: one softmax per token over its prompt and its own completion so far."""
    lengths = [(group, length) for group, row in enumerate(completions) for length in row]
    group = [number for number, length in enumerate(prompts) for _ in range(length)]
    group = torch.tensor(group + [number for number, length in lengths for _ in range(length)])
    owner = [-1] * sum(prompts) + [number for number, (_, length) in enumerate(lengths) for _ in range(length)]
    completion, order = torch.tensor(owner), torch.arange(len(owner))
    visible = (group[:, None] == group) & (order[:, None] >= order)
    visible &= (completion == -1) | (completion[:, None] == completion)
    share = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(share, dim=1), value.repeat_interleave(share, dim=1)
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=visible, scale=0.3).transpose(1, 2)


@pytest.mark.parametrize(("prompts", "completions"), ROWS)
@pytest.mark.parametrize("key_heads", [1, 2, 4])
@pytest.mark.parametrize("way", ["merged", "joined", "over known prompts", "joined, over known prompts"])
def test_output_and_gradients_are_those_of_a_dense_mask(
    prompts: list[int], completions: list[list[int]], key_heads: int, way: str
) -> None:
    generator = torch.Generator().manual_seed(0)
    tokens = sum(prompts) + sum(map(sum, completions))
    query, key, value = (
        torch.randn(1, heads, tokens, 8, generator=generator, dtype=torch.float64, requires_grad=True)
        for heads in (4, key_heads, key_heads)
    )
    weights = torch.randn(1, tokens, 4, 8, generator=generator, dtype=torch.float64)
    wanted = masked(query, key, value, prompts, completions)
    wanted_slopes = torch.autograd.grad((wanted * weights).sum(), (query, key, value), retain_graph=True)
    row = RowAttention(prompts, completions)
    if "known" in way and not sum(map(sum, completions)):
        pytest.skip("without completions there is no row over known prompts")
    end = sum(prompts)
    if way == "over known prompts":
        parts = (key[0, :, :end].split(prompts, dim=1), value[0, :, :end].split(prompts, dim=1))
        known = [KeysValues(*each) for each in zip(*parts, strict=True)]
        own = [each[:, :, end:] for each in (query, key, value)]
        found = torch.cat([wanted[:, :end], OverPrompts([known], completions).attend(0, *own, 0.3)], dim=1)
    elif "known" in way:
        found = torch.cat([wanted[:, :end], joined_keys_attention(row, query[:, :, end:], key, value, 0.3)], dim=1)
    elif way == "merged":
        found = row.attend(0, query, key, value, 0.3)
    else:
        found = joined_keys_attention(row, query, key, value, 0.3)
    assert torch.allclose(found, wanted, atol=1e-10)
    for slope, wanted_slope in zip(
        torch.autograd.grad((found * weights).sum(), (query, key, value)), wanted_slopes, strict=True
    ):
        assert torch.allclose(slope, wanted_slope, atol=1e-10)


def test_bfloat16_keeps_its_type() -> None:
    query, key, value = (torch.randn(1, heads, 12, 8, dtype=torch.bfloat16) for heads in (4, 2, 2))
    found = RowAttention([6], [[3, 3]]).attend(0, query, key, value, 0.3)
    wanted = masked(query.float(), key.float(), value.float(), [6], [[3, 3]])
    assert found.dtype == torch.bfloat16
    assert torch.allclose(found.float(), wanted, atol=0.05)


def test_no_tensor_of_the_whole_row_squared_exists(tiny_models: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory grows with the row, not with its square: the attention of a long row saves a few rows' worth."""
    row = RowAttention([2000], [[8] * 4])
    query, key, value = (torch.randn(1, heads, 2032, 8, requires_grad=True) for heads in (4, 2, 2))
    with torch.profiler.profile(profile_memory=True) as profile:
        row.attend(0, query, key, value, 0.3).sum().backward()
    largest = max(event.nbytes() for event in profile.profiler.kineto_results.events() if event.name() == "[memory]")
    assert largest < 2032 * 2032


def test_a_saved_model_does_not_know_of_it(tiny_models: Any, tmp_path: Path) -> None:
    policy = load_policy(tiny_models("qwen3_vl"))
    policy.save(tmp_path)
    assert "shared_prompt" not in (tmp_path / "config.json").read_text()
    assert "attn_implementation" not in json.dumps(json.loads((tmp_path / "config.json").read_text()))


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_calls_without_it_go_to_the_models_own_attention(tiny_models: Any, attention: str) -> None:
    from transformers import AutoModelForImageTextToText

    directory = tiny_models("qwen3_vl")
    policy = load_policy(directory, attention=attention)
    stock = AutoModelForImageTextToText.from_pretrained(directory, attn_implementation=attention)
    ids = torch.arange(20, 40)[None]
    with torch.no_grad():
        assert torch.equal(policy.model(input_ids=ids).logits, stock(input_ids=ids).logits)
