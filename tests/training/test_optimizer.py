"""The optimizer: which parameters have which rate, where moments are kept, and that a resumed one goes on exactly."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from reeltune.config.recipe import OptimConfig
from reeltune.errors import InputError
from reeltune.models.policy import Policy, load_policy
from reeltune.training.checkpoint import load_optimizer, save_checkpoint
from reeltune.training.optimizer import HostAdamW, make_optimizer


def policy_of(directory: Path) -> Policy:
    policy = load_policy(directory)
    policy.freeze(())
    return policy


def take_steps(policy: Policy, optimizer: torch.optim.Optimizer, seeds: range) -> None:
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        for parameter in policy.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator) if parameter.requires_grad else None
        optimizer.step()


def weights(policy: Policy) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in policy.named_parameters()}


def test_parts_have_rates_of_their_own(tiny_models: Any) -> None:
    policy = policy_of(tiny_models("qwen3_vl"))
    config = OptimConfig(lr=1e-4, lr_of={"vision": 1e-6, "projector": 2e-4}, weight_decay=0.1)
    optimizer = make_optimizer(policy, config)
    share = {id(each): group["lr_share"] for group in optimizer.param_groups for each in group["params"]}
    decay = {id(each): group["weight_decay"] for group in optimizer.param_groups for each in group["params"]}
    assert len(share) == len(list(policy.parameters())), "every parameter is in one group"
    for name, parameter in policy.named_parameters():
        merger = "visual.merger" in name or "deepstack_merger" in name
        expected = 2.0 if merger else 0.01 if "visual" in name else 1.0
        assert share[id(parameter)] == pytest.approx(expected), name
        assert decay[id(parameter)] == (0.1 if parameter.ndim >= 2 else 0.0), name


def test_a_rate_of_what_does_not_train(tiny_models: Any) -> None:
    policy = policy_of(tiny_models("qwen3_vl"))
    policy.freeze(("vision", "projector"))
    with pytest.raises(InputError, match=r"optim\.lr_of\.vision: this part does not train; trainable parts: language"):
        make_optimizer(policy, OptimConfig(lr_of={"vision": 1e-6}))


def test_moments_on_the_host_change_nothing(tiny_models: Any) -> None:
    found = []
    for moments in ("full", "host"):
        policy = policy_of(tiny_models("qwen3_vl"))
        optimizer = make_optimizer(policy, OptimConfig(lr=1e-3, weight_decay=0.1, moments=moments))
        assert isinstance(optimizer, HostAdamW) == (moments == "host")
        take_steps(policy, optimizer, range(3))
        found.append(weights(policy))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


@pytest.mark.parametrize("moments", ["full", "host", "8bit"])
def test_a_resumed_optimizer_goes_on_exactly(moments: Any, tiny_models: Any, tmp_path: Path) -> None:
    config = OptimConfig(lr=1e-3, moments=moments)
    policy = policy_of(tiny_models("qwen3_vl"))
    optimizer = make_optimizer(policy, config)
    take_steps(policy, optimizer, range(2))
    path = save_checkpoint(tmp_path, 2, policy, optimizer, keep=1)
    again = policy_of(path / "model")
    resumed = make_optimizer(again, config)
    load_optimizer(path, again, resumed)
    for each, its_optimizer in ((policy, optimizer), (again, resumed)):
        take_steps(each, its_optimizer, range(2, 4))
    one, two = weights(policy), weights(again)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_eight_bit_moments_are_near_and_smaller(tiny_models: Any, tmp_path: Path) -> None:
    found, sizes = [], []
    for moments in ("full", "8bit"):
        policy = policy_of(tiny_models("qwen3_vl"))
        start = weights(policy)
        optimizer = make_optimizer(policy, OptimConfig(lr=1e-3, moments=moments))
        take_steps(policy, optimizer, range(5))
        found.append(torch.cat([(each - start[name]).flatten() for name, each in weights(policy).items()]))
        states = [optimizer.state[each] for each in policy.parameters() if each.numel() >= 4096]
        keys = ("exp_avg", "exp_avg_sq") if moments == "full" else ("state1", "state2", "absmax1", "absmax2")
        sizes.append(sum(state[key].nbytes for state in states for key in keys))
    assert sizes[1] < 0.3 * sizes[0]
    assert float((found[0] - found[1]).norm() / found[0].norm()) < 0.05


def test_eight_bit_moments_without_their_library(tiny_models: Any, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(InputError, match=r"optim\.moments=8bit needs the package bitsandbytes"):
        make_optimizer(policy_of(tiny_models("qwen3_vl")), OptimConfig(moments="8bit"))
