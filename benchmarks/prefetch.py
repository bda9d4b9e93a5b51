"""How long the first epoch waits for its videos, with them decoded ahead and without.

    python benchmarks/prefetch.py [--steps 12] [--rounds 3]

Real GRPO runs of the shipped small model on generated H.264 files that no step has seen before, each run with an empty
frame cache, in turns. *waiting*: wall seconds in which the step stood still until its media were there. The metrics of
all runs must be equal to the last digit.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import reeltune as rt
from reeltune.rollout.prefetch import Prefetch
from reeltune.video.encode import write_video

PER_STEP = 2


def make_samples(folder: Path, count: int, seconds: int = 8) -> Path:
    """Videos of 640 x 360 at 25 frames per second: a moving square over a still, textured ground."""
    ground = np.random.default_rng(0).integers(0, 120, (360, 640, 3), dtype=np.uint8)
    rows = []
    for number in range(count):
        frames = np.repeat(ground[None], 25 * seconds, axis=0)
        for index, frame in enumerate(frames):
            left = (7 * index + 31 * number) % 560
            frame[120:220, left : left + 80] = (250, 20 * number % 255, 40)
        write_video(folder / f"{number}.mp4", frames, 25)
        row = {"id": str(number), "task": "temporal_grounding", "video": f"{number}.mp4", "query": "the square moves"}
        rows.append(row | {"target": [[1.0, 5.0]]})
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(samples: Path, folder: Path, steps: int, prefetch: int) -> tuple[float, float, list[dict[str, Any]]]:
    """Seconds of the steps, seconds of them spent waiting, and the metrics; the first step, which has no step before it
    to decode in, counts too."""
    waited = 0.0
    take = Prefetch.take

    def timed(self: Prefetch, sample: Any) -> Any:
        nonlocal waited
        began = time.monotonic()
        try:
            return take(self, sample)
        finally:
            waited += time.monotonic() - began

    Prefetch.take = timed  # type: ignore[method-assign]
    try:
        rt.train(
            rt.recipe(
                "toy/grpo",
                f"data.train={samples}",
                f"run.dir={folder}/run",
                f"video.cache={folder}/cache",
                f"video.prefetch={prefetch}",
                f"rl.steps={steps}",
                f"rl.groups_per_step={PER_STEP}",
                "eval.every=0",
                "checkpoint.every=0",
                "rl.max_new_tokens=24",
            )
        )
    finally:
        Prefetch.take = take  # type: ignore[method-assign]
    timings = [json.loads(line) for line in (folder / "run" / "timings.jsonl").read_text().splitlines()]
    metrics = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
    return sum(row["seconds"] for row in timings), waited, metrics


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    found: dict[int, list[tuple[float, float]]] = {0: [], 1: []}
    with tempfile.TemporaryDirectory() as folder:
        samples = make_samples(Path(folder), args.steps * PER_STEP)
        first = None
        for number in range(args.rounds):
            for prefetch in (0, 1):
                place = Path(folder) / f"{number}-{prefetch}"
                seconds, waited, metrics = run(samples, place, args.steps, prefetch)
                first = first or metrics
                assert metrics == first, "a run that decodes ahead must be the same run"
                found[prefetch].append((seconds, waited))
                print(f"round {number}, prefetch {prefetch}: {seconds:.1f} s, waiting {waited:.1f} s", flush=True)
    print("| video.prefetch | seconds of the steps | waiting s | share of waiting |\n|---|---|---|---|")
    for prefetch, rows in found.items():
        share = median(waited / seconds for seconds, waited in rows)
        seconds, waited = (median(column) for column in zip(*rows, strict=True))
        print(f"| {prefetch} | {seconds:.1f} | {waited:.1f} | {100 * share:.0f} % |")
    ratios = [one[0] / two[0] for one, two in zip(found[0], found[1], strict=True)]
    print(f"without / with: {median(ratios):.2f}")


if __name__ == "__main__":
    main()
