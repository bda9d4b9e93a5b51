"""A group's log-probs with its prompt computed once equal one full forward per completion."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.models.groups import make_groups
from torch import Tensor

from reeltune.models._transformers import disable_checkpointing
from reeltune.models.policy import Policy, load_policy
from reeltune.models.shared_prefix.row import group_log_probs, group_tokens, pack, prefill
from reeltune.models.types import Group

FAMILIES = ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"]


def reference_log_probs(policy: Policy, group: Group, temperature: float) -> list[Tensor]:
    """The slow plain way: the whole stock model on [prompt | completion], once per completion."""
    prompt, family = group.prompt, policy.family
    result = []
    for ids, length in zip(group.completions.ids, group.completions.lengths, strict=True):
        row = torch.cat([prompt.input_ids, ids[:length]])[None]
        grid = torch.tensor([family.grid(prompt.clip)])
        kinds = (row == family.config.video_token_id).int() * 2
        # Positions are judged in families/test_positions.py; here they are the prompt's own, and count on by one.
        after = int(prompt.position_ids.max()) + 1 + torch.arange(length)
        positions = torch.cat([prompt.position_ids, after.expand(3, -1)], dim=1)[:, None]
        logits = policy.model(
            input_ids=row,
            position_ids=positions,
            pixel_values_videos=family.patches(prompt.clip, torch.device("cpu")),
            video_grid_thw=grid,
            mm_token_type_ids=kinds,
        ).logits[0]
        logits = logits[len(prompt) - 1 : -1].clone()
        logits[:, policy.banned] = float("-inf")
        result.append((logits / temperature).log_softmax(-1).gather(-1, ids[:length, None])[:, 0])
    return result


def gradients(policy: Policy, loss: Tensor) -> dict[str, Tensor]:
    policy.zero_grad()
    loss.backward()
    return {name: value.grad.clone() for name, value in policy.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("way", ["row", "checkpointing", "kept"])
def test_log_probs_and_gradients_equal_one_forward_per_completion(
    family: str, way: str, tiny_models: Any, clip_of: Any
) -> None:
    """In one row with their prompts, or as a row of completions over prompts that the rollout kept."""
    policy = load_policy(tiny_models(family), gradient_checkpointing=way == "checkpointing").train()
    lengths = [[5, 1, 9], [3, 3, 3, 2], [1, 1]]
    groups = make_groups(policy, clip_of, family, lengths=lengths)
    if way == "kept":
        groups = [replace(group, state=prefill(policy, [group])[0]) for group in groups]

    packed = group_log_probs(policy, groups, temperature=0.7)
    weights = [torch.linspace(-1, 1, values.numel()).reshape(values.shape) for values in packed]
    found = gradients(policy, sum((w * v).sum() for w, v in zip(weights, packed, strict=True)))

    disable_checkpointing(policy.model)
    expected = [reference_log_probs(policy, group, 0.7) for group in groups]
    total = torch.zeros(())
    for group, rows, values, weight in zip(groups, expected, packed, weights, strict=True):
        for row, value, length, factor in zip(rows, values, group.completions.lengths, weight, strict=True):
            assert torch.allclose(value[:length], row, atol=1e-5)
            assert (value[length:] == 0).all()
            total = total + (factor[:length] * row).sum()
    wanted = gradients(policy, total)
    assert found.keys() == wanted.keys()
    scale = max(float(value.abs().max()) for value in wanted.values())
    for name, value in wanted.items():
        assert float((found[name] - value).abs().max()) <= 1e-5 * scale, name
    assert any("visual" in name and float(value.abs().max()) > 0 for name, value in wanted.items())


@pytest.mark.parametrize("kept", [False, True])
def test_single_tokens_need_no_second_pass(kept: bool, tiny_models: Any, clip_of: Any) -> None:
    policy = load_policy(tiny_models("qwen3_vl"))
    groups = make_groups(policy, clip_of, "qwen3_vl", lengths=[[1, 1], [1, 1]])
    if kept:
        groups = [replace(group, state=state) for group, state in zip(groups, prefill(policy, groups), strict=True)]
    for group, values in zip(groups, group_log_probs(policy, groups), strict=True):
        expected = torch.stack(reference_log_probs(policy, group, 1.0))
        assert torch.allclose(values, expected, atol=1e-5)


def test_each_video_is_encoded_once_and_logits_stand_only_where_tokens_are_predicted(
    tiny_models: Any, clip_of: Any
) -> None:
    policy = load_policy(tiny_models("qwen3_vl"))
    encodings: list[int] = []
    rows: list[int] = []
    policy.vision_tower.register_forward_hook(lambda *_: encodings.append(1))
    policy.head.register_forward_hook(lambda _m, inputs, _o: rows.append(inputs[0].shape[0]))
    groups = make_groups(policy, clip_of, "qwen3_vl", lengths=[[4, 2, 7], [3, 1, 1]])
    group_log_probs(policy, groups)
    assert len(encodings) == len(groups)
    assert sum(rows) == 4 + 2 + 7 + 3 + 1 + 1


def test_passes_hold_whole_groups_within_the_budget(tiny_models: Any, clip_of: Any) -> None:
    policy = load_policy(tiny_models("qwen3_vl"))
    groups = make_groups(policy, clip_of, "qwen3_vl", lengths=[[4, 2], [3, 1], [5, 5], [2, 2], [9, 1]])
    budget = 2 * max(group_tokens(group) for group in groups)
    passes = pack(groups, budget)
    assert sorted(index for indices in passes for index in indices) == list(range(len(groups)))
    assert all(sum(group_tokens(groups[index]) for index in indices) <= budget for indices in passes)
    assert 1 < len(passes) < len(groups)
    assert len(pack(groups, 1)) == len(groups)
