"""Any media in a prompt, of every family: token ids, pixels and positions are those of transformers' processor.

Where torchvision is importable the processors run beside ours; everywhere, ours are compared with what they gave when
the vectors were stored (transformers 5.24, torchvision 0.28), by `python -m tests.models.families.test_shown`.
"""

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.families.generated import build, class_of
from tests.models.families.shown import CASES, conversation, our_inputs, pixels_of, stock_inputs
from tests.models.families.test_parity import open_stock, slopes, stock_log_probs

from reeltune.models.families import FAMILIES
from reeltune.models.features import encode_each
from reeltune.models.policy import Policy, load_policy, whole_parts
from reeltune.models.shared_prefix.row import group_log_probs
from reeltune.models.types import Completions, Group, VideoFeatures

VECTORS = Path(__file__).parent / "shown_vectors.json"
# LLaVA-1.5's own processor crops images to a square; ours pads them, as its videos: see llava.py.
NAMES = [name for name in FAMILIES if name != "llava"]
EXPERTS = ("qwen3_vl_moe", "qwen3_5_moe")


def summary(ids: torch.Tensor, pixels: dict[str, torch.Tensor], positions: torch.Tensor | None) -> dict[str, Any]:
    found: dict[str, Any] = {"ids": hashlib.sha256(str(ids.tolist()).encode()).hexdigest()[:16], "tokens": ids.numel()}
    for name, each in pixels.items():
        step = max(each.numel() // 40, 1) | 1
        found[name] = [list(each.shape), [round(value, 4) for value in each.flatten()[::step].tolist()]]
    if positions is not None:
        found["positions"] = hashlib.sha256(str(positions.tolist()).encode()).hexdigest()[:16]
    return found


def ours(policy: Policy, case: str) -> dict[str, Any]:
    prompt = policy.chat(conversation(policy, case).messages)
    positions = prompt.position_ids if hasattr(policy.model.model, "get_rope_index") else None
    return summary(prompt.input_ids, pixels_of(our_inputs(policy, prompt)), positions)


def theirs(policy: Policy, name: str, case: str) -> dict[str, Any]:
    """Positions are the stock rule's of Qwen3-VL and later; `get_rope_index` of the older two forgets time."""
    shown = conversation(policy, case)
    found = stock_inputs(policy, name, shown)
    positions = None
    if name.startswith("qwen3") or name == "glm46v":
        names = ("mm_token_type_ids", "image_grid_thw", "video_grid_thw")
        grids = {key: found[key] for key in names if key in found}
        positions = policy.model.model.get_rope_index(found["input_ids"], **grids)[0][:, 0]
    mixed = any(clip.is_image for clip in shown.media) and any(not clip.is_image for clip in shown.media)
    # SmolVLM's processor puts the videos' pixels in place of the images', so that it knows no mix.
    return summary(found["input_ids"][0], {} if mixed and name == "smolvlm" else pixels_of(found), positions)


def assert_same(kind: str, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert found.keys() >= wanted.keys()
    for name, value in wanted.items():
        if name.startswith("pixel"):
            assert found[name][0] == value[0], name
            # Lanczos in PIL and in torchvision: a gray level or two.
            assert found[name][1] == pytest.approx(value[1], abs=0.02 if kind == "smolvlm" else 2e-3), name
        else:
            assert found[name] == value, name


@pytest.fixture(scope="module")
def policy_of(tmp_path_factory: pytest.TempPathFactory) -> Any:
    known: dict[str, Policy] = {}

    def get(name: str) -> Policy:
        if name not in known:
            known[name] = load_policy(build(tmp_path_factory.mktemp(name) / "model", name, class_of(name), seed=1))
        return known[name]

    return get


@pytest.mark.parametrize("name", [name for name in NAMES if name not in EXPERTS])
def test_ids_pixels_and_positions_are_the_stored_ones(name: str, policy_of: Any) -> None:
    stored = json.loads(VECTORS.read_text())[name]
    assert stored.keys() == CASES.keys()
    for case, wanted in stored.items():
        assert_same(name, ours(policy_of(name), case), wanted)


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="the processors need torchvision")
@pytest.mark.parametrize("name", NAMES)
def test_ids_pixels_and_positions_are_the_processors(name: str, policy_of: Any) -> None:
    for case in CASES:
        assert_same(name, ours(policy_of(name), case), theirs(policy_of(name), name, case))


@pytest.mark.parametrize("name", [name for name in FAMILIES if name not in EXPERTS])
def test_log_probs_and_gradients_are_those_of_one_stock_forward_per_completion(name: str, policy_of: Any) -> None:
    """Prompts with any media, and with none, in one row; the tower trains too."""
    policy = policy_of(name).train()
    stock = open_stock(policy.source)
    # GLM's stock class raises for a prompt that shows videos and images.
    cases = ("mixed", "text alone", "two turns", "image")
    cases = ("two videos", "text alone", "two images", "image") if name == "glm46v" else cases
    prompts = [policy.chat(conversation(policy, case).messages) for case in cases]
    assert [len(prompt.media) for prompt in prompts] == ([2, 0, 2, 1] if name == "glm46v" else [2, 0, 4, 1])
    rows = [[40, 50, 60], [70, 80]]
    groups = [
        Group(prompt, features, Completions.from_lists(rows))
        for prompt, features in zip(prompts, encode_each(policy, prompts), strict=True)
    ]
    found = group_log_probs(policy, groups)
    wanted = [stock_log_probs(policy, stock, group) for group in groups]
    for values, own in zip(found, wanted, strict=True):
        assert all(torch.allclose(value[: len(row)], row, atol=1e-5) for value, row in zip(values, own, strict=True))
    total = torch.stack([(values**2).sum() for values in found]).sum()
    wanted_total = torch.stack([(row**2).sum() for own in wanted for row in own]).sum()
    ours_slopes, theirs_slopes = slopes(policy.model, total), slopes(stock, wanted_total)
    scale = max(float(each.abs().max()) for each in theirs_slopes.values())
    assert ours_slopes.keys() == theirs_slopes.keys()
    assert all(float((ours_slopes[key] - each).abs().max()) <= 1e-5 * scale for key, each in theirs_slopes.items())
    # What is shown matters: without the image's tokens the answer is another.
    blank = [Group(each.prompt, replaced(each.features), each.completions) for each in groups]
    gaps = [float((a - b).detach().abs().max()) for a, b in zip(found, group_log_probs(policy, blank), strict=True)]
    assert gaps[1] < 1e-5 and all(gap > 1e-3 for gap in (gaps[0], gaps[2], gaps[3]))
    policy.zero_grad()


@pytest.mark.parametrize("name", list(FAMILIES))
def test_no_tower_is_loaded_in_four_bits(name: str, policy_of: Any) -> None:
    policy = policy_of(name)
    head, *parts = whole_parts(policy.config, policy.family)
    tower = {id(each) for module in policy.family.vision_modules(policy.model) for each in module.parameters()}
    named = dict(policy.model.named_parameters(remove_duplicate=False))
    whole = {name for name in named if name.startswith(tuple(f"{part}." for part in parts))}
    assert head == "lm_head" and whole == {name for name, each in named.items() if id(each) in tower}
    assert 0 < len(whole) < len(named)


def test_four_bits_spare_what_a_family_of_ones_own_calls_its_tower(policy_of: Any, monkeypatch: Any) -> None:
    policy = policy_of("llava")
    layers = type(policy.family).vision_modules
    monkeypatch.setattr(
        type(policy.family),
        "vision_modules",
        lambda self, model: [*layers(self, model), model.model.language_model.norm],
    )
    assert whole_parts(policy.config, policy.family)[-1] == "model.language_model.norm"


def replaced(features: VideoFeatures) -> VideoFeatures:
    return VideoFeatures(features.tokens.flip(0) * 1.5, features.deepstack)


def main() -> None:
    import tempfile

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            if name not in EXPERTS:
                policy = load_policy(build(Path(folder) / name, name, class_of(name), seed=1))
                found[name] = {case: theirs(policy, name, case) for case in CASES}
    VECTORS.write_text(json.dumps(found, separators=(",", ":")))


if __name__ == "__main__":
    main()
