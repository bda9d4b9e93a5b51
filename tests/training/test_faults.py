"""Numbers that are not finite and memory that does not suffice, injected into real runs."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from reeltune.cli import main
from reeltune.errors import InputError
from reeltune.evaluation.runner import metrics_by_task
from reeltune.rollout.hf import HFEngine
from reeltune.tasks import get_task
from reeltune.training.faults import name_memory, require_finite
from reeltune.training.learner import Learner


def run(workshop: Any, name: str, *overrides: str) -> int:
    return main(workshop.command(name, "eval.every=0", *overrides)[3:])


def test_a_tensor_that_is_not_finite_is_named() -> None:
    require_finite({"fine": torch.ones(3), "absent": None}, step=0, sample="a")
    for value in (float("nan"), float("inf")):
        with pytest.raises(InputError, match=r"step 3, sample 'a': 1 of 4 values of the advantages are not finite"):
            require_finite({"the advantages": torch.tensor([0.0, value, 1.0, 2.0])}, step=2, sample="a")


def test_nan_log_probs_of_the_learner_fail_the_parity_check(workshop: Any, capsys: Any, monkeypatch: Any) -> None:
    """`max` with NaN gives the other number: a check built on it would pass."""
    honest = Learner.log_probs

    def broken(self: Learner, *arguments: Any, **named: Any) -> Any:
        return [values * float("nan") for values in honest(self, *arguments, **named)]

    monkeypatch.setattr(Learner, "log_probs", broken)
    assert run(workshop, "run", "rl.steps=1") == 2
    error = capsys.readouterr().err
    assert "step 1, sample 'clip-" in error and "the learner's log-probs are not finite" in error
    assert not (workshop.folder / "run" / "metrics.jsonl").exists()


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_gradient_that_is_not_finite_changes_nothing(
    workshop: Any, capsys: Any, monkeypatch: Any, value: str
) -> None:
    monkeypatch.setattr("reeltune.training.learner.nn.utils.clip_grad_norm_", lambda *_: torch.tensor(float(value)))
    assert run(workshop, "run", "rl.steps=1") == 2
    assert f"the gradient norm is {value}, so this update was not applied" in capsys.readouterr().err
    assert not (workshop.folder / "run" / "metrics.jsonl").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [(lambda values: values[:, :-1], r"log-probs of shape \(4, 5\)"), (lambda values: None, "log-probs of none")],
)
def test_an_engine_whose_log_probs_do_not_fit_is_told(
    workshop: Any, capsys: Any, monkeypatch: Any, change: Any, says: str
) -> None:
    """They would be added up by position, or end in an error of torch."""
    honest = HFEngine.generate

    def changed(self: Any, *arguments: Any, **options: Any) -> Any:
        return [replace(each, log_probs=change(each.log_probs)) for each in honest(self, *arguments, **options)]

    monkeypatch.setattr(HFEngine, "generate", changed)
    assert run(workshop, "run", "rl.steps=1") == 2
    assert re.search(f"sample 'clip-.*{says}.*fix the engine", capsys.readouterr().err)


@pytest.mark.parametrize("metrics", [{"a": float("nan")}, {"a": "high"}, {"a": [1.0]}, {3: 1.0}, {"": 1.0}])
def test_metrics_that_are_no_numbers_are_told(monkeypatch: Any, metrics: Any) -> None:
    task = get_task("numeric")
    sample = task.sample_type(id="a", task="numeric", video="a.mp4", question="How many?", target=3)
    monkeypatch.setattr(type(task), "metrics", lambda *_: dict(metrics))
    with pytest.raises(InputError, match=r"task numeric: the metric .* names and finite numbers"):
        metrics_by_task([sample], [None])


def test_a_model_with_a_nan_weight_is_refused(workshop: Any, capsys: Any, tmp_path: Any) -> None:
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(workshop.model, broken)
    weights = load_file(broken / "model.safetensors")
    name = next(key for key in weights if "mlp.up_proj" in key)
    weights[name][0, 0] = float("nan")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    assert run(workshop, "run", f"model.path={broken}") == 2
    assert name in capsys.readouterr().err
    assert not (workshop.folder / "run").exists()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: 9"),
        MemoryError("x"),
    ],
)
def test_memory_names_the_largest_group_and_the_keys(
    workshop: Any, capsys: Any, monkeypatch: Any, error: Exception
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr("reeltune.training.learner.group_log_probs", full)
    monkeypatch.setattr("reeltune.training.learner.Learner.check_parity", lambda *_: None)
    assert run(workshop, "run", "rl.steps=1") == 2
    message = capsys.readouterr().err
    assert "step 1: out of memory while training" in message and "groups is sample 'clip-" in message
    assert "packing.train_tokens" in message and "rl.group_size" in message


def test_other_errors_pass_through() -> None:
    with pytest.raises(RuntimeError, match="shapes"), name_memory([], step=0, doing="training"):
        raise RuntimeError("shapes cannot be multiplied")


def test_a_broken_held_out_video_is_counted_as_wrong(workshop: Any) -> None:
    from tests.damage import cut

    rows = [json.loads(line) for line in workshop.samples.read_text().splitlines()]
    held = workshop.folder / "held.jsonl"
    held.write_text("".join(json.dumps(row) + "\n" for row in rows[:4]))
    keep = workshop.folder / "train.jsonl"
    keep.write_text("".join(json.dumps(row) + "\n" for row in rows[4:]))
    cut(workshop.folder / "2.mp4", 300)
    words = [f"data.train={keep}", f"eval.data={held}", "eval.every=1", "video.max_broken_share=0.5", "rl.steps=1"]
    output = workshop.train("run", *words)
    run_dir = workshop.folder / "run"
    [entry] = [json.loads(line) for line in (run_dir / "quarantine-eval.jsonl").read_text().splitlines()]
    assert entry["id"] == "clip-2", output
    assert len((run_dir / "answers" / "step-000001.jsonl").read_text().splitlines()) == 3
    assert not (run_dir / "quarantine.jsonl").exists()


def test_a_dry_run_checks_and_writes_nothing(workshop: Any, capsys: Any) -> None:
    assert main([*workshop.command("dry")[3:], "--dry-run"]) == 0
    assert "writes to" in capsys.readouterr().err
    assert main([*workshop.command("dry", "rl.loss=dappo")[3:], "--dry-run"]) == 2
    assert "did you mean 'dapo'" in capsys.readouterr().err
    assert not (workshop.folder / "dry").exists()
