"""Weights in parts on real processes: the numbers of one process, whatever trains, and checkpoints for any number."""

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from tests.conftest import build_tiny
from tests.distributed.test_world import ranks_of
from tests.warm import reeltune
from tests.workshop import Workshop
from torch import Tensor
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
from torch.distributed.checkpoint.state_dict_loader import load
from transformers import AutoModelForImageTextToText

from reeltune import tasks
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
        informative = sample.id in ("clip-1", "clip-2", "clip-5", "clip-6")
        return {"vowels": informative * sum(text.count(letter) for letter in "aeiou") / (len(text) + 1)}


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
WHOLE = ("tower", "lora")
QUICK = ("full", "lora")
slow = pytest.mark.slow
EMBEDDING = "model.language_model.embed_tokens.weight::exp_avg"
SHARD = "parallel.shard=full"
MEANWHILE = "checkpoint.asynchronous=true"


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
        program = Path(__file__).with_name("many_runs.py")
        done = reeltune(commands, ranks=processes, program=program, timeout=900)
        assert done.returncode == 0, done.stdout + done.stderr

    def checkpoint(self, run: str, step: int) -> Path:
        return self.workshop.folder / run / "checkpoints" / f"step-{step:06d}"


def begin(folder: Path) -> Runs:
    tasks._registry._loaded.pop("vowels", None)  # other tests have tasks of that name
    return Runs(folder, build_tiny(folder / "model", "qwen3_vl"))


@pytest.fixture(scope="module")
def few(tmp_path_factory: Any) -> Runs:
    """Two cases in one process and in two parts, and one that goes on in two parts where one process stopped. The parts
    write each checkpoint while the next step changes weights and moments."""
    found = begin(tmp_path_factory.mktemp("few"))
    for case in QUICK:
        assert main(found.arguments(f"{case}-1", *CASES[case])) == 0
    going_on = stopped_copy(found, "full", 1, 2)
    parts = [(found.arguments(f"{case}-2-sharded", SHARD, MEANWHILE, *CASES[case]), 0) for case in QUICK]
    found.launch(2, [*parts, ([*going_on, MEANWHILE], 0)])
    return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory: Any) -> Runs:
    found = begin(tmp_path_factory.mktemp("shard"))
    for case, settings in CASES.items():
        assert main(found.arguments(f"{case}-1", *settings)) == 0
    for count in (2, 3):
        whole = [(found.arguments(f"{case}-{count}", *CASES[case]), 0) for case in WHOLE]
        parts = [(found.arguments(f"{case}-{count}-sharded", SHARD, *CASES[case]), 0) for case in CASES]
        if count == 2:
            parts += [(found.arguments("bf16", SHARD, "parallel.param_dtype=bfloat16"), 0)]
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


@pytest.mark.parametrize("case", QUICK)
def test_two_parts_have_the_losses_and_gradients_of_one_process(few: Runs, case: str) -> None:
    require_the_numbers_of_one(few, case, 2, [f"{case}-2-sharded"])


@slow
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("case", CASES)
def test_losses_and_gradients_are_those_of_one_process(runs: Runs, case: str, count: int) -> None:
    names = [f"{case}-{count}-sharded", *([f"{case}-{count}"] if case in WHOLE else [])]
    require_the_numbers_of_one(runs, case, count, names)


def require_the_numbers_of_one(runs: Runs, case: str, count: int, names: list[str]) -> None:
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


@slow
def test_one_process_reads_the_weights_of_all(runs: Runs) -> None:
    """The others' whole copies, of runs without parts, are what shows that the note is taken."""
    reads = [(runs.workshop.folder / f"commands-2.json.{rank}").read_text().splitlines() for rank in (0, 1)]
    assert reads[0].count(str(runs.workshop.model)) > len(CASES)
    assert len(reads[1]) == len([*WHOLE, "the reference of the tower"])


@slow
def test_computing_in_bfloat16_is_near(runs: Runs) -> None:
    one, two = runs.workshop.metrics("full-1")[0], runs.workshop.metrics("bf16")[0]
    assert two["nll"] != one["nll"] and two["nll"] == pytest.approx(one["nll"], rel=0.02)
    assert moments(runs.checkpoint("bf16", 2))[EMBEDDING].dtype == torch.float32


@slow
def test_processes_had_unequal_work(runs: Runs) -> None:
    rows = (runs.workshop.folder / "full-1" / "rollouts" / "step-000001.jsonl").read_text().splitlines()
    teaching = [any(json.loads(row)["advantage"]) for row in rows]
    assert len(teaching) == 6
    assert len({sum(teaching[start : start + 2]) for start in (0, 2, 4)}) > 1, "all three had equally many"
    assert sum(teaching[:3]) != sum(teaching[3:]), "both had equally many"


