"""Weights in parts on real processes: the numbers of one process, whatever trains, and checkpoints for any number."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from tests.conftest import build_tiny
from tests.workshop import Workshop
from torch import Tensor
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
from torch.distributed.checkpoint.state_dict_loader import load
from transformers import AutoModelForImageTextToText

from reeltune.cli import main
from reeltune.config.parallel import ParallelConfig
from reeltune.distributed.shard import check_parallel
from reeltune.distributed.world import World
from reeltune.errors import InputError

# Rewards for some of the samples alone: processes then have unequally many groups that teach, some none at all.
TASK = """
from reeltune.tasks.instruction import Instruction


class Vowels(Instruction):
    name = "vowels"
    default_weights = {"vowels": 1.0}

    def rewards(self, sample, text, mode, options=None):
        teaches = sample.id in ("clip-1", "clip-2", "clip-5", "clip-6")
        return {"vowels": teaches * sum(text.count(letter) for letter in "aeiou") / (len(text) + 1)}


TASK = Vowels()
"""
COMMON = ("eval.every=0", "rl.steps=2", "rl.groups_per_step=6", "checkpoint.every=1", "packing.train_tokens=150")
CASES = {
    "full": (),
    "checkpointing": ("model.gradient_checkpointing=true", "rl.updates_per_rollout=2"),
    "tower": ("model.freeze=[]", "rl.kl=0.1"),
    "tower-checkpointing": ("model.freeze=[]", "model.gradient_checkpointing=true"),
    "lora": ("adapter={rank: 4, targets: all}", "rl.kl=0.1", "model.gradient_checkpointing=true"),
    "routed": ("model.mixture_of_depths={floor: 0.3}", "adapter={rank: 4}"),
    "sft": ("method=sft", "sft.steps=2", "sft.samples_per_step=6"),
}
SHARD = "parallel.shard=full"


class Runs:
    """The runs of all cases on 1, 2 and 3 processes, made once."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.workshop = Workshop(folder, model)
        (folder / "vowels.py").write_text(TASK)

    def arguments(self, run: str, *settings: str) -> list[str]:
        return self.workshop.command(run, *COMMON, *settings)[3:]

    def launch(self, processes: int, runs: list[tuple[list[str], int]]) -> None:
        commands = self.workshop.folder / f"commands-{processes}.json"
        commands.write_text(json.dumps(runs))
        start = [*self.workshop.launcher(processes)[:-1], str(Path(__file__).with_name("many_runs.py")), str(commands)]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        done = subprocess.run(start, capture_output=True, text=True, timeout=900, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr

    def checkpoint(self, run: str, step: int) -> Path:
        return self.workshop.folder / run / "checkpoints" / f"step-{step:06d}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: Any) -> Runs:
    folder = tmp_path_factory.mktemp("shard")
    found = Runs(folder, build_tiny(folder / "model", "qwen3_vl"))
    for case, settings in CASES.items():
        assert main(found.arguments(f"{case}-1", *settings)) == 0
    for count in (2, 3):
        whole = [(found.arguments(f"{case}-{count}", *CASES[case]), 0) for case in ("tower", "lora")]
        parts = [(found.arguments(f"{case}-{count}-sharded", SHARD, *CASES[case]), 0) for case in CASES]
        found.launch(count, [*whole, *parts])
    return found


def moments(checkpoint: Path) -> dict[str, Tensor]:
    """The optimizer's state, read without our own reader: from one file, or put together from parts."""
    file = checkpoint / "optimizer.safetensors"
    if file.exists():
        with safe_open(file, framework="pt") as tensors:
            return {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
    reader = HuggingFaceStorageReader(str(checkpoint / "optimizer"))
    found = {name: torch.zeros(each.size) for name, each in reader.read_metadata().state_dict_metadata.items()}
    load(found, storage_reader=HuggingFaceStorageReader(str(checkpoint / "optimizer")))
    return found


def gradients(checkpoint: Path) -> dict[str, Tensor]:
    """Of the first step: AdamW's first moment is then a tenth of the gradient."""
    return {name: each * 10 for name, each in moments(checkpoint).items() if name.endswith("::exp_avg")}


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("case", CASES)
def test_losses_and_gradients_are_those_of_one_process(runs: Runs, case: str, count: int) -> None:
    names = [f"{case}-{count}-sharded", *([f"{case}-{count}"] if case in ("tower", "lora") else [])]
    one = runs.workshop.metrics(f"{case}-1")[0]
    wanted = gradients(runs.checkpoint(f"{case}-1", 1))
    scale = max(float(each.abs().max()) for each in wanted.values())
    assert scale > 1e-3 and one["grad_norm"] > 0
    for name in names:
        runs.workshop.require_processes(name, count)
        assert runs.checkpoint(name, 1).joinpath("optimizer").is_dir() == name.endswith("sharded")
        found = runs.workshop.metrics(name)[0]
        for key in ("loss", "grad_norm", "reward", "kl", "nll"):
            if key in one:
                assert found[key] == pytest.approx(one[key], rel=1e-6, abs=1e-6), (name, key)
        got = gradients(runs.checkpoint(name, 1))
        assert got.keys() == wanted.keys()
        for key, gradient in wanted.items():
            assert float((got[key] - gradient).abs().max()) <= 1e-6 * scale, (name, key)
        last = runs.workshop.metrics(name)[-1]
        assert last["loss"] == pytest.approx(runs.workshop.metrics(f"{case}-1")[-1]["loss"], abs=1e-4)


def test_processes_had_unequal_work(runs: Runs) -> None:
    rollouts = (runs.workshop.folder / "full-1" / "rollouts" / "step-000001.jsonl").read_text().splitlines()
    teach = [any(json.loads(row)["rewards"]) for row in rollouts]
    assert len(teach) == 6 and sum(teach[:3]) != sum(teach[3:])


@pytest.mark.parametrize("case", ["tower", "lora"])
def test_saved_on_two_goes_on_on_one_and_three(runs: Runs, case: str) -> None:
    """And saved on one goes on on two: the numbers of a run never stopped, to rounding."""
    plans = {1: f"{case}-2-sharded", 3: f"{case}-2-sharded", 2: f"{case}-1"}
    for count, source in plans.items():
        run = f"{case}-from-{source}-on-{count}"
        folder = runs.workshop.folder / run
        subprocess.run(["cp", "-r", str(runs.workshop.folder / source), str(folder)], check=True)
        subprocess.run(["rm", "-r", str(runs.checkpoint(run, 2))], check=True)
        shard = "parallel.shard=none" if count == 1 else SHARD
        arguments = [*runs.arguments(run, shard, *CASES[case]), "--resume"]
        if count == 1:
            assert main(arguments) == 0
        else:
            runs.launch(count, [(arguments, 0)])
        found, wanted = runs.workshop.metrics(run), runs.workshop.metrics(source)
        assert [row["step"] for row in found] == [1, 2]
        assert found[1]["loss"] == pytest.approx(wanted[1]["loss"], abs=1e-5)
        ours, theirs = moments(runs.checkpoint(run, 2)), moments(runs.checkpoint(source, 2))
        assert ours.keys() == theirs.keys() and all(float(ours[each]) == 2 for each in ours if each.endswith("::step"))
        for name, value in theirs.items():
            assert (ours[name] - value).abs().max() <= 1e-4 * max(float(value.abs().max()), 1e-6), name


@pytest.mark.parametrize("case", ["tower", "routed"])
def test_the_exported_directory_is_that_of_one_process(runs: Runs, case: str) -> None:
    kind = "adapter" if case == "routed" else "model"
    one, two = (runs.checkpoint(run, 1) / kind for run in (f"{case}-1", f"{case}-2-sharded"))
    assert {path.name for path in one.iterdir()} == {path.name for path in two.iterdir()}
    file = "adapter_model.safetensors" if kind == "adapter" else "model.safetensors"
    with safe_open(one / file, framework="pt") as left, safe_open(two / file, framework="pt") as right:
        assert set(left.keys()) == set(right.keys())
        for name in left.keys():  # noqa: SIM118
            # One step of AdamW turns a gradient near 0 into a whole step, of either sign.
            assert (left.get_tensor(name) - right.get_tensor(name)).abs().max() < 3e-3, name
    if kind == "model":
        ids = torch.arange(20)[None]
        logits = [AutoModelForImageTextToText.from_pretrained(each).eval()(input_ids=ids).logits for each in (one, two)]
        assert (logits[0] - logits[1]).abs().max() < 0.05


def test_what_processes_cannot_be(workshop: Any, capsys: Any) -> None:
    assert main(workshop.command("alone", SHARD)[3:]) == 2
    assert "this is one alone" in capsys.readouterr().err
    assert not (workshop.folder / "alone").exists()
    assert main(workshop.command("alone", "parallel.param_dtype=bfloat16")[3:]) == 2
    assert "param_dtype goes with shard: full" in capsys.readouterr().err
    world = World(0, 4, torch.device("cpu"))
    for replicate in (3, 4):
        with pytest.raises(InputError, match="give a divisor"):
            check_parallel(ParallelConfig(shard="full", replicate=replicate), world)
    check_parallel(ParallelConfig(shard="full", replicate=2), world)
