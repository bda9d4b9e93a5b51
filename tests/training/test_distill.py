"""On-policy distillation: its gradient is the reverse KL divergence's, and a student comes to its teacher."""

import json
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from reeltune.cli import main
from reeltune.training.distill import reverse_kl_loss
from reeltune.training.grpo import Clip


def group_of(student: Tensor, teacher: Tensor, weights: Tensor) -> Any:
    """A group whose completions are one token each, every token of the vocabulary once."""
    return SimpleNamespace(weights=weights, old_log_probs=student.detach(), reference_log_probs=teacher)


def test_the_expected_gradient_is_that_of_the_reverse_kl_divergence() -> None:
    torch.manual_seed(0)
    logits = torch.randn(7, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(7, dtype=torch.float64).log_softmax(0)
    log_probs = logits.log_softmax(0)
    # Each token weighs what it is sampled with, so the sum is the expectation.
    group = group_of(log_probs[:, None], teacher[:, None], log_probs.detach().exp()[:, None])
    loss, sums = reverse_kl_loss(group, log_probs[:, None], Clip())
    [found] = torch.autograd.grad(loss, logits)
    probabilities = logits.softmax(0)
    [wanted] = torch.autograd.grad((probabilities * (probabilities.log() - teacher)).sum(), logits)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-14)
    assert wanted.abs().max() > 0.1 and sums["tokens"] == 7 and sums["kl"] > 0


def test_a_token_without_weight_carries_nothing_and_equal_models_have_no_gradient() -> None:
    log_probs = torch.tensor([[-1.0, -2.0]], requires_grad=True)
    weights = torch.tensor([[1.0, 0.0]])
    loss, sums = reverse_kl_loss(group_of(log_probs, torch.tensor([[-1.0, -torch.inf]]), weights), log_probs, Clip())
    loss.backward()
    assert sums == {"loss": 0.0, "kl": 0.0, "clipped": 0.0, "nll": 1.0, "tokens": 1.0}
    assert log_probs.grad is not None and not log_probs.grad.any()


@pytest.fixture
def teacher(workshop: Any) -> Path:
    """The student after some steps of another kind: a whole model of its family that answers otherwise."""
    steps = ("sft.steps=12", "sft.samples_per_step=8", "optim.lr=0.003", "eval.every=0")
    assert main(workshop.command("teacher", "method=sft", *steps)[3:]) == 0
    found: Path = workshop.folder / "teacher" / "checkpoints" / "step-000012" / "model"
    return found


def settings(teacher: Path, *overrides: str) -> tuple[str, ...]:
    return ("method=distill", f"distill.teacher={teacher}", "eval.every=0", "rl.kl=0", "rl.skipping=", *overrides)


def test_a_student_comes_to_its_teacher_and_goes_on_where_it_was_stopped(workshop: Any, teacher: Path) -> None:
    run = settings(
        teacher,
        "rl.steps=24",
        "distill.group_size=2",
        "optim.lr=0.002",
        "checkpoint.every=12",
        "optim.schedule=constant",
    )
    assert main(workshop.command("whole", *run)[3:]) == 0
    rows = workshop.metrics("whole")
    divergence = [row["teacher_kl"] for row in rows]
    assert sum(divergence[-6:]) < 0.5 * sum(divergence[:6]) and all(value >= 0 for value in divergence)
    [line, *_] = (workshop.folder / "whole" / "rollouts").glob("*24*")
    group = json.loads(line.read_text().splitlines()[0])
    assert len(group["texts"]) == 2 and any(group["advantage"])
    # The same bytes when it ends half way and goes on.
    assert main(workshop.command("parts", *run, "rl.steps=12")[3:]) == 0
    assert main([*workshop.command("parts", *run)[3:], "--resume"]) == 0
    names = [Path("checkpoints") / "step-000024" / "model" / "model.safetensors", Path("metrics.jsonl")]
    for name in names:
        first, second = ((workshop.folder / run_name / name).read_bytes() for run_name in ("whole", "parts"))
        assert first == second, name


def test_a_student_that_is_its_teacher_learns_nothing(workshop: Any) -> None:
    assert main(workshop.command("run", *settings(workshop.model, "rl.steps=1"))[3:]) == 0
    [row] = workshop.metrics("run")
    assert row["teacher_kl"] < 1e-8 and row["grad_norm"] < 1e-4 and "groups_without_signal" not in row


@pytest.mark.slow
def test_two_processes_learn_as_one(workshop: Any, teacher: Path) -> None:
    steps = settings(teacher, "rl.steps=2", "distill.group_size=2")
    workshop.train("two", *steps, processes=2)
    assert main(workshop.command("one", *steps)[3:]) == 0
    for one, two in zip(workshop.metrics("one"), workshop.metrics("two"), strict=True):
        assert {name: one[name] for name in ("teacher_kl", "loss")} == pytest.approx(
            {name: two[name] for name in ("teacher_kl", "loss")}, rel=1e-4, abs=1e-6
        )
    assert any(first["teacher_kl"] != second["teacher_kl"] for first, second in pairwise(workshop.metrics("one")))


def test_an_adapter_learns_from_a_whole_teacher_and_teaches_in_turn(workshop: Any, teacher: Path) -> None:
    assert main(workshop.command("lora", *settings(teacher, "rl.steps=2", "adapter={rank: 2}"))[3:]) == 0
    adapter = workshop.folder / "lora" / "checkpoints" / "step-000002" / "adapter"
    assert (adapter / "adapter_config.json").exists()
    assert main(workshop.command("next", *settings(adapter, "rl.steps=1", f"model.base={workshop.model}"))[3:]) == 0


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["method=distill"], "needs a teacher: set distill.teacher"),
        (["distill.teacher=x"], "needs method: distill"),
        (["method=distill", "distill.teacher=x", "rl.kl=0.1"], "the teacher is the reference; remove rl.kl"),
        (["method=distill", "distill.teacher=x", "rl.skipping={}"], "rl.skipping: "),
        (["method=distill", "distill.teacher=x", "rl.gold_in_group=always"], "rl.gold_in_group: "),
        (["method=distill", "distill.teacher=x", "distill.group_size=0"], "distill.group_size=0"),
        (["method=distill", "distill.teacher=nowhere"], "'nowhere' does not exist"),
    ],
)
def test_what_does_not_go_together_is_one_message(workshop: Any, capsys: Any, overrides: list[str], words: str) -> None:
    assert main(workshop.command("bad", *overrides)[3:]) == 2
    assert words in capsys.readouterr().err
    assert not (workshop.folder / "bad").exists()


def test_a_teacher_of_another_vocabulary_is_refused(
    workshop: Any, tiny_models: Any, tmp_path: Path, capsys: Any
) -> None:
    import shutil

    other = shutil.copytree(workshop.model, tmp_path / "other")
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    first, second = [word for word in vocabulary if len(word) == 1][:2]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    save_file(load_file(other / "model.safetensors"), other / "model.safetensors", metadata={"format": "pt"})
    assert main(workshop.command("bad", *settings(other))[3:]) == 2
    assert "has another vocabulary" in capsys.readouterr().err