RESUMED = [(case, count, processes) for case in ("tower", "lora") for count, processes in ((2, 1), (2, 3), (1, 2))]


@pytest.fixture(scope="module")
def resumed(runs: Runs) -> Runs:
    """Runs that stopped after a step on so many processes, and went on on others."""
    launches: dict[int, list[tuple[list[str], int]]] = {2: [], 3: []}
    for case, count, processes in RESUMED:
        arguments = stopped_copy(runs, case, count, processes)
        if processes > 1:
            launches[processes].append((arguments, 0))
        else:
            assert main(arguments) == 0
    for processes, commands in launches.items():
        runs.launch(processes, commands)
    return runs


def stopped_copy(runs: Runs, case: str, count: int, processes: int) -> list[str]:
    """A copy of a run that stopped after one step on `count`, and the command that goes on on `processes`."""
    run, shard = f"{case}-{count}-then-{processes}", SHARD if processes > 1 else "parallel.shard=none"
    shutil.copytree(runs.workshop.folder / source(case, count), runs.workshop.folder / run)
    shutil.rmtree(runs.checkpoint(run, 2))
    return [*runs.arguments(run, shard, *CASES[case]), "--resume"]


def source(case: str, count: int) -> str:
    return f"{case}-{count}-sharded" if count > 1 else f"{case}-1"


def test_a_run_of_one_process_goes_on_in_two_parts_and_back(few: Runs) -> None:
    require_the_same_end(few, "full", 1, 2)
    assert main(stopped_copy(few, "lora", 2, 1)) == 0
    require_the_same_end(few, "lora", 2, 1)


@slow
@pytest.mark.parametrize(("case", "count", "processes"), RESUMED)
def test_a_run_goes_on_on_another_number_of_processes(resumed: Runs, case: str, count: int, processes: int) -> None:
    require_the_same_end(resumed, case, count, processes)


def require_the_same_end(resumed: Runs, case: str, count: int, processes: int) -> None:
    run, before = f"{case}-{count}-then-{processes}", source(case, count)
    found, wanted = resumed.workshop.metrics(run), resumed.workshop.metrics(before)
    assert [row["step"] for row in found] == [1, 2]
    assert found[1]["loss"] == pytest.approx(wanted[1]["loss"], rel=1e-6, abs=1e-6)
    ours, theirs = moments(resumed.checkpoint(run, 2)), moments(resumed.checkpoint(before, 2))
    assert ours.keys() == theirs.keys() and all(float(ours[each]) == 2 for each in ours if each.endswith("::step"))
    scale = max(float(each.abs().max()) for name, each in theirs.items() if name.endswith("::exp_avg"))
    for name, value in theirs.items():
        assert (ours[name] - value).abs().max() <= 1e-6 * scale, name


@slow
def test_a_rank_is_killed_and_the_run_goes_on(workshop: Any) -> None:
    settings = (SHARD, "eval.every=0", "checkpoint.every=1", "checkpoint.keep=9")
    process = workshop.start("killed", "rl.steps=2000", *settings, processes=2)
    checkpoints = workshop.folder / "killed" / "checkpoints"
    deadline = time.monotonic() + 240
    while not (checkpoints / "step-000002").exists():
        assert time.monotonic() < deadline and process.poll() is None, "no checkpoint was written"
        time.sleep(0.1)
    workers = ranks_of(process.pid)
    assert len(workers) == 2
    os.kill(workers[1], signal.SIGKILL)
    process.communicate(timeout=120)
    assert process.returncode != 0 and not any(Path(f"/proc/{each}").exists() for each in workers)
    done = max(int(path.name[-6:]) for path in checkpoints.glob("step-*"))
    workshop.train("killed", f"rl.steps={done + 1}", *settings, "--resume", processes=2)
    assert workshop.metrics("killed")[-1]["step"] == done + 1


@slow
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
    assert "there is only one" in capsys.readouterr().err
    assert not (workshop.folder / "alone").exists()
    assert main(workshop.command("alone", "parallel.param_dtype=bfloat16")[3:]) == 2
    assert "param_dtype needs parallel.shard=full" in capsys.readouterr().err
    world = World(0, 4, torch.device("cpu"))
    for replicate in (3, 4):
        with pytest.raises(InputError, match="use a proper divisor"):
            check_parallel(ParallelConfig(shard="full", replicate=replicate), world)
    check_parallel(ParallelConfig(shard="full", replicate=2), world)
