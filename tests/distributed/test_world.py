"""Launches that are what they say, and those that are refused."""

import gc
import os
import signal
import subprocess
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.warm import reeltune

from reeltune.distributed.world import World, leave, refuse_misread_launch, share_of
from reeltune.errors import InputError


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"ACCELERATE_MIXED_PRECISION": "no"}, "accelerate launch started only this process"),
        ({"ACCELERATE_MIXED_PRECISION": "bf16", "WORLD_SIZE": "2", "RANK": "0"}, "ACCELERATE_MIXED_PRECISION"),
        ({"ACCELERATE_USE_FSDP": "true", "WORLD_SIZE": "2", "RANK": "0"}, "ACCELERATE_USE_FSDP"),
        ({"ACCELERATE_USE_DEEPSPEED": "1"}, "ACCELERATE_USE_DEEPSPEED"),
        ({"OMPI_COMM_WORLD_SIZE": "4"}, "OMPI_COMM_WORLD_SIZE=4 independent processes were started"),
        ({"SLURM_STEP_NUM_TASKS": "2"}, "SLURM_STEP_NUM_TASKS=2"),
        ({"WORLD_SIZE": "2"}, "without RANK"),
    ],
)
def test_a_launch_that_is_not_what_it_says_is_refused(environment: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        refuse_misread_launch(environment)
    assert "torchrun --nproc_per_node N -m reeltune train RECIPE" in str(caught.value)


@pytest.mark.parametrize(
    "environment", [{}, {"ACCELERATE_USE_CPU": "true"}, {"WORLD_SIZE": "2", "RANK": "1", "SLURM_STEP_NUM_TASKS": "2"}]
)
def test_an_honest_launch_is_let_through(environment: dict[str, str]) -> None:
    refuse_misread_launch(environment)


def test_what_a_cycle_holds_is_freed_before_the_group_ends(tmp_path: Path) -> None:
    """Sharded layers of an ended run: with the group still in their hands gloo aborts the process now and then."""

    class Layer:
        pass

    gc.disable()
    try:
        torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
        layer = Layer()
        layer.itself = layer  # type: ignore[attr-defined]
        left = weakref.ref(layer)
        del layer
        assert left() is not None
        leave()
        assert left() is None and not torch.distributed.is_initialized()
    finally:
        gc.enable()


def test_shares_are_runs_of_neighbors() -> None:
    parts = [list(share_of(6, World(rank, 3, torch.device("cpu")), what="samples")) for rank in range(3)]
    assert parts == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(InputError, match="multiple of the number of processes; got 5 and 2"):
        share_of(5, World(0, 2, torch.device("cpu")), what="samples")


def test_accelerate_launch_is_refused_as_a_user_runs_it(workshop: Any) -> None:
    """accelerate may not be installed; what its launcher tells its one process is."""
    command = workshop.command("refused")
    environment = os.environ | {"ACCELERATE_MIXED_PRECISION": "no", "ACCELERATE_USE_CPU": "true"}
    done = reeltune(*command[3:], env=environment)
    assert done.returncode == 2 and "Start with: torchrun" in done.stderr
    assert "Traceback" not in done.stderr and not (workshop.folder / "refused").exists()


@pytest.mark.parametrize("count", [2, 3])
def test_several_processes_give_the_numbers_of_one(workshop: Any, count: int) -> None:
    """Three processes of six groups, two each; with two sources of which one step needs a single pass."""
    common = ["rl.steps=2", "rl.groups_per_step=6", "eval.every=0"]
    workshop.train("one", *common)
    workshop.train("many", *common, processes=count)
    for left, right in zip(workshop.metrics("one"), workshop.metrics("many"), strict=True):
        assert left.keys() == right.keys()
        for name, value in left.items():
            assert value == pytest.approx(right[name], abs=1e-5, rel=1e-4), (left["step"], name)


def test_a_rank_whose_groups_teach_nothing_keeps_step(workshop: Any) -> None:
    """Rank 1's samples have constant rewards: it makes passes of weight 0 and the gradient is that of rank 0."""
    task = workshop.folder / "vowels.py"
    task.write_text(
        task.read_text().replace(
            'return {"vowels": sum',
            'if int(sample.id[-1]) % 2:\n            return {"vowels": 0.5}\n        return {"vowels": sum',
        )
    )
    common = [
        "rl.steps=3",
        "rl.groups_per_step=2",
        "eval.every=0",
        "packing.train_tokens=1",
        "rl.updates_per_rollout=2",
    ]
    workshop.train("one", *common)
    workshop.train("two", *common, processes=2)
    idle = [row["groups_without_signal"] for row in workshop.metrics("one")]
    assert any(value >= 1 for value in idle), "no rank was without work: the test shows nothing"
    for left, right in zip(workshop.metrics("one"), workshop.metrics("two"), strict=True):
        assert left["loss"] == pytest.approx(right["loss"], abs=1e-5)
        assert left["grad_norm"] == pytest.approx(right["grad_norm"], rel=1e-4, abs=1e-6)


def ranks_of(parent: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


def wait_for(path: Path, process: "subprocess.Popen[str]", seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not (path.exists() and '"nll"' in path.read_text()):
        assert process.poll() is None and time.monotonic() < deadline, "the run ended before its first step"
        time.sleep(0.05)


def test_when_a_rank_is_killed_the_others_end_within_seconds(workshop: Any) -> None:
    run = workshop.folder / "killed"
    process = workshop.start("killed", "rl.steps=2000", "eval.every=0", processes=2)
    wait_for(run / "metrics.jsonl", process)
    ranks = ranks_of(process.pid)
    assert len(ranks) == 2
    workshop.require_processes(run.name, 2)
    os.kill(ranks[1], signal.SIGKILL)
    started = time.monotonic()
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert time.monotonic() - started < 45
    assert not [pid for pid in ranks if Path(f"/proc/{pid}").exists()]


def test_sigterm_saves_and_ends_all_processes(workshop: Any) -> None:
    run = workshop.folder / "term"
    process = workshop.start("term", "rl.steps=2000", "eval.every=0", "checkpoint.every=0", processes=2)
    wait_for(run / "metrics.jsonl", process)
    ranks = ranks_of(process.pid)
    assert len(ranks) == 2
    workshop.require_processes(run.name, 2)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=90)
    assert process.returncode != 0
    assert not [pid for pid in ranks if Path(f"/proc/{pid}").exists()]
    done = workshop.metrics("term")[-1]["step"]
    assert (run / "checkpoints" / f"step-{done:06d}").is_dir()
