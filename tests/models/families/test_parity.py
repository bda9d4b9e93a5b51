"""Every registered family, from its config class alone: our passes are the stock model's, and nothing of a video is
ever sampled.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.families.generated import PATCH, SIDE, build, class_of
from torch import Tensor

from reeltune.config.model import AdapterConfig
from reeltune.models.adapter import adapter_tensors, install
from reeltune.models.families import FAMILIES
from reeltune.models.policy import Policy, load_policy
from reeltune.models.shared_prefix.row import group_log_probs, prefill
from reeltune.models.types import Completions, Group, Prompt
from reeltune.rollout.engine import Request, SamplingParams
from reeltune.rollout.hf import HFEngine
from reeltune.video.clip import Clip

LENGTHS = [[5, 1, 9], [3, 3, 2]]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Any:
    built: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in built:
            built[name] = build(tmp_path_factory.mktemp(name) / "model", name, class_of(name), seed=1, extra_rows=24)
        return built[name]

    return get


def open_stock(directory: Path) -> Any:
    from transformers import AutoModelForImageTextToText

    return AutoModelForImageTextToText.from_pretrained(directory).eval()


def make_groups(policy: Policy, clip_of: Any) -> list[Group]:
    """Groups of different videos, prompts and completion lengths."""
    generator = torch.Generator().manual_seed(3)
    groups = []
    for index, lengths in enumerate(LENGTHS):
        clip = clip_of(4 + 2 * index, SIDE, seed=index)
        rows = [torch.randint(20, 300, (length,), generator=generator).tolist() for length in lengths]
        prompt = policy.prompt("When does it happen?" * (index + 1), clip)
        groups.append(Group(prompt, policy.encode([clip])[0], Completions.from_lists(rows)))
    return groups


def stock_greedy(policy: Policy, stock: Any, prompt: Prompt, clip: Clip, tokens: int) -> list[int]:
    """At most `tokens` tokens of the stock model's own `generate`; of ours only the inputs are taken."""
    ids = prompt.input_ids[None]
    found: list[int] = stock.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=tokens,
        suppress_tokens=policy.banned.tolist(),
        **policy.family.stock_inputs(ids, [clip]),
    )[0, len(prompt) :].tolist()
    return found


def stock_log_probs(policy: Policy, stock: Any, group: Group) -> list[Tensor]:
    """One full forward of the stock model per completion; of ours only the inputs are taken."""
    prompt, found = group.prompt, []
    for ids, length in zip(group.completions.ids, group.completions.lengths, strict=True):
        row = torch.cat([prompt.input_ids, ids[:length]])[None]
        after = int(prompt.position_ids.max()) + 1 + torch.arange(length)
        positions = torch.cat([prompt.position_ids, after.expand(3, -1)], dim=1)[:, None]
        logits = stock(
            input_ids=row,
            position_ids=policy.family.language_positions(positions),
            use_cache=False,
            **policy.family.stock_inputs(row, prompt.media),
        ).logits[0, len(prompt) - 1 : -1]
        logits = logits.index_fill(-1, policy.banned, float("-inf"))
        found.append(logits.log_softmax(-1).gather(-1, ids[:length, None])[:, 0])
    return found


def slopes(model: torch.nn.Module, loss: Tensor) -> dict[str, Tensor]:
    loss.backward()
    return {name: each.grad for name, each in model.named_parameters() if each.grad is not None}


@pytest.mark.parametrize("name", list(FAMILIES))
@pytest.mark.parametrize("way", ["row", "checkpointing", "kept"])
def test_log_probs_and_gradients_are_those_of_one_stock_forward_per_completion(
    name: str, way: str, clip_of: Any, directory: Any
) -> None:
    """Several groups in one row with their prompts, recomputed, or over prompts that the rollout kept."""
    policy = load_policy(directory(name), gradient_checkpointing=way == "checkpointing").train()
    assert policy.gradient_checkpointing == (way == "checkpointing")
    stock = open_stock(directory(name))
    groups = make_groups(policy, clip_of)
    if way == "kept":
        groups = [replace(group, state=prefill(policy, [group])[0]) for group in groups]
    found = group_log_probs(policy, groups)
    wanted = [stock_log_probs(policy, stock, group) for group in groups]
    total, wanted_total = torch.zeros(()), torch.zeros(())
    for group, values, rows in zip(groups, found, wanted, strict=True):
        weights = torch.linspace(-1, 1, values.numel()).view_as(values)
        total = total + (weights * values).sum()
        for row, value, weight, length in zip(rows, values, weights, group.completions.lengths, strict=True):
            assert torch.allclose(value[:length], row, atol=1e-5)
            assert (value[length:] == 0).all()
            wanted_total = wanted_total + (weight[:length] * row).sum()
    ours, theirs = slopes(policy.model, total), slopes(stock, wanted_total)
    assert ours.keys() == theirs.keys()
    scale = max(float(each.abs().max()) for each in theirs.values())
    for parameter, each in theirs.items():
        assert float((ours[parameter] - each).abs().max()) <= 1e-5 * scale, parameter
    vision = {id(each) for module in policy.family.vision_modules(policy.model) for each in module.parameters()}
    seen = [name for name, each in policy.model.named_parameters() if id(each) in vision]
    assert any(float(theirs[each].abs().max()) > 0 for each in seen if each in theirs)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_with_an_adapter_too(name: str, clip_of: Any, directory: Any) -> None:
    """LoRA on every linear map of the decoder: packed groups against the adapted model's own forward passes."""
    policy = load_policy(directory(name), gradient_checkpointing=True)
    install(policy, AdapterConfig(rank=4, alpha=8, targets="all"))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for each in adapter_tensors(policy).values():
            each.add_(torch.randn(each.shape, generator=generator) * 0.05)
    groups = make_groups(policy.train(), clip_of)
    base = [each.detach() for each in group_log_probs(load_policy(directory(name)), groups)]
    found = group_log_probs(policy, groups)
    assert max(float((one - two).detach().abs().max()) for one, two in zip(found, base, strict=True)) > 1e-3
    ours = slopes(policy.model, sum(each.square().sum() for each in found))  # type: ignore[arg-type]
    ours = {parameter: each.clone() for parameter, each in ours.items()}
    policy.zero_grad()
    wanted = [stock_log_probs(policy, policy.model, group) for group in groups]
    for values, rows in zip(found, wanted, strict=True):
        assert all(torch.allclose(value[: len(row)], row, atol=1e-5) for value, row in zip(values, rows, strict=True))
    theirs = slopes(policy.model, sum(row.square().sum() for rows in wanted for row in rows))  # type: ignore[arg-type]
    assert ours.keys() == theirs.keys() and all(".lora_" in parameter for parameter in ours)
    scale = max(float(each.abs().max()) for each in theirs.values())
    assert all(float((ours[key] - each).abs().max()) <= 1e-5 * scale for key, each in theirs.items())


