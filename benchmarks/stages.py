"""A real training run on generated MP4 files, step by step, with a clock on each stage of a step."""

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
from reeltune.training.trainer import Trainer

from models import SIDE, build_policy, forbid_ends
from reeltune.config.recipe import parse_recipe
from reeltune.rollout.hf import HFEngine
from reeltune.rollout.reader import InputReader
from reeltune.training import launch, rl
from reeltune.video.encode import write_video

INSTRUCTION = "Say what you see, then answer."
TASK = '''
"""Pays for vowels: a reward that differs between completions even for a model of random weights."""

from reeltune.tasks.instruction import Instruction


class Vowels(Instruction):
    name = "vowels"
    default_weights = {"format": 1.0}

    def format_reward(self, sample, text, mode):
        return sum(text.count(letter) for letter in "aeiou") / (len(text) + 1)


TASK = Vowels()
'''
STAGES = {
    "decode": (InputReader, "prompt"),
    "encode": (InputReader, "encode"),
    "rollout": (HFEngine, "generate"),
    "reward": (rl, "score_groups"),
    "update": (Trainer, "_update"),
}


def vowels(text: str) -> float:
    return sum(text.count(letter) for letter in "aeiou") / (len(text) + 1)


class StageClock:
    """Processor seconds of each stage of a step; `other` is what none of them took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def running(self) -> Iterator[None]:
        originals = {stage: getattr(owner, name) for stage, (owner, name) in STAGES.items()}
        for stage, (owner, name) in STAGES.items():
            setattr(owner, name, self._timed(originals[stage], stage))
        try:
            yield
        finally:
            for stage, (owner, name) in STAGES.items():
                setattr(owner, name, originals[stage])

    def _timed(self, function: Any, stage: str) -> Any:
        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[stage] += time.process_time() - began

        return timed


class Run:
    """One training run; `step` makes the next optimizer step and returns the seconds of its stages."""

    def __init__(
        self, folder: Path, name: str, *, videos: int, time_patches: int, recipe: dict[str, dict[str, Any]], seed: int
    ) -> None:
        if not (folder / "samples.jsonl").exists():
            (folder / "vowels.py").write_text(TASK)
            samples = [_sample(folder, number, time_patches, seed) for number in range(videos)]
            (folder / "samples.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))
            build_policy().save(folder / "model")
        tree: dict[str, Any] = {
            "method": "grpo",
            "model": {"path": str(folder / "model")},
            "data": {"train": str(folder / "samples.jsonl"), "tasks": [str(folder / "vowels.py")]},
            "video": {
                "fps": 2.0, "total_pixels": 2 * time_patches * SIDE * SIDE, "min_frame_pixels": SIDE * SIDE,
                "max_frame_pixels": SIDE * SIDE, "cache": str(folder / "frames"),
            },
            "run": {"dir": str(folder / name)},
        }  # fmt: skip
        for section, settings in recipe.items():
            tree[section] = tree.get(section, {}) | settings
        self.trainer = _captured_trainer(parse_recipe(tree | {"seed": seed}, where="benchmark"))
        forbid_ends(self.trainer.policy)
        self.number = 0

    def step(self) -> dict[str, float]:
        clock = StageClock()
        with clock.running():
            began = time.process_time()
            self.metrics = self.trainer._step(self.number)
            whole = time.process_time() - began
        self.number += 1
        seconds = {stage: clock.seconds[stage] for stage in STAGES}
        return seconds | {"other": whole - sum(seconds.values())}


class _Built(Exception):
    """Carries a trainer out of `launch.train` before its first step."""


def _captured_trainer(recipe: Any) -> Trainer:
    def stop(trainer: Trainer) -> bool:
        raise _Built(trainer)

    original, Trainer.run = Trainer.run, stop
    try:
        launch.train(recipe)
    except _Built as built:
        return built.args[0]
    finally:
        Trainer.run = original
    raise AssertionError("the trainer was not run")


def _sample(folder: Path, number: int, time_patches: int, seed: int) -> dict[str, str]:
    write_video(folder / f"{number}.mp4", moving_squares(2 * time_patches, seed + number), 2.0)
    return {"id": str(number), "task": "vowels", "video": f"{number}.mp4", "instruction": INSTRUCTION,
            "response": "Nothing."}  # fmt: skip


def moving_squares(frames: int, seed: int) -> np.ndarray:
    """uint8 [frames, SIDE, SIDE, 3]: something an encoder compresses as it would a plain scene."""
    rng = np.random.default_rng(seed)
    pixels = np.full((frames, SIDE, SIDE, 3), rng.integers(0, 256, 3), dtype=np.uint8)
    for _ in range(4):
        x, y, speed = rng.integers(0, SIDE - 40, 2).tolist() + rng.integers(-3, 4, 1).tolist()
        colour = rng.integers(0, 256, 3)
        for frame in range(frames):
            left = (x + speed * frame) % (SIDE - 40)
            pixels[frame, y : y + 40, left : left + 40] = colour
    return pixels
