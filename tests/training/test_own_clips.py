"""The toy recipe on a user's own clips: samples written by hand, three steps, the shipped small model."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reeltune.cli import main
from reeltune.video.encode import write_video

ROOT = Path(__file__).parents[2]
CLIPS = ROOT.parent / "shared" / "data" / "videos"

# Written by looking at the two clips.
REAL = [
    {"task": "temporal_grounding", "video": "bigbuckbunny.mp4", "query": "the rabbit crawls out of its burrow",
     "duration": 5.28, "target": [[0.0, 2.0]]},
    {"task": "temporal_grounding", "video": "bigbuckbunny.mp4", "query": "the rabbit stretches its arms",
     "duration": 5.28, "target": [[2.0, 5.28]]},
    {"task": "temporal_grounding", "video": "bikes.mp4", "query": "a cyclist stands beside a dark van",
     "duration": 10.0, "target": [[3.04, 5.48]]},
    {"task": "temporal_grounding", "video": "bikes.mp4", "query": "a bicycle leans against a wall",
     "duration": 10.0, "target": [[7.48, 9.68]]},
    {"task": "multiple_choice", "video": "bikes.mp4", "question": "What stands in the street?",
     "options": ["a bicycle", "a horse", "a boat"], "target": "A"},
]  # fmt: skip


def train_on(rows: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    samples = folder / "samples.jsonl"
    samples.write_text("".join(json.dumps({"id": f"own-{n}", **row}) + "\n" for n, row in enumerate(rows)))
    assert main(["data", "check", str(samples), "--decode"]) == 0
    words = [f"data.train={samples}", "eval.every=0", "rl.steps=3", "rl.group_size=4", f"run.dir={folder / 'run'}"]
    assert main(["train", str(ROOT / "recipes" / "toy" / "grpo.yaml"), *words]) == 0
    assert (folder / "run" / "report.html").is_file()
    return [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]


def check(metrics: list[dict[str, Any]]) -> None:
    assert [row["step"] for row in metrics] == [1, 2, 3]
    assert all(row["quarantined"] == 0 and 0 <= row["temporal_grounding/iou"] <= 1 for row in metrics)


@pytest.mark.skipif(not CLIPS.is_dir(), reason=f"the real clips are not at {CLIPS}")
def test_real_clips_with_samples_written_by_hand(tmp_path: Path) -> None:
    for name in ("bigbuckbunny.mp4", "bikes.mp4"):
        (tmp_path / name).symlink_to(CLIPS / name)
    check(train_on(REAL, tmp_path))


def test_clips_made_here(tmp_path: Path) -> None:
    """A wide clip at 25 frames a second and a tall one at 30, both larger than the model's frames."""
    time = np.arange(75)[:, None, None, None]
    wide = np.broadcast_to((time * 3) % 256, (75, 136, 320, 3)).astype(np.uint8)
    tall = np.broadcast_to((time * 2 + 40) % 256, (75, 320, 180, 3)).astype(np.uint8)
    write_video(tmp_path / "wide.mp4", wide, 25.0)
    write_video(tmp_path / "tall.mp4", tall, 30.0)
    rows = [
        {"task": "temporal_grounding", "video": "wide.mp4", "query": "it is bright", "duration": 3.0,
         "target": [[1.5, 3.0]]},
        {"task": "temporal_grounding", "video": "tall.mp4", "query": "it is dark", "duration": 2.5,
         "target": [[0.0, 1.0]]},
    ]  # fmt: skip
    check(train_on(rows, tmp_path))