@pytest.mark.parametrize("name", list(FAMILIES))
def test_greedy_is_the_stock_models_generate(name: str, clip_of: Any, directory: Any) -> None:
    policy, stock = load_policy(directory(name)).eval(), open_stock(directory(name))
    # Two frames are one time patch: `generate` makes positions of its own, which forget time in Qwen2-VL and 2.5-VL.
    clip = clip_of(2 if name.startswith("qwen2") else 6, SIDE)
    prompts = [policy.prompt(question, clip) for question in ("When does it happen?", "Where?", "Which color is it?")]
    with torch.no_grad():
        [features] = policy.encode([clip])
    params = SamplingParams(temperature=0.0, max_new_tokens=24)
    rollouts = HFEngine(policy).generate([Request(prompt, features, 0) for prompt in prompts], 2, params)
    seen = set()
    for prompt, rollout in zip(prompts, rollouts, strict=True):
        wanted = stock_greedy(policy, stock, prompt, clip, params.max_new_tokens)
        seen |= set(wanted)
        for row, length in zip(rollout.completions.ids, rollout.completions.lengths, strict=True):
            assert row[:length].tolist() == wanted
    assert len(seen) > 3


def assert_parity(directory: Path, clip_of: Any, *, family: str | None = None) -> None:
    policy = load_policy(directory, family=family)
    stock = open_stock(directory)
    groups = make_groups(policy, clip_of)
    found = group_log_probs(policy, groups)
    differences = []
    with torch.no_grad():
        for group, values in zip(groups, found, strict=True):
            for row, value, length in zip(
                stock_log_probs(policy, stock, group), values, group.completions.lengths, strict=True
            ):
                differences.append(float((row - value[:length]).abs().max()))
    assert max(differences) < 1e-5
    # The video matters: another one gives other log-probs.
    features = [policy.encode([clip_of(len(each.prompt.clip.frames), SIDE, seed=9)])[0] for each in groups]
    others = group_log_probs(
        policy, [Group(each.prompt, other, each.completions) for each, other in zip(groups, features, strict=True)]
    )
    assert max(float((one - two).abs().max()) for one, two in zip(found, others, strict=True)) > 1e-3
    requests = [Request(each.prompt, each.features, seed) for seed, each in enumerate(groups)]
    rollouts = HFEngine(policy).generate(requests, 8, SamplingParams(temperature=5.0, max_new_tokens=40))
    sampled = torch.cat([rollout.completions.ids[rollout.completions.mask] for rollout in rollouts])
    assert len(sampled) > 300
    vocabulary = policy.tokenizer.get_vocab()
    for name in policy.family.vision_tokens:
        assert name in vocabulary
        assert vocabulary[name] not in sampled, name
    assert int(sampled.max()) < len(policy.tokenizer)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_the_video_matters_and_no_vision_token_is_sampled(name: str, clip_of: Any, directory: Any) -> None:
    assert_parity(directory(name), clip_of)


def test_internvl_writes_a_number_before_every_frame(clip_of: Any, tmp_path: Path) -> None:
    directory = build(tmp_path / "model", "internvl", class_of("internvl"))
    policy = load_policy(directory)
    frame = "<img>" + "<IMG_CONTEXT>" * ((SIDE // PATCH) ** 2 // 4) + "</img>"
    assert policy.family.video_text(clip_of(2, SIDE)) == f"Frame1: {frame}\nFrame2: {frame}"
    prompt = policy.prompt("When?", clip_of(2, SIDE))
    assert f"Frame1: {frame}\nFrame2: {frame}\nWhen?" in policy.tokenizer.decode(prompt.input_ids)


def test_rows_past_the_tokenizer_are_banned(tmp_path: Path) -> None:
    directory = build(tmp_path / "model", "qwen3_vl", class_of("qwen3_vl"), extra_rows=7)
    policy = load_policy(directory)
    words = len(policy.tokenizer)
    assert policy.head.weight.shape[0] == words + 7
    assert set(range(words, words + 7)) <= set(policy.banned.tolist())
    plain = load_policy(build(tmp_path / "plain", "qwen3_vl", class_of("qwen3_vl")))
    assert plain.banned.tolist() == sorted(plain.tokenizer.convert_tokens_to_ids(list(plain.family.vision_tokens)))
