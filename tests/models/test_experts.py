"""Mixtures of experts: the load-balancing loss is transformers', and rollout and update choose the same experts."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.families.generated import SIDE, build, class_of

from reeltune.errors import InputError
from reeltune.models import experts
from reeltune.models.experts import (
    Routed,
    expert_agreement,
    load_balancing_coefficient,
    load_balancing_loss,
    require_equal_experts,
    routers,
    watched,
)
from reeltune.models.policy import Policy, load_policy
from reeltune.models.shared_prefix.decoding import Decoder
from reeltune.models.shared_prefix.row import group_log_probs
from reeltune.models.types import Completions, Group

FAMILIES = ["qwen3_vl_moe", "qwen3_5_moe"]


@pytest.fixture(scope="module", params=FAMILIES)
def directory(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("model") / request.param, request.param, class_of(request.param), seed=2)


def balanced(directory: Path, target: Path) -> Path:
    """The same model with a config that asks for the load-balancing loss."""
    target.mkdir()
    for file in directory.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    config = json.loads((target / "config.json").read_text())
    config["text_config"] |= {"output_router_logits": True, "router_aux_loss_coef": 0.25}
    (target / "config.json").write_text(json.dumps(config))
    return target


def make_group(policy: Policy, clip_of: Any, lengths: list[int]) -> Group:
    generator = torch.Generator().manual_seed(3)
    rows = [torch.randint(20, 300, (length,), generator=generator).tolist() for length in lengths]
    clip = clip_of(4, SIDE)
    return Group(policy.prompt("When?", clip), policy.encode([clip])[0], Completions.from_lists(rows))


def test_the_loss_is_transformers(directory: Path, clip_of: Any) -> None:
    logits = [torch.randn(11, 6, requires_grad=True) for _ in range(3)]
    found = load_balancing_loss(Routed(logits, [each.topk(2).indices for each in logits]))
    name = "qwen3_vl_moe" if "vl" in directory.name else "qwen3_5_moe"
    module = importlib.import_module(f"transformers.models.{name}.modeling_{name}")
    wanted = module.load_balancing_loss_func(tuple(logits), 6, 2)
    assert torch.allclose(found, wanted, atol=1e-6)
    slopes, wanted_slopes = (torch.autograd.grad(each, logits, retain_graph=True) for each in (found, wanted))
    assert all(torch.allclose(one, two, atol=1e-7) for one, two in zip(slopes, wanted_slopes, strict=True))


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_row_gives_the_loss_and_gradient_that_the_stock_model_adds(
    checkpointing: bool, directory: Path, clip_of: Any, tmp_path: Path
) -> None:
    from transformers import AutoModelForImageTextToText

    path = balanced(directory, tmp_path / "balanced")
    policy = load_policy(path, gradient_checkpointing=checkpointing).train()
    assert load_balancing_coefficient(policy) == 0.25
    assert load_balancing_coefficient(load_policy(directory)) == 0.0
    group = make_group(policy, clip_of, [7])
    with watched(policy) as routed:
        group_log_probs(policy, [group])
    found = load_balancing_loss(routed)
    found.backward()
    stock = AutoModelForImageTextToText.from_pretrained(path)
    # One completion: the row is a plain sequence, without the token that predicts nothing.
    row = torch.cat([group.prompt.input_ids, group.completions.ids[0, :-1]])[None]
    after = group.prompt.next_position + torch.arange(6)
    positions = torch.cat([group.prompt.position_ids, after.expand(3, -1)], dim=1)[:, None]
    inputs = policy.family.stock_inputs(row, group.prompt.media)
    wanted = stock(input_ids=row, position_ids=positions, use_cache=False, **inputs).aux_loss
    wanted.backward()
    assert float((found - wanted).abs()) < 1e-5
    theirs = {name: each.grad for name, each in stock.named_parameters() if each.grad is not None}
    scale = max(float(each.abs().max()) for each in theirs.values())
    assert scale > 0
    assert sum("mlp.gate" in name for name in theirs) == len(routers(policy))
    for name, each in policy.model.named_parameters():
        if name in theirs:
            assert float((each.grad - theirs[name]).abs().max()) <= 1e-5 * scale, name


def test_rollout_and_update_choose_the_same_experts(
    directory: Path, clip_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = load_policy(directory)
    group = make_group(policy, clip_of, [6, 1, 9, 3])
    assert expert_agreement(policy, group) == 1.0
    require_equal_experts(policy, group)
    # Decoding that sees another past chooses otherwise, and is found.
    monkeypatch.setattr(Decoder, "attend", lambda self, layer, query, *_: 9 * torch.randn_like(query.transpose(1, 2)))
    assert expert_agreement(policy, group) < 0.9
    with pytest.raises(InputError, match=r"choose the same experts for \d+\.\d% of tokens and layers"):
        require_equal_experts(policy, group)


def test_the_agreement_counts_by_hand(directory: Path, clip_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One token's choice changed in one layer of the row is one of so many."""
    policy = load_policy(directory)
    group = make_group(policy, clip_of, [4, 3])
    log_probs = experts.group_log_probs

    def changed(*args: Any) -> Any:
        hooks = []

        def change(_m: Any, _a: Any, output: Any) -> Any:
            logits, scores, chosen = output
            chosen = chosen.clone()
            chosen[-1] = torch.tensor([int(each) for each in range(6) if each not in chosen[-1].tolist()][:2])
            return logits, scores, chosen

        hooks.append(routers(policy)[-1].register_forward_hook(change, prepend=True))
        result = log_probs(*args)
        hooks[0].remove()
        return result

    monkeypatch.setattr(experts, "group_log_probs", changed)
    pairs = (3 + 2) * len(routers(policy))
    assert expert_agreement(policy, group) == pytest.approx(1 - 1 / pairs)


def test_a_dense_model_has_no_routers(tmp_path: Path, clip_of: Any) -> None:
    policy = load_policy(build(tmp_path / "model", "qwen3_5", class_of("qwen3_5")))
    assert routers(policy) == []
    assert expert_agreement(policy, make_group(policy, clip_of, [3])) == 1.0
