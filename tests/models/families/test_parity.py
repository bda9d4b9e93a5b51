"""Every registered family, from its config class alone: our passes are the stock model's, and nothing of a video is
ever sampled.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.families.generated import PATCH, SIDE, build, class_of
from torch import Tensor

from reeltune.models.families import FAMILIES
from reeltune.models.policy import Policy, load_policy
from reeltune.models.shared_prefix.row import group_log_probs
from reeltune.models.types import Completions, Group
from reeltune.rollout.engine import Request, SamplingParams
from reeltune.rollout.hf import HFEngine


def make_groups(policy: Policy, clip_of: Any) -> list[Group]:
    generator = torch.Generator().manual_seed(3)
    groups = []
    for index, frames in enumerate((4, 6)):
        clip = clip_of(frames, SIDE, seed=index)
        rows = [torch.randint(20, 300, (length,), generator=generator).tolist() for length in (5, 1, 7)]
        prompt = policy.prompt("When does it happen?" * (index + 1), clip)
        groups.append(Group(prompt, policy.encode([clip])[0], Completions.from_lists(rows)))
    return groups


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
            **policy.family.stock_inputs(row, prompt.clip),
        ).logits[0, len(prompt) - 1 : -1]
        logits = logits.index_fill(-1, policy.banned, float("-inf"))
        found.append(logits.log_softmax(-1).gather(-1, ids[:length, None])[:, 0])
    return found


def assert_parity(directory: Path, clip_of: Any, *, family: str | None = None) -> None:
    from transformers import AutoModelForImageTextToText

    policy = load_policy(directory, family=family)
    stock = AutoModelForImageTextToText.from_pretrained(directory)
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
def test_log_probs_are_the_stock_models_and_no_vision_token_is_sampled(name: str, clip_of: Any, tmp_path: Path) -> None:
    directory = build(tmp_path / "model", name, class_of(name), extra_rows=24)
    assert_parity(directory, clip_of)


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
