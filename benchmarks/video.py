"""Decoding and encoding as a share of training time: first epoch, later epochs, and a second run on the same disk.

    python benchmarks/video.py
    python benchmarks/video.py --videos 16 --patches 48

A GRPO run with a frozen tower, as recipes have it by default. The first epoch decodes each MP4 and encodes each clip
once; later epochs read frames from disk and features from memory, a later run reads both from disk. With
`--memory-gib 0` every epoch reads features from disk.
"""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import harness
from stages import Run, with_run

GOAL = 0.02


def main() -> None:
    arguments = harness.parser(__doc__, rounds=2)
    arguments.add_argument("--videos", type=int, default=8)
    arguments.add_argument("--patches", type=int, default=16)
    arguments.add_argument("--tokens", type=int, default=64)
    arguments.add_argument("--memory-gib", type=float, default=2.0)
    options = arguments.parse_args()
    head = harness.start(options)
    verdicts, rows = harness.Verdicts(), []
    recipe: dict[str, dict[str, Any]] = {
        "model": {"freeze": ["vision", "projector"]},
        "video": {"feature_cache_gib": options.memory_gib},
        "rl": {
            "steps": 10_000, "groups_per_step": 4, "group_size": 8, "max_new_tokens": options.tokens, "kl": 0.0,
        },
    }  # fmt: skip
    steps = options.videos // 4
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = {"videos": options.videos, "time_patches": options.patches, "seed": options.seed}

        def epochs(run: Run) -> list[dict[str, Any]]:
            return [epoch(run, f"epoch {number + 1}", steps) for number in range(options.rounds + 1)]

        rows += with_run(folder, "first", epochs, recipe=recipe, **size)
        rows.append(
            with_run(folder, "second", partial(epoch, what="new run, epoch 1", steps=steps), recipe=recipe, **size)
        )
    harness.table(rows)
    for row in rows[1:]:
        verdicts.check(f"{row['what']}: videos and prompts of step time", row["share"], GOAL, at_least=False)
    verdicts.show()
    harness.write(options, {**head, "epochs": rows, "goals": verdicts.rows})


def epoch(run: Run, what: str, steps: int) -> dict[str, Any]:
    stages = [run.step() for _ in range(steps)]
    total = {stage: sum(step[stage] for step in stages) for stage in stages[0]}
    whole = sum(total.values())
    frames, features = run.reader.frames, run.reader.features.disk
    return {
        "what": what,
        "steps": steps,
        "seconds": whole,
        "videos and prompts s": total["videos and prompts"],
        "share": total["videos and prompts"] / whole,
        "decoded so far": frames.misses,
        "encoded so far": features.misses if features else None,
    }


if __name__ == "__main__":
    main()
