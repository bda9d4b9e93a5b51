"""Routed models in shared-prefix learning, the group rollout and the trainer: the same log-probs everywhere."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.models.groups import SIDE, make_groups
from torch import Tensor

from reeltune.config.mixture_of_depths import MixtureOfDepthsConfig
from reeltune.config.recipe import parse_recipe
from reeltune.errors import InputError
from reeltune.models._transformers import disable_checkpointing
from reeltune.models.mixture_of_depths.checkpoint import router_tensors
from reeltune.models.mixture_of_depths.install import is_routed, routers
from reeltune.models.mixture_of_depths.schedule import layer_ratios
from reeltune.models.policy import Policy, load_policy
from reeltune.models.shared_prefix.row import group_log_probs, prefill
from reeltune.models.types import Group
from reeltune.rollout.engine import Request, SamplingParams
from reeltune.rollout.hf import HFEngine

PAPER = MixtureOfDepthsConfig()


def routed_policy(directory: Path, plain: Any, **options: Any) -> Policy:
    policy = load_policy(directory, mixture_of_depths=PAPER, **options)
    plain.randomise(policy.model)
    return policy


def one_forward_each(policy: Policy, group: Group, temperature: float) -> list[Tensor]:
    """Each completion after its whole prompt in a row of its own: no cache, no mask, no packing."""
    prompt, found = group.prompt, []
    for ids, length in zip(group.completions.ids, group.completions.lengths, strict=True):
        row = torch.cat([prompt.input_ids, ids[:length]])[None]
        is_prompt = (torch.arange(row.shape[1]) < len(prompt))[None]
        after = (prompt.next_position + torch.arange(length)).expand(3, -1)
        positions = torch.cat([prompt.position_ids, after], dim=1)[:, None]
        embeds, extra = policy.embed_with_video(row, is_prompt, [group.features])
        hidden = policy.language_model(
            inputs_embeds=embeds,
            position_ids=policy.family.language_positions(positions),
            use_cache=False,
            **extra,
        ).last_hidden_state
        logits = policy.head(hidden[0, len(prompt) - 1 : -1]).index_fill(-1, policy.banned, float("-inf"))
        found.append((logits / temperature).log_softmax(-1).gather(-1, ids[:length, None])[:, 0])
    return found


def gradients(policy: Policy, loss: Tensor) -> dict[str, Tensor]:
    policy.zero_grad()
    loss.backward(retain_graph=True)
    return {name: value.grad.clone() for name, value in policy.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("family", list(SIDE))
@pytest.mark.parametrize("way", ["row", "checkpointing", "kept"])
def test_packed_log_probs_and_gradients_equal_one_forward_per_completion(
    family: str, way: str, directories: Any, plain: Any, clip_of: Any
) -> None:
    policy = routed_policy(directories(family), plain, gradient_checkpointing=way == "checkpointing").train()
    groups = make_groups(policy, clip_of, family, [[5, 1, 9], [3, 3, 2], [1, 1]])
    if way == "kept":
        groups = [replace(group, state=prefill(policy, [group])[0]) for group in groups]
    packed = group_log_probs(policy, groups, temperature=0.7)
    weights = [torch.linspace(-1, 1, values.numel()).reshape(values.shape) for values in packed]
    found = gradients(policy, sum((w * v).sum() for w, v in zip(weights, packed, strict=True)))

    disable_checkpointing(policy.model)
    total = torch.zeros(())
    for group, values, weight in zip(groups, packed, weights, strict=True):
        for row, value, length, factor in zip(
            one_forward_each(policy, group, 0.7), values, group.completions.lengths, weight, strict=True
        ):
            assert torch.allclose(value[:length], row, atol=2e-5)
            assert (value[length:] == 0).all()
            total = total + (factor[:length] * row).sum()
    wanted = gradients(policy, total)
    scale = max(float(value.abs().max()) for value in wanted.values())
    for name, value in wanted.items():
        assert float((found[name] - value).abs().max()) <= 2e-5 * scale, name
    assert any("router" in name and float(value.abs().max()) > 0 for name, value in wanted.items())


@pytest.mark.parametrize("family", list(SIDE))
def test_the_rollouts_log_probs_are_the_learners(family: str, directories: Any, plain: Any, clip_of: Any) -> None:
    policy = routed_policy(directories(family), plain)
    policy.stop_ids = tuple(range(20, 340, 5))  # so many that rows leave the batch at different steps
    groups = make_groups(policy, clip_of, family, [[1], [1], [1]])
    requests = [Request(group.prompt, group.features, seed) for seed, group in enumerate(groups)]
    params = SamplingParams(max_new_tokens=8)
    rollouts = HFEngine(policy).generate(requests, 3, params)
    assert len({length for rollout in rollouts for length in rollout.completions.lengths}) > 2
    sampled = [
        Group(group.prompt, group.features, rollout.completions)
        for group, rollout in zip(groups, rollouts, strict=True)
    ]
    for rollout, values in zip(rollouts, group_log_probs(policy, sampled), strict=True):
        mask = rollout.completions.mask
        assert torch.allclose(values[mask], rollout.log_probs[mask], atol=2e-5)
    [alone] = HFEngine(policy).generate(requests[1:2], 3, params)
    assert torch.equal(alone.completions.ids, rollouts[1].completions.ids)


@pytest.mark.parametrize("family", ["qwen3_vl", "llava"])
def test_each_layer_caches_its_share_of_the_prompts_vision_tokens(
    family: str, directories: Any, plain: Any, clip_of: Any
) -> None:
    policy = routed_policy(directories(family), plain)
    [group] = make_groups(policy, clip_of, family, [[1]])
    [state] = prefill(policy, [group])
    vision = int((group.prompt.input_ids == policy.family.placeholder_id).sum())
    ratios = layer_ratios(PAPER, policy.text_config.num_hidden_layers)
    kept = [vision if ratio is None else int(vision * ratio) for ratio in ratios]
    assert vision >= 8 and len(set(kept)) > 1
    assert [keys.shape[1] for keys, *_ in state.layers] == [len(group.prompt) - vision + k for k in kept]


def test_kept_sets_are_chosen_per_prompt_also_in_one_row(directories: Any, plain: Any, clip_of: Any) -> None:
    """The same group twice in a row: one choice over both would keep another number of each."""
    policy = routed_policy(directories("qwen3_vl"), plain)
    first, second = make_groups(policy, clip_of, "qwen3_vl", [[4, 2], [3, 3]])
    alone = group_log_probs(policy, [second])[0]
    for row, place in (([first, second], 1), ([second, first], 0), ([second, second], 1)):
        beside = group_log_probs(policy, row)[place]
        assert torch.allclose(alone, beside, atol=2e-5)


def test_llava_prompts_hold_one_block_of_placeholders_per_frame(directories: Any, clip_of: Any) -> None:
    policy = load_policy(directories("llava"))
    clip = clip_of(3, 40, width=60)
    prompt = policy.prompt("What is it?", clip)
    [features] = policy.encode([clip])
    assert int((prompt.input_ids == policy.family.placeholder_id).sum()) == len(features.tokens) == 3 * 16
    frames = policy.family.patches(clip, torch.device("cpu"))
    assert frames.shape == (3, 3, 56, 56)
    # The picture is letterboxed with the mean color in whole numbers, which is about 0 after normalization.
    assert float(frames[:, :, :6].abs().max()) < 0.02 < float(frames[:, :, 28].abs().max())
    policy.freeze_vision(projector=False)
    assert not policy.vision_frozen
    trains = {
        name.split(".")[2] for name, each in policy.named_parameters() if each.requires_grad and "lm_head" not in name
    }
    assert trains == {"multi_modal_projector", "language_model"}
    policy.freeze_vision()
    assert policy.vision_frozen


PARITY_TASK = """
from reeltune.tasks.instruction import Instruction


