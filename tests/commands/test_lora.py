"""LoRA through the commands: train, resume, evaluate, select, merge, train on; and what is refused."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from peft import PeftModel
from safetensors.torch import load_file, save_file
from tests import warm
from transformers import AutoModelForImageTextToText, AutoTokenizer

from reeltune.cli import main
from reeltune.errors import InputError
from reeltune.models.adapter_folder import open_folder

ADAPTER = "adapter={rank: 4}"


def reeltune(*words: str | Path, code: int = 0) -> None:
    """In this process: starting one costs more than what is tested."""
    assert main([*map(str, words)]) == code


def train(workshop: Any, run: str, *settings: str, code: int = 0) -> None:
    reeltune(*workshop.command(run, "eval.every=0", *settings)[3:], code=code)


def adapter_of(workshop: Any, run: str, step: int) -> Path:
    return workshop.folder / run / "checkpoints" / f"step-{step:06d}" / "adapter"


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_train_resume_evaluate_select_merge(workshop: Any) -> None:
    """GRPO with a reference and a projector that trains; a run that was stopped ends in the same bytes."""
    settings = (ADAPTER, "rl.kl=0.1", "model.freeze=vision", "optim.lr_of={projector: 1e-4}", "rl.steps=4")
    train(workshop, "whole", *settings)
    shutil.copytree(workshop.folder / "whole", workshop.folder / "cut")
    shutil.rmtree(adapter_of(workshop, "cut", 4).parent)
    # In a process of its own: nothing but the files may be needed.
    workshop.train("cut", "eval.every=0", *settings, "--resume")
    trained = adapter_of(workshop, "whole", 4)
    assert files(trained) == files(adapter_of(workshop, "cut", 4)) != files(adapter_of(workshop, "whole", 2))
    optimizers = [adapter_of(workshop, run, 4).parent / "optimizer.safetensors" for run in ("whole", "cut")]
    assert optimizers[0].read_bytes() == optimizers[1].read_bytes()
    metrics = workshop.metrics("whole")
    assert metrics == workshop.metrics("cut")
    assert metrics[0]["kl"] == 0.0 and metrics[-1]["kl"] > 0, "the reference is the adapter switched off, exactly"
    assert {path.name for path in trained.parent.iterdir()} == {
        "adapter",
        "manifest.json",
        "optimizer.safetensors",
        "state.json",
    }
    size = sum(path.stat().st_size for path in trained.iterdir())
    assert size < (workshop.model / "model.safetensors").stat().st_size
    PeftModel.from_pretrained(AutoModelForImageTextToText.from_pretrained(workshop.model), trained)

    merged = workshop.folder / "merged"
    done = warm.reeltune("merge", trained, "-o", merged)
    assert done.returncode == 0 and done.stdout == f"{merged}\n", done.stderr
    AutoModelForImageTextToText.from_pretrained(merged)
    assert AutoTokenizer.from_pretrained(merged).chat_template

    answers = {}
    for name, model in (("adapter", trained), ("merged", merged), ("base", workshop.model)):
        folder = workshop.folder / f"eval-{name}"
        reeltune("eval", model, workshop.samples, "-o", folder, "--recipe", workshop.recipe)
        answers[name] = (folder / "predictions.jsonl").read_text()
    assert answers["adapter"] == answers["merged"] != answers["base"]
    # Every answer is wrong and as good as the other, so that none is kept: the statistics are what is looked at.
    asked = ("select.repeats=2", "-o", workshop.folder / "select", "--min-std", "0", "--min-level", "0")
    reeltune("select", workshop.recipe, f"model.path={trained}", *asked)
    rows = (workshop.folder / "select" / "stats.jsonl").read_text().splitlines()
    assert len(rows) == 8 and json.loads(rows[0])["sample"]["id"] == "clip-0"


def test_merging_what_is_none_or_over_something(workshop: Any, capsys: Any) -> None:
    reeltune("merge", workshop.model, "-o", workshop.folder / "new", code=2)
    assert "is not an adapter's folder" in capsys.readouterr().err
    reeltune("merge", workshop.model, "-o", workshop.folder, code=2)
    assert not (workshop.folder / "new").exists()


def test_an_adapter_is_trained_on_or_merged_into_a_full_training(workshop: Any, capsys: Any) -> None:
    train(workshop, "first", ADAPTER, "method=sft", "sft.steps=2", "adapter.dropout=0.1")
    first = adapter_of(workshop, "first", 2)
    # The same adapter goes on, and its first version is the reference.
    grpo = (f"model.path={first}", "rl.steps=2")
    train(workshop, "second", ADAPTER, *grpo, "rl.kl=0.1", "checkpoint.export=merged")
    assert "training continues with it" in capsys.readouterr().err
    assert workshop.metrics("second")[0]["kl"] == 0.0 < workshop.metrics("second")[1]["kl"]
    second = adapter_of(workshop, "second", 2)
    assert files(second)["adapter_model.safetensors"] != files(first)["adapter_model.safetensors"]
    base = AutoModelForImageTextToText.from_pretrained(workshop.model)
    peft = PeftModel.from_pretrained(base, second).merge_and_unload().state_dict()
    exported = AutoModelForImageTextToText.from_pretrained(second.parent / "model").state_dict()
    assert max(float((peft[name] - exported[name]).abs().max()) for name in peft) < 1e-5

    train(workshop, "full", *grpo)
    assert "merged into its base" in capsys.readouterr().err
    assert (workshop.folder / "full" / "checkpoints" / "step-000002" / "model").is_dir()
    train(workshop, "full", ADAPTER, *grpo, "--resume", code=2)
    assert "these settings differ from those of" in capsys.readouterr().err
    train(workshop, "third", "adapter={rank: 8}", *grpo, code=2)
    assert "adapter.rank=8, but the adapter in" in capsys.readouterr().err


def test_over_a_base_in_four_bits(workshop: Any, capsys: Any) -> None:
    """QLoRA: what trains and what is saved is the adapter; it opens over the base as it was."""
    train(workshop, "run", "adapter={rank: 4, quantize: nf4}", "rl.steps=2", "rl.kl=0.1", "optim.moments=8bit")
    assert workshop.metrics("run")[0]["kl"] == 0.0 and workshop.metrics("run")[1]["kl"] > 0
    trained = adapter_of(workshop, "run", 2)
    reeltune("merge", trained, "-o", workshop.folder / "merged")
    AutoModelForImageTextToText.from_pretrained(workshop.folder / "merged")
    train(workshop, "bad", "adapter={quantize: nf4}", "checkpoint.export=merged", code=2)
    assert "run reeltune merge" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["adapter={targets: [qproj]}"], "adapter.targets='qproj': it matches no linear layer"),
        (["adapter={quantize: nf4}"], "needs the package bitsandbytes"),
        (["adapter={dropout: 0.1}"], "adapter.dropout=0.1: grpo needs 0"),
        (["adapter={}", "model.freeze=[]"], "add vision to model.freeze"),
        (["checkpoint.export=merged"], "needs an adapter"),
        (["adapter={rnk: 4}"], "nearest valid key: adapter.rank"),
        (["model.freeze=[vision, projector, language]"], "no parameter is trainable"),
        (["optim.lr_of={vision: 1e-6}"], "optim.lr_of.vision: this part does not train"),
    ],
)
def test_bad_settings_are_one_message(
    workshop: Any, settings: list[str], message: str, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    train(workshop, "run", *settings, code=2)
    assert message in capsys.readouterr().err
    assert not list((workshop.folder / "run").glob("**/*.safetensors"))
    assert not (workshop.folder / "run" / "metrics.jsonl").exists()


def test_a_checkpoint_of_an_adapter_knows_its_base_and_how_it_is_asked(workshop: Any, tmp_path: Path) -> None:
    train(workshop, "run", ADAPTER, "rl.steps=1")
    trained = adapter_of(workshop, "run", 1)
    assert set(json.loads((trained / "reeltune.json").read_text())) == {"data", "video", "eval"}
    assert open_folder(trained).base == workshop.model
    other = shutil.copytree(workshop.model, tmp_path / "other")
    weights = load_file(other / "model.safetensors")
    save_file({name: tensor + 1 for name, tensor in weights.items()}, other / "model.safetensors")
    with pytest.raises(InputError, match="an adapter of another base"):
        open_folder(trained, other)
