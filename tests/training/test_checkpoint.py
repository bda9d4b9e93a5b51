"""Checkpoints are whole or absent, also on a full disk; old ones go, leftovers are removed."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.warm import reeltune

from reeltune.config.recipe import OptimConfig
from reeltune.errors import InputError
from reeltune.files import discard_leftovers
from reeltune.models.policy import Policy, load_policy
from reeltune.training.checkpoint import (
    checkpoint_step,
    list_checkpoints,
    load_optimizer,
    optimizer_tensors,
    save_checkpoint,
)
from reeltune.training.journal import Journal, read_jsonl
from reeltune.training.optimizer import learning_rate, make_optimizer


@pytest.fixture
def trained(tiny_models: Any) -> tuple[Policy, torch.optim.Optimizer]:
    """A policy and an optimizer with a state."""
    policy = load_policy(tiny_models("qwen3_vl"))
    policy.freeze_vision()
    optimizer = make_optimizer(policy, OptimConfig(lr=1e-3))
    for parameter in policy.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return policy, optimizer


def test_the_optimizer_comes_back_exactly(trained: Any, tmp_path: Path) -> None:
    policy, optimizer = trained
    path = save_checkpoint(tmp_path, 7, policy, optimizer, keep=2)
    assert checkpoint_step(path) == 7
    again = load_policy(path / "model")
    again.freeze_vision()
    other = make_optimizer(again, OptimConfig(lr=1e-3))
    load_optimizer(path, again, other)
    for old, new in zip(optimizer.param_groups, other.param_groups, strict=True):
        for left, right in zip(old["params"], new["params"], strict=True):
            assert torch.equal(left, right)
            for key, value in optimizer.state[left].items():
                assert torch.equal(value, other.state[right][key]), key
    # The order decides where the moments of sharded parameters are written: it must not tell that a run was resumed.
    orders = [{tuple(state) for state in each.state.values()} for each in (optimizer, other)]
    assert orders[0].isdisjoint(orders[1]), "both hold them in one order: the test shows nothing"
    assert [*optimizer_tensors(policy, optimizer)] == [*optimizer_tensors(again, other)]


def test_another_set_of_parameters_is_refused(trained: Any, tmp_path: Path) -> None:
    policy, optimizer = trained
    path = save_checkpoint(tmp_path, 1, policy, optimizer, keep=1)
    thawed = load_policy(path / "model")
    with pytest.raises(InputError, match="trains other parameters than the recipe"):
        load_optimizer(path, thawed, make_optimizer(thawed, OptimConfig(lr=1e-3)))


def test_only_the_newest_stay(trained: Any, tmp_path: Path) -> None:
    for step in (2, 4, 10, 100):
        save_checkpoint(tmp_path, step, *trained, keep=2)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-000010", "step-000100"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000010", "step-000100"]


def test_leftovers_of_a_kill_are_not_checkpoints(trained: Any, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 2, *trained, keep=2)
    (tmp_path / ".step-000004.partial").mkdir()
    (tmp_path / ".step-000001.old.partial").mkdir()
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-000002"]
    discard_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000002"]


SAVE = """
import resource
import sys
from pathlib import Path
from reeltune.config.recipe import OptimConfig
from reeltune.models.policy import load_policy
from reeltune.training.checkpoint import save_checkpoint
from reeltune.training.optimizer import make_optimizer
policy = load_policy(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
save_checkpoint(Path(sys.argv[2]), 4, policy, make_optimizer(policy, OptimConfig(lr=1e-3)), keep=2)
"""


def test_a_full_disk_leaves_the_older_checkpoint_alone(trained: Any, tmp_path: Path, tiny_models: Any) -> None:
    program, folder = tmp_path / "save.py", tmp_path / "checkpoints"
    program.write_text(SAVE)
    save_checkpoint(folder, 2, *trained, keep=2)
    full = reeltune(tiny_models("qwen3_vl"), folder, program=program)
    assert full.returncode != 0 and "too large" in full.stderr.lower()
    assert [path.name for path in list_checkpoints(folder)] == ["step-000002"]


def test_the_journal_forgets_what_comes_after_the_checkpoint(tmp_path: Path) -> None:
    journal = Journal(tmp_path, resume_step=None)
    for step in range(1, 5):
        journal.metrics(step, {"loss": step / 2})
        journal.rollouts(step, [{"id": "a"}])
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "lo')
    assert [row["step"] for row in read_jsonl(tmp_path / "metrics.jsonl")] == [1, 2, 3, 4]
    Journal(tmp_path, resume_step=2)
    assert [row["step"] for row in read_jsonl(tmp_path / "metrics.jsonl")] == [1, 2]
    assert sorted(path.name for path in (tmp_path / "rollouts").iterdir()) == ["step-000001.jsonl", "step-000002.jsonl"]


def test_nan_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Journal(tmp_path, resume_step=None).metrics(1, {"loss": float("nan")})


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_learning_rates(schedule: Any) -> None:
    config = OptimConfig(lr=2.0, warmup_steps=4, schedule=schedule, final_lr_share=0.5)
    rates = [learning_rate(step, 12, config) for step in range(13)]
    assert rates[:4] == [0.5, 1.0, 1.5, 2.0] and rates[4] == 2.0
    assert rates == sorted(rates[:4]) + sorted(rates[4:], reverse=True)
    assert rates[12] == pytest.approx({"constant": 2.0, "linear": 1.0, "cosine": 1.0}[schedule])
    assert rates[8] == pytest.approx({"constant": 2.0, "linear": 1.5, "cosine": 1.5}[schedule])


def test_what_a_kill_left_half_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / "rollouts").mkdir()
    (tmp_path / "rollouts" / ".step-000001.jsonl.partial").write_text('{"id": ')
    Journal(tmp_path, resume_step=None)
    assert list((tmp_path / "rollouts").iterdir()) == []
