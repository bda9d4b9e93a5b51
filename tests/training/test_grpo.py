"""Advantages and losses against the measured vectors, slow references and properties."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reeltune.training.grpo import (
    DAPO,
    LOSSES,
    Clip,
    StepTotals,
    advantages,
    completion_mask,
    has_signal,
    k3,
    policy_loss,
    step_advantages,
)

REWARDS = torch.tensor([[1.5, 1, 2, 0.25, 0, 1.75, 1.5, 1.5]])
EXPECTED = [0.436078, -0.261647, 1.133804, -1.308235, -1.657098, 0.784941, 0.436078, 0.436078]
IDS = torch.tensor([[5, 6, 2, 9], [5, 2, 2, 2], [5, 6, 7, 8], [2, 0, 0, 0]] + [[5, 6, 7, 2]] * 4)


def toy() -> tuple[Tensor, Tensor, Tensor]:
    k = torch.arange(32).reshape(8, 4)
    log_probs = -((k % 7) + 1) / 10
    return log_probs, log_probs + ((k % 5) - 2) / 10, completion_mask(IDS, [2])


def test_advantages_are_videochat_r1s() -> None:
    assert torch.allclose(advantages(REWARDS)[0], torch.tensor(EXPECTED), atol=1e-6)


def test_equal_rewards_have_no_advantage() -> None:
    for value in (0.0, 0.1, 1 / 3, 1e6):
        assert (advantages(torch.full((2, 8), value)) == 0).all()


def test_a_floor_on_the_std_keeps_jitter_small() -> None:
    jitter = torch.tensor([[0.5, 0.5, 0.5, 0.500001]])
    bare = advantages(jitter, epsilon=1e-6)[0]
    assert torch.allclose(bare, torch.tensor([-0.158, -0.158, -0.158, 0.514]), atol=1e-2)
    assert advantages(jitter, epsilon=1e-6, std_floor=0.05).abs().max() < 1e-4
    assert torch.allclose(advantages(REWARDS, std_floor=0.05), advantages(REWARDS))


def test_invalid_completions_leave_the_statistics() -> None:
    rewards = torch.tensor([[1.0, 3.0, 100.0], [7.0, 8.0, 9.0]])
    valid = torch.tensor([[True, True, False], [False, False, True]])
    result = advantages(rewards, valid, epsilon=0.0)
    assert torch.allclose(result[0], torch.tensor([-1.0, 1.0, 0.0]) / math.sqrt(2))
    assert (result[1] == 0).all()
    assert has_signal(rewards, valid).tolist() == [True, False]


def test_batch_scale_divides_by_one_std() -> None:
    rewards = torch.tensor([[0.0, 1.0], [0.0, 0.1]])
    result = advantages(rewards, scale="batch", epsilon=0.0)
    assert torch.allclose(result, (rewards - rewards.mean(1, keepdim=True)) / rewards.flatten().std())
    assert torch.allclose(advantages(rewards, scale="none"), rewards - rewards.mean(1, keepdim=True))


def test_completion_mask_ends_with_the_first_end_token() -> None:
    _, _, mask = toy()
    assert mask.int().tolist() == [[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]] + [[1, 1, 1, 1]] * 4


def test_loss_kl_and_gradient_are_videochat_r1s() -> None:
    log_probs, reference, mask = toy()
    log_probs.requires_grad_()
    weights = LOSSES.get("grpo").weights(mask, StepTotals(1, 8, int(mask.sum()), 4))
    result = policy_loss(
        log_probs,
        log_probs.detach(),
        advantages(REWARDS)[0],
        weights,
        loss=LOSSES.get("grpo"),
        reference_log_probs=reference,
        kl_weight=0.04,
    )
    result.loss.backward()
    assert torch.allclose(
        k3(log_probs, reference)[0].detach(), torch.tensor([0.018731, 0.004837, 0, 0.005171]), atol=1e-6
    )
    assert float((result.kl * weights).sum()) == pytest.approx(0.00990926, abs=1e-8)
    assert float(result.loss) == pytest.approx(0.000396367, abs=1e-8)
    assert log_probs.grad is not None
    # The vectors are of one completion's mean; the loss is the mean over eight.
    assert torch.allclose(log_probs.grad[0], torch.tensor([-0.017868, -0.018011, -0.018170, 0.0]), atol=1e-6)
    assert torch.allclose(log_probs.grad[2], torch.tensor([-0.035563, -0.035708, -0.035205, -0.035312]), atol=1e-6)


def slow_loss(kind: str, case: dict[str, Any], totals: StepTotals, clip: tuple[float, float]) -> float:
    """Token by token, in plain Python."""
    loss = 0.0
    group_tokens = sum(map(sum, case["mask"]))
    for row, old, mask, advantage in zip(case["new"], case["old"], case["mask"], case["advantage"], strict=True):
        length = sum(mask)
        mean = sum((n - o) for n, o, m in zip(row, old, mask, strict=True) if m) / max(length, 1)
        for new, before, carries in zip(row, old, mask, strict=True):
            if not carries:
                continue
            ratio = math.exp(mean if kind == "gspo" else new - before)
            clipped = min(max(ratio, 1 - clip[0]), 1 + clip[1])
            weight = {
                "grpo": 1 / (length * totals.completions),
                "gspo": 1 / (length * totals.completions),
                "dapo": 1 / totals.tokens,
                "dr_grpo": 1 / (totals.completions * totals.max_new_tokens),
                "bnpo": 1 / (group_tokens * totals.groups),
            }[kind]
            loss -= weight * min(ratio * advantage, clipped * advantage)
    return loss


@pytest.mark.parametrize("kind", ["grpo", "dapo", "dr_grpo", "bnpo", "gspo"])
@given(st.integers(0, 2**31))
def test_every_loss_equals_a_slow_reference(kind: Any, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    new, change = -torch.rand(5, 6, generator=generator), torch.randn(5, 6, generator=generator) / 3
    mask = torch.arange(6) < torch.randint(0, 7, (5, 1), generator=generator)
    advantage = torch.randn(5, generator=generator)
    totals = StepTotals(groups=3, completions=15, tokens=60, max_new_tokens=8)
    clip = (0.2, 0.28)
    result = policy_loss(
        new,
        new - change,
        advantage,
        LOSSES.get(kind).weights(mask, totals),
        loss=LOSSES.get(kind),
        clip=Clip(*clip),
    )
    case = {"new": new, "old": new - change, "mask": mask, "advantage": advantage}
    plain = {name: value.tolist() for name, value in case.items()}
    assert float(result.loss) == pytest.approx(slow_loss(kind, plain, totals, clip), abs=1e-5)


@given(st.integers(0, 2**31))
def test_the_loss_of_a_step_does_not_depend_on_how_groups_are_split(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    groups = [
        (torch.randn(4, 5, generator=generator), torch.rand(4, 5, generator=generator) < 0.7, torch.randn(4))
        for _ in range(3)
    ]
    totals = StepTotals(3, 12, int(sum(mask.sum() for _, mask, _ in groups)), 5)
    parts = [policy_loss(lp, lp, a, DAPO.weights(mask, totals)).loss for lp, mask, a in groups]
    joint = policy_loss(
        torch.cat([g[0] for g in groups]),
        torch.cat([g[0] for g in groups]),
        torch.cat([g[2] for g in groups]),
        DAPO.weights(torch.cat([g[1] for g in groups]), totals),
    )
    assert torch.allclose(sum(parts), joint.loss, atol=1e-5)


def test_task_scale_divides_by_the_std_of_the_task() -> None:
    rewards = torch.tensor([[0.0, 10.0], [0.2, 0.4], [10.0, 0.0], [0.1, 0.5]])
    tasks = ["score", "iou", "score", "iou"]
    settings = {"epsilon": 0.0, "std_floor": 0.0}
    result = step_advantages(rewards, torch.ones_like(rewards).bool(), tasks, scale="task", **settings)
    for rows in ([0, 2], [1, 3]):
        own = rewards[rows]
        assert torch.allclose(result[rows], (own - own.mean(1, keepdim=True)) / own.flatten().std())
    group = step_advantages(rewards, torch.ones_like(rewards).bool(), tasks, scale="group", **settings)
    assert torch.allclose(group, advantages(rewards, epsilon=0.0))
