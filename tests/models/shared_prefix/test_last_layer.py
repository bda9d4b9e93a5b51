"""The last layer runs for the tokens that predict, and nothing but its work changes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForImageTextToText

from reeltune.models.policy import Policy, load_policy
from reeltune.models.shared_prefix.row import group_log_probs, prefill
from reeltune.models.types import Completions, Group

SIDE = {"qwen2_vl": 56, "qwen2_5_vl": 56, "qwen3_vl": 64, "llava": 56}
LENGTHS = [[5, 1, 9], [3, 3, 3, 2], [1, 1]]
ROW_TOKENS = sum(length - 1 for lengths in LENGTHS for length in lengths)


def make_groups(policy: Policy, clip_of: Any, family: str) -> list[Group]:
    generator = torch.Generator().manual_seed(7)
    groups = []
    for index, lengths in enumerate(LENGTHS):
        clip = clip_of(4 + 2 * index, SIDE[family], seed=index)
        words = [torch.randint(20, 300, (length,), generator=generator).tolist() for length in lengths]
        [features] = policy.encode([clip])
        groups.append(Group(policy.prompt("When?" * (index + 1), clip), features, Completions.from_lists(words)))
    return groups


def mlp_tokens(policy: Policy) -> list[list[int]]:
    """For each layer: how many tokens its MLP saw, call by call."""
    seen: list[list[int]] = [[] for _ in policy.language_model.layers]
    for layer, calls in zip(policy.language_model.layers, seen, strict=True):
        layer.mlp.register_forward_hook(lambda _m, inputs, _o, calls=calls: calls.append(inputs[0].shape[1]))
    return seen


def widened(policy: Policy) -> Policy:
    """The policy as it would be without all this: its last layer computes every token."""
    policy.language_model.layers[-1]._forward_pre_hooks.clear()
    return policy


def log_probs_and_gradients(policy: Policy, clip_of: Any, family: str) -> tuple[list[Tensor], dict[str, Tensor]]:
    values = group_log_probs(policy, make_groups(policy, clip_of, family))
    sum((torch.linspace(-1, 1, each.numel()).view_as(each) * each).sum() for each in values).backward()  # type: ignore[union-attr]
    return values, {name: each.grad for name, each in policy.named_parameters() if each.grad is not None}


@pytest.mark.parametrize("family", list(SIDE))
def test_the_last_mlp_sees_the_predicting_tokens_alone(family: str, directories: Any, clip_of: Any) -> None:
    policy = load_policy(directories(family))
    groups = make_groups(policy, clip_of, family)
    prompts = sum(len(group.prompt) for group in groups)
    seen = mlp_tokens(policy)
    group_log_probs(policy, groups)
    prefill(policy, groups)
    *before, last = seen
    assert before == [[prompts + ROW_TOKENS, prompts]] * len(before)
    assert last == [len(groups) + ROW_TOKENS, len(groups)]


@pytest.mark.parametrize("family", list(SIDE))
@pytest.mark.parametrize("checkpointing", [False, True])
def test_log_probs_and_gradients_stay(family: str, checkpointing: bool, directories: Any, clip_of: Any) -> None:
    narrow, wide = (load_policy(directories(family), gradient_checkpointing=checkpointing).train() for _ in range(2))
    found, slopes = log_probs_and_gradients(narrow, clip_of, family)
    wanted, wanted_slopes = log_probs_and_gradients(widened(wide), clip_of, family)
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    assert slopes.keys() == wanted_slopes.keys()
    scale = max(float(slope.abs().max()) for slope in wanted_slopes.values())
    assert all(float((slopes[name] - slope).abs().max()) <= 1e-5 * scale for name, slope in wanted_slopes.items())


def test_a_last_layer_that_deepstack_reaches_leaves_every_token(tiny_models: Any, clip_of: Any, tmp_path: Path) -> None:
    source = tiny_models("qwen3_vl")
    config = AutoConfig.from_pretrained(source)
    config.text_config.num_hidden_layers = 2
    AutoModelForImageTextToText.from_config(config).save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (source / name).exists():
            (tmp_path / name).write_bytes((source / name).read_bytes())
    policy = load_policy(tmp_path)
    groups = make_groups(policy, clip_of, "qwen3_vl")
    found = group_log_probs(policy, groups)
    wanted = group_log_probs(widened(policy), groups)
    assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))
    assert all(bool(torch.isfinite(each).all()) for each in found)


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_patches_are_projected_as_the_stock_convolution_does(family: str, tiny_models: Any) -> None:
    policy = load_policy(tiny_models(family))
    stock = AutoModelForImageTextToText.from_pretrained(tiny_models(family))
    grid = torch.tensor([[2, 4, 4]])
    patches = torch.randn(32, stock.config.vision_config.patch_size**2 * 6)
    ours, theirs = (each.model.visual(patches, grid).last_hidden_state for each in (policy.model, stock))
    assert torch.allclose(ours, theirs, atol=1e-5)
    names = [name for name, module in policy.model.named_modules() if type(module) is torch.nn.Conv3d]
    assert not names
    assert policy.model.state_dict().keys() == stock.state_dict().keys()