class Parity(Instruction):
    name = "parity"
    default_weights = {"format": 1.0}

    def format_reward(self, sample, text, mode):
        return float(len(text) % 2)


TASK = Parity()
"""


@pytest.fixture
def recipe_tree(tiny_models: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from reeltune.video.encode import write_video

    rng = np.random.default_rng(0)
    samples = []
    for number in range(2):
        write_video(tmp_path / f"{number}.mp4", rng.integers(0, 256, (8, 64, 64, 3), dtype=np.uint8), fps=4)
        samples.append(
            {"id": str(number), "task": "parity", "video": f"{number}.mp4", "instruction": "Go.", "response": "Yes."}
        )
    (tmp_path / "samples.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    task = tmp_path_factory.getbasetemp() / "parity.py"
    task.write_text(PARITY_TASK)
    return {
        "model": {"path": str(tiny_models("qwen3_vl")), "mixture_of_depths": {}},
        "data": {"train": str(tmp_path / "samples.jsonl"), "tasks": [str(task)]},
        "video": {"min_frame_pixels": 4096, "total_pixels": 32768},
        "rl": {"steps": 2, "groups_per_step": 2, "group_size": 4, "max_new_tokens": 6},
        "sft": {"steps": 2, "samples_per_step": 2},
        "optim": {"lr": 0.01},
        "run": {"dir": str(tmp_path / "run")},
    }


@pytest.mark.parametrize("method", ["sft", "grpo"])
def test_a_recipe_trains_saves_and_resumes_a_routed_model(
    method: str, recipe_tree: dict[str, Any], tmp_path: Path
) -> None:
    from reeltune.training.train import train

    # The first step of GRPO also checks that rollout and learner agree to 1e-4.
    assert train(parse_recipe(recipe_tree | {"method": method}, where="test"))
    saved = tmp_path / "run" / "checkpoints" / "step-000002" / "model"
    # Nothing reads the vision tokens after the last layer, so a loss on text cannot train its router.
    assert {layer: bool(each["weight"].any()) for layer, each in router_tensors(saved).items()} == {1: True, 2: False}
    policy = load_policy(saved)
    assert is_routed(policy.model) and list(routers(policy.model)) == [1, 2]
    assert "router" in " ".join(load_file(saved / "model.safetensors"))
    longer = recipe_tree | {"method": method, "rl": recipe_tree["rl"] | {"steps": 3}}
    longer["sft"] = {"steps": 3, "samples_per_step": 2}
    assert train(parse_recipe(longer, where="test"), resume=True)
    other = longer | {"model": longer["model"] | {"mixture_of_depths": {"alpha": 0.5}}}
    with pytest.raises(InputError, match=r"alpha: 0.2, now 0.5"):
        train(parse_recipe(other, where="test"), resume=True)


def test_a_recipes_unknown_routing_key_names_the_nearest() -> None:
    tree = {"method": "sft", "model": {"path": "x", "mixture_of_depths": {"flor": 0.2}}, "data": {"train": "x"}}
    with pytest.raises(InputError, match=r"nearest valid key: model\.mixture_of_depths\.floor"):
        parse_recipe(tree, where="test")
