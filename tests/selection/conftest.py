"""Statistics made by hand, and a folder to select in: clips made here, two tasks, a tiny model, a recipe."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from reeltune.selection.stats import SampleStats, make_stats

TASK = """
from reeltune.tasks.instruction import Instruction


class Own(Instruction):
    name = "{name}"
    default_weights = {{"format": 1.0, "{name}": 1.0}}

    def rewards(self, sample, text, mode, options=None):
        return {{"format": 1.0, "{name}": {reward}}}


TASK = Own()
"""
REWARDS = {
    "vowels": 'sum(text.count(letter) for letter in "aeiou") / (len(text) + 1)',
    "lucky": "float(len(text) % 2)",
}


def make_row(name: str, scores: list[float | None], *, task: str = "grounding", **rest: Any) -> SampleStats:
    """The statistics of a sample whose answers earned `scores`."""
    fields = {
        "id": name, "index": 0, "task": task, "source": None, "unparsed": 0, "truncated": 0,
        "lengths": [3] * len(scores), "prompt": "p", "model": "m", "sampling": "s",
        "sample": {"id": name, "task": task, "video": f"{name}.mp4"},
    }  # fmt: skip
    texts = [f"{name} answer {number}" for number in range(len(scores))]
    return make_stats(scores, {"iou": scores}, {"iou": 1.0}, texts, **(fields | rest))


@pytest.fixture
def row() -> Any:
    return make_row


class Bench:
    """Runs `reeltune select` inside the test process."""

    def __init__(self, folder: Path, model: Path) -> None:
        from reeltune.video.encode import write_video

        self.folder = folder
        (folder / "pool").mkdir()
        self.samples = folder / "pool" / "samples.jsonl"
        rows = []
        for number in range(10):
            rng = np.random.default_rng(number)
            write_video(folder / "pool" / f"{number}.mp4", rng.integers(0, 256, (4, 64, 64, 3), dtype=np.uint8), 2.0)
            task = "vowels" if number % 2 else "lucky"
            rows.append({"id": f"clip-{number}", "task": task, "video": f"{number}.mp4", "instruction": "Say it."})
            rows[-1] |= {"response": "yes", "source": "odd" if number % 2 else "even"}
        self.write(rows)
        files = []
        for name, reward in REWARDS.items():
            files.append(folder / f"{name}.py")
            files[-1].write_text(TASK.format(name=name, reward=reward))
        self.recipe = folder / "recipe.yaml"
        self.recipe.write_text(
            yaml.safe_dump(
                {
                    "method": "grpo",
                    "model": {"path": str(model)},
                    "data": {"train": str(self.samples), "tasks": [str(file) for file in files]},
                    "video": {"min_frame_pixels": 4096, "max_frame_pixels": 4096, "cache": str(folder / "cache")},
                    "rl": {"max_new_tokens": 6},
                    "select": {"repeats": 4, "batch_size": 3},
                }
            )
        )

    def write(self, rows: list[dict[str, Any]]) -> None:
        self.samples.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def rows(self, *path: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.folder.joinpath(*path).read_text().splitlines()]

    def select(self, *arguments: str | Path, output: str = "out", recipe: bool = True) -> int:
        from reeltune.cli import main

        own = [str(self.recipe)] if recipe else []
        return main(["select", *own, "-o", str(self.folder / output), *map(str, arguments)])


@pytest.fixture
def bench(tmp_path: Path, tiny_models: Any, monkeypatch: Any) -> Bench:
    from reeltune import tasks

    # Every test has task files of its own with the same tasks in them.
    monkeypatch.setattr(tasks._registry, "_loaded", {})
    return Bench(tmp_path, tiny_models("qwen3_vl"))
