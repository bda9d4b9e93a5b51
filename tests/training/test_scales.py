"""The moving average of each task's spread: against plain arithmetic, and over a resume."""

from statistics import fmean, variance
from typing import Any

import pytest
import torch

from reeltune.training.grpo import step_advantages
from reeltune.training.scales import restored_scales, scale_metrics, updated_scales

REWARDS = torch.tensor([[0.0, 1.0, 2.0, 1.0], [1.0, 1.0, 1.0, 1.0], [0.2, 0.2, 0.3, 0.1], [0.0, 9.0, 0.0, 1.0]])
VALID = torch.tensor([[True] * 4, [True] * 4, [True] * 4, [True, False, True, True]])
TASKS = ["choice", "choice", "span", "choice"]


def test_groups_with_signal_make_the_scale() -> None:
    first = updated_scales({}, REWARDS, VALID, TASKS, decay=0.75)
    choice = fmean([variance([0.0, 1.0, 2.0, 1.0]), variance([0.0, 0.0, 1.0])]) ** 0.5
    span = variance([0.2, 0.2, 0.3, 0.1]) ** 0.5
    assert first == pytest.approx({"choice": choice, "span": span})
    second = updated_scales(first, REWARDS * 3, VALID, TASKS, decay=0.75)
    assert second == pytest.approx({"choice": choice * 1.5, "span": span * 1.5})
    silent = updated_scales(first, torch.ones(1, 4), torch.ones(1, 4).bool(), ["choice"], decay=0.75)
    assert silent == first


def test_advantages_are_divided_by_it() -> None:
    scales = {"choice": 2.0, "span": 0.01}
    settings = {"scale": "moving", "epsilon": 0.0, "std_floor": 0.05, "scales": scales}
    found = step_advantages(REWARDS, VALID, TASKS, **settings)  # type: ignore[arg-type]
    assert found[0].tolist() == [-0.5, 0.0, 0.5, 0.0]
    assert found[1].tolist() == [0.0] * 4
    assert found[2].tolist() == pytest.approx([0.0, 0.0, 2.0, -2.0], abs=1e-5)  # the floor
    assert found[3, 1] == 0.0


def test_the_metrics_restore_it() -> None:
    rows = [{"step": 1, **scale_metrics({"a": 0.1})}, {"step": 2, **scale_metrics({"a": 0.2, "b": 1.0})}, {"step": 3}]
    assert restored_scales(rows, 1) == {"a": 0.1} and restored_scales(rows, 3) == {"a": 0.2, "b": 1.0}


@pytest.mark.slow
def test_a_resumed_run_has_the_scales_of_one_that_never_stopped(workshop: Any) -> None:
    settings = ("rl.advantage_scale=moving", "eval.every=0", "checkpoint.every=2", "optim.schedule=constant")
    workshop.train("whole", *settings, "rl.steps=4")
    workshop.train("parts", *settings, "rl.steps=2")
    workshop.train("parts", "--resume", *settings, "rl.steps=4")
    whole = workshop.metrics("whole")
    assert any(name.endswith("/advantage_scale") for name in whole[-1])
    assert workshop.metrics("parts") == whole
