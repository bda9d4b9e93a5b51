"""A folder to train in: clips made here, a task with a dense reward, a tiny model, a recipe."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tests.warm import Command

TASK = '''
"""Answers rich in vowels: a reward with signal even for a model of random weights."""

from reeltune.tasks.instruction import Instruction, InstructionSample


class Vowels(Instruction):
    name = "vowels"
    default_weights = {"vowels": 1.0}

    def rewards(self, sample, text, mode, options=None):
        return {"vowels": sum(text.count(letter) for letter in "aeiou") / (len(text) + 1)}


TASK = Vowels()
'''


def torchrun(count: int) -> list[str]:
    """The launcher of `count` processes."""
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count), "-m"]


class Workshop:
    """Runs `reeltune train` in a folder of its own."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder = folder
        self.model = model
        self.launcher = torchrun
        (folder / "vowels.py").write_text(TASK)
        self.samples = folder / "samples.jsonl"
        self._write_samples(8)
        self.recipe = folder / "recipe.yaml"
        self.recipe.write_text(yaml.safe_dump(self._recipe()))

    def _write_samples(self, count: int) -> None:
        from reeltune.video.encode import write_video

        rows = []
        for index in range(count):
            rng = np.random.default_rng(index)
            frames = rng.integers(0, 256, (4 + 2 * (index % 3), 64, 64, 3), dtype=np.uint8)
            write_video(self.folder / f"{index}.mp4", frames, 2.0)
            rows.append(
                {
                    "id": f"clip-{index}",
                    "task": "vowels",
                    "video": f"{index}.mp4",
                    "instruction": "Say something." + " Please." * (index % 3),
                    "response": "<answer>1.0 to 2.5</answer>",
                }
            )
        self.samples.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def _recipe(self) -> dict[str, Any]:
        return {
            "method": "grpo",
            "model": {"path": str(self.model)},
            "data": {"train": str(self.samples), "tasks": [str(self.folder / "vowels.py")]},
            "video": {"min_frame_pixels": 4096, "max_frame_pixels": 4096, "cache": str(self.folder / "cache")},
            "rl": {"steps": 6, "groups_per_step": 4, "group_size": 4, "max_new_tokens": 6},
            "sft": {"steps": 6, "samples_per_step": 4},
            "optim": {"lr": 1e-3},
            # A tiny model never ends its answers: the runs of these tests go on all the same.
            "watch": {"stop_after": 0},
            "checkpoint": {"every": 2},
            "eval": {"data": str(self.samples), "every": 3, "max_new_tokens": 6},
        }

    def command(self, run: str, *overrides: str, processes: int = 1) -> list[str]:
        start = self.launcher(processes) if processes > 1 else [sys.executable, "-m"]
        return [*start, "reeltune", "train", str(self.recipe), f"run.dir={self.folder / run}", *overrides]

    def start(self, run: str, *overrides: str, processes: int = 1) -> "subprocess.Popen[str]":
        """As a user starts it."""
        environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        return subprocess.Popen(
            self.command(run, *overrides, processes=processes),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            start_new_session=True,
        )

    def begin(self, run: str, *overrides: str, processes: int = 1) -> Command:
        """As `start`, without the seconds in which each process imports torch."""
        return Command(*self.command(run, *overrides)[3:], ranks=processes)

    def train(self, run: str, *overrides: str, code: int = 0, processes: int = 1, torchrun: bool = False) -> str:
        """Run to the end in so many processes, and make sure that there were so many. `torchrun`: started by it."""
        if torchrun:
            process = self.start(run, *overrides, processes=processes)
            output, _ = process.communicate(timeout=300)
            found = process.returncode
        else:
            done = self.begin(run, *overrides, processes=processes).finish()
            output, found = done.stdout + done.stderr, done.returncode
        assert found == code, output
        if (self.folder / run / "environment.json").exists():
            self.require_processes(run, processes)
        return output

    def require_processes(self, run: str, count: int) -> None:
        """A test of several processes that ran in one would show nothing."""
        found = json.loads((self.folder / run / "environment.json").read_text())["processes"]
        assert found == count, f"the run had {found} processes, the test is about {count}"

    def metrics(self, run: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def workshop(tmp_path: Path, tiny_models: Any, monkeypatch: Any) -> Workshop:
    from reeltune import tasks

    # Every test has a task file of its own with the same task in it.
    monkeypatch.setattr(tasks._registry, "_loaded", {})
    return Workshop(tmp_path, tiny_models("qwen3_vl"))
