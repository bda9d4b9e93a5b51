"""A task of your own in one file: how many shapes does the video show? The class is the task; the rest makes samples.

    python examples/own_task.py runs/counting
    reeltune data check runs/counting/counting.jsonl --task-file examples/own_task.py
    reeltune train recipes/toy/grpo.yaml data.train=runs/counting/counting.jsonl "data.tasks=[examples/own_task.py]" \
        eval.data=null run.dir=runs/counting/run

What is not written here has a default: the gold answer (`target`), the metrics (the reward's components), a trivial
baseline (the most frequent answer), the picture. docs/new-task.md says what each part owes.
"""

import json
import re
import sys
from pathlib import Path
from typing import ClassVar

from pydantic import NonNegativeInt

from reeltune.answers.final_answer import answer_text
from reeltune.sample import Sample, Text
from reeltune.tasks.base import Components, Mode, Parsed, RewardOptions, Task, request


class CountingSample(Sample):
    question: Text
    target: NonNegativeInt


class Counting(Task[CountingSample, int]):
    name = "counting"
    sample_type = CountingSample
    default_weights: ClassVar = {"format": 1.0, "closeness": 1.0}

    def prompt(self, sample: CountingSample, mode: Mode) -> str:
        return f"{sample.question} {request('number', mode)}"

    def parse(self, sample: CountingSample, text: str) -> Parsed[int]:
        numbers = re.findall(r"\d{1,9}", answer_text(text).text)
        return Parsed(int(numbers[0])) if len(numbers) == 1 else Parsed(None, f"{len(numbers)} numbers")

    def content_rewards(self, sample: CountingSample, value: int | None, options: RewardOptions) -> Components:
        return {"closeness": 0.0 if value is None else 1 / (1 + abs(value - sample.target))}


TASK = Counting()


def make_samples(folder: Path, videos: int = 64) -> Path:
    """Toyworld clips, and one question about each: the subjects of its caption are the shapes in it."""
    from reeltune.toyworld.generate import generate

    captions = generate(folder, videos=videos, tasks=["captioning"])
    rows = [json.loads(line) for line in captions.read_text(encoding="utf-8").splitlines()]
    path = folder / "counting.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            asked = {"question": "How many shapes does the video show?", "target": len(row["subjects"])}
            file.write(json.dumps({"id": row["id"], "task": "counting", "video": row["video"], **asked}) + "\n")
    return path


if __name__ == "__main__":
    print(make_samples(Path(sys.argv[1]), *map(int, sys.argv[2:])))
