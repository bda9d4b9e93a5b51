"""Routed decoders of Qwen2's and Qwen3's class, under families that see frames as images."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.families.generated import SIDE, build, class_of
from tests.models.families.test_parity import make_groups
from tests.models.mixture_of_depths.test_groups import PAPER, gradients, one_forward_each, routed_policy

from reeltune.models.mixture_of_depths.install import routers
from reeltune.models.mixture_of_depths.schedule import layer_ratios
from reeltune.models.policy import Policy, load_policy
from reeltune.models.shared_prefix.row import group_log_probs

TOLERANCE = 2e-5
MODELS = [("internvl", "qwen2"), ("internvl", "qwen3"), ("llava_onevision", "qwen2"), ("llava_onevision", "qwen3")]


@pytest.fixture(scope="module", params=MODELS, ids=" over ".join)
def policy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, plain: Any) -> Policy:
    name, decoder = request.param
    folder = tmp_path_factory.mktemp(name) / "model"
    text = {"model_type": decoder, "num_hidden_layers": 6}
    found = routed_policy(build(folder, name, class_of(name), seed=1, text=text), plain, gradient_checkpointing=True)
    assert type(found.language_model.layers[0]).__name__.lower() == f"{decoder}decoderlayer"
    return found


def test_a_prompt_is_computed_by_the_formulas(policy: Policy, plain: Any, clip_of: Any) -> None:
    prompt = policy.prompt("When does it happen?", clip_of(4, SIDE))
    ids = prompt.input_ids[None]
    with torch.no_grad():
        found = policy.model(input_ids=ids, **policy.family.stock_inputs(ids, prompt.media)).logits[0]
        embeds, _ = policy.embed_with_video(ids, torch.ones_like(ids).bool(), policy.encode(prompt.media))
        cos, sin = policy.language_model.rotary_emb(embeds, torch.arange(ids.shape[1])[None])
    vision = policy.family.is_vision(prompt.input_ids).tolist()
    tokens = plain.tokens(embeds[0], cos[0], sin[0], vision, [0] * len(vision))
    wanted, kept = plain.forward(policy.model, tokens, layer_ratios(PAPER, 6))
    assert len({len(each) for each in kept}) > 3
    assert float((found - wanted).abs().max()) < TOLERANCE * max(1.0, float(wanted.abs().max()) / 4)


def test_packed_groups_and_gradients_are_one_forward_per_completion(policy: Policy, clip_of: Any) -> None:
    policy.train()
    groups = make_groups(policy, clip_of)
    found = group_log_probs(policy, groups)
    wanted = [one_forward_each(policy, group, 1.0) for group in groups]
    for values, rows in zip(found, wanted, strict=True):
        assert all(
            torch.allclose(value[: len(row)], row, atol=TOLERANCE) for value, row in zip(values, rows, strict=True)
        )
    ours = gradients(policy, torch.stack([each.square().sum() for each in found]).sum())
    theirs = gradients(policy, torch.stack([row.square().sum() for rows in wanted for row in rows]).sum())
    scale = max(float(each.abs().max()) for each in theirs.values())
    assert ours.keys() == theirs.keys() and any("router" in name for name in theirs)
    assert all(float((ours[name] - each).abs().max()) <= TOLERANCE * scale for name, each in theirs.items())


def test_it_is_saved_and_opened_with_its_routers(policy: Policy, tmp_path: Path) -> None:
    policy.save(tmp_path / "saved")
    again = routers(load_policy(tmp_path / "saved").model)
    assert again.keys() == routers(policy.model).keys() and len(again) > 3
    assert all(torch.equal(again[layer].weight, each.weight) for layer, each in routers(policy.model).items())
