"""A real training run on generated MP4 files, step by step, with a clock on each phase of a step."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from models import SIDE, build_policy, forbid_ends
from reeltune.config.recipe import Recipe, parse_recipe
from reeltune.rollout.reader import InputReader
from reeltune.training.loop import Loop
from reeltune.training.phases import Phases
from reeltune.training.train import train
from reeltune.video.encode import write_video

INSTRUCTION = "Say what you see, then answer."
TASK = '''
"""Rewards vowels: a reward that differs between completions even for a model of random weights."""

from reeltune.tasks.instruction import Instruction


class Vowels(Instruction):
    name = "vowels"
    default_weights = {"format": 1.0}

    def format_reward(self, sample, text, mode):
        return sum(text.count(letter) for letter in "aeiou") / (len(text) + 1)


TASK = Vowels()
'''
PHASES = ("videos and prompts", "rollout", "rewards", "update", "other")

T = TypeVar("T")


def vowels(text: str) -> float:
    return sum(text.count(letter) for letter in "aeiou") / (len(text) + 1)


class Run:
    """A training run in the hands of a benchmark; `step` makes the next optimizer step."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.policy = loop.learner.policy
        self.reader: InputReader = loop.source.reader
        self.number = 0
        loop.learner.phases = Phases(clock=time.process_time)
        forbid_ends(self.policy)

    def step(self) -> dict[str, float]:
        """Processor seconds of its phases; `other` is what none of them took."""
        began = time.process_time()
        self.loop._step(self.number)
        whole = time.process_time() - began
        self.number += 1
        spent = self.loop.learner.phases.seconds
        seconds = {name: spent.get(name, 0.0) for name in PHASES[:-1]}
        return seconds | {"other": whole - sum(seconds.values())}


def with_run(
    folder: Path,
    name: str,
    use: Callable[[Run], T],
    *,
    videos: int,
    time_patches: int,
    recipe: dict[str, dict[str, Any]],
    seed: int,
) -> T:
    """What `use` returns of a run in FOLDER/NAME that `reeltune train` has built and opened: its loop makes no step of
    its own."""
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
    return in_loop(parse_recipe(tree | {"seed": seed}, where="benchmark"), use)


def in_loop(recipe: Recipe, use: Callable[[Run], T]) -> T:
    """What `use` returns of the run that `reeltune train` builds and opens of a recipe; it is saved after it."""
    found: list[T] = []

    def run(loop: Loop) -> bool:
        own = Run(loop)
        found.append(use(own))
        loop._save(own.number)
        loop._finish_saving()
        return False

    original, Loop.run = Loop.run, run  # type: ignore[method-assign]
    try:
        train(recipe)
    finally:
        Loop.run = original  # type: ignore[method-assign]
    return found[0]


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
        color = rng.integers(0, 256, 3)
        for frame in range(frames):
            left = (x + speed * frame) % (SIDE - 40)
            pixels[frame, y : y + 40, left : left + 40] = color
    return pixels
