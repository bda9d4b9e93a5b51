"""A run, its samples and its videos as training leaves them, made in a second: what the explorer's tests look at.

A red square moves to the right over black; where it is at a time is known exactly, so that a box that is drawn can be
held against the pixels of the frame.
"""

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import yaml

from reeltune.data.kept import keep_samples
from reeltune.tasks import load_samples
from reeltune.video.encode import write_video

WIDTH, HEIGHT, FPS, FRAMES, SIDE = 128, 96, 10, 40, 24
SECONDS = FRAMES / FPS
HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script> <b>bold</b> ${1+1} {{7*7}} \u202e'
HOSTILE_ID = "<svg onload=window.hacked=1>'\"&%00../../x"


def box_at(time: float) -> list[float]:
    """Fractions: the square of SIDE pixels that moves two pixels a frame from x = 8 on, at y = 36."""
    left = 8 + 2 * round(time * FPS)
    return [left / WIDTH, 36 / HEIGHT, (left + SIDE) / WIDTH, (36 + SIDE) / HEIGHT]


def frames() -> np.ndarray:
    pictures = np.zeros((FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    for number in range(FRAMES):
        left = 8 + 2 * number
        pictures[number, 36 : 36 + SIDE, left : left + SIDE] = (230, 20, 20)
    return pictures


def write_other(path: Path, codec: str, container: str, pixels: str = "yuv420p") -> None:
    """The same film in another codec and container."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=Fraction(FPS))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        if codec == "libx265":
            stream.options = {"x265-params": "log-level=none"}
        for picture in frames():
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))


def rows(videos: str = "videos/film.mp4") -> list[dict[str, Any]]:
    times = [0.5, 1.5, 3.0]
    return [
        {"id": "span", "task": "temporal_grounding", "video": videos, "query": "the square passes", "duration": SECONDS,
         "target": [[1.0, 3.0]], "source": "made", "meta": {"type": "motion"}},
        {"id": "box", "task": "object_tracking", "video": videos, "object": "the red square", "start_box": box_at(0),
         "times": times, "target": [box_at(time) for time in times], "source": "made"},
        {"id": "option", "task": "multiple_choice", "video": videos, "question": "Which colour?",
         "options": ["red", "green"], "target": "A", "source": "made", "meta": {"type": "colour"}},
        {"id": HOSTILE_ID, "task": "multiple_choice", "video": videos, "question": HOSTILE,
         "options": [HOSTILE, "no"], "target": "B", "source": HOSTILE},
    ]  # fmt: skip


def write_rows(path: Path, lines: Sequence[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def group(sample: str, task: str, texts: list[str], scores: list[float], name: str) -> dict[str, Any]:
    """A line of the rollouts' file: format always right, `scores` the component called `name`."""
    rewards = [1 + score for score in scores]
    mean = sum(rewards) / len(rewards)
    return {
        "id": sample,
        "task": task,
        "texts": texts,
        "reward": rewards,
        "components": {"format": [1.0] * len(texts), name: scores},
        "advantage": [reward - mean for reward in rewards],
        "truncated": [False] * (len(texts) - 1) + [True],
        "unparsed": [False] * len(texts),
        "tokens": [len(text) // 4 for text in texts],
        "frames": [[0.0, 1.0, 2.0, 3.0]],
    }


def step_rows(step: int) -> list[dict[str, Any]]:
    shift = 0.1 * step
    boxes = json.dumps([[round(value, 3) for value in box_at(time + shift)] for time in (0.5, 1.5, 3.0)])
    return [
        group("span", "temporal_grounding", [f"<answer>1.0 to {3 + shift:.1f}</answer>", "<answer>0.0 to 1.5</answer>"],
              [2 / (2 + shift), 1 / 6], "iou"),
        group("box", "object_tracking", [f"<answer>{boxes}</answer>", "<answer>nowhere</answer>"], [0.8, 0.0],
              "overlap"),
        group("option", "multiple_choice", ["<think>red</think><answer>A</answer>", "<answer>B</answer>"], [1.0, 0.0],
              "accuracy"),
        group(HOSTILE_ID, "multiple_choice", [f"{HOSTILE}<answer>B</answer>", HOSTILE], [1.0, 0.0], "accuracy"),
    ]  # fmt: skip


def make_run(folder: Path, *, steps: int = 3, lr: float = 1e-4, better: bool = True) -> Path:
    """FOLDER/run beside FOLDER/data with the samples and the film; returns the run."""
    data = folder / "data"
    if not (data / "samples.jsonl").exists():
        write_video(data / "videos" / "film.mp4", frames(), FPS, keyframe_interval=10, crf=12)
        write_rows(data / "samples.jsonl", rows())
    run = folder / "run"
    run.mkdir(parents=True)
    samples = load_samples(data / "samples.jsonl")
    config = {
        "method": "grpo",
        "model": {"path": "toyworld:base"},
        "data": {"train": str(data / "samples.jsonl"), "mode": "direct"},
        "rl": {"steps": steps},
        "optim": {"lr": lr},
        "eval": {"data": str(data / "samples.jsonl"), "every": 1},
    }
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    keep_samples(run, {"train": samples, "held_out": samples})
    metrics: list[dict[str, Any]] = [{"step": 0, "eval/temporal_grounding/miou": 20.0}]
    for step in range(1, steps + 1):
        write_rows(run / "rollouts" / f"step-{step:06d}.jsonl", step_rows(step))
        metrics.append({"step": step, "reward": 1.0 + 0.1 * step, "unparsed": 0.0, "loss": 0.5 / step})
    metrics.append({"step": steps, "eval/temporal_grounding/miou": 70.0})
    write_rows(run / "metrics.jsonl", metrics)
    write_rows(run / "watch.jsonl", [{"step": 2, "warning": "all groups have zero variance"}])
    for step in (0, steps):
        right = better and step == steps
        answers = [
            {"id": "span", "text": f"<answer>{'1.0 to 3.0' if right else '0.0 to 0.5'}</answer>", "truncated": False},
            {"id": "box", "text": "<answer>nowhere</answer>", "truncated": False},
            {"id": "option", "text": f"<answer>{'A' if right else 'B'}</answer>", "truncated": False},
            {"id": HOSTILE_ID, "text": HOSTILE, "truncated": True},
        ]
        write_rows(run / "answers" / f"step-{step:06d}.jsonl", answers)
    return run
