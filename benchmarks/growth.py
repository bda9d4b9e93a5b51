"""How time and memory of each part grow with what it is given: one size at a time, the others as in the base.

    python benchmarks/growth.py                        learner, rollout, step, video, score
    python benchmarks/growth.py --parts learner --long     the learner's prompt up to P = 16447

The base is P 1087, C 64, G 8; four prompts in the rollout and the step. `n^` is the exponent between a row and the one
before it: 1 is linear. No row of a model may need memory that grows faster than its tokens; attention over the
prompt takes the time of P * P. Only ours is measured: the others are in learner.py, rollout.py and step.py.
"""

import argparse
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import harness
import torch
from learner_ways import backward, ours
from models import build_policy, make_completions, make_prompt, prompt_tokens
from rollout import decode
from selfcheck import scoring_files, time_command
from stages import Run, moving_squares

from reeltune.models.policy import Policy
from reeltune.video.clip import Clip

PATCHES, TOKENS, GROUP, PROMPTS = 16, 64, 8, 4
MEMORY_EXPONENT = 1.1
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
Cost = tuple[str, int, float, float]  # what varies, its size, seconds, bytes


def main() -> None:
    parts: dict[str, Callable[[argparse.Namespace], Iterator[Cost]]] = {
        "learner": learner, "rollout": rollout, "step": step, "video": video, "score": score,
    }  # fmt: skip
    arguments = harness.parser(__doc__, rounds=3)
    arguments.add_argument("--parts", nargs="+", choices=list(parts), default=list(parts))
    arguments.add_argument("--long", action="store_true", help="the learner's prompt up to P = 16447 too (7 GB)")
    options = arguments.parse_args()
    head = harness.start(options)
    verdicts, rows = harness.Verdicts(), []
    for part in options.parts:
        before: Cost | None = None
        for cost in parts[part](options):
            rows.append(_row(part, cost, before if before and before[0] == cost[0] else None))
            before = cost
            exponent = rows[-1]["memory n^"]
            if exponent is not None and part != "score":
                what = f"{part}, {cost[0]} {cost[1]}: memory's exponent"
                verdicts.check(what, exponent, MEMORY_EXPONENT, at_least=False)
            harness.write(options, {**head, "rows": rows, "goals": verdicts.rows})
    harness.table(rows)
    verdicts.show()


def _row(part: str, cost: Cost, before: Cost | None) -> dict[str, Any]:
    what, size, seconds, held = cost
    row: dict[str, Any] = {"part": part, "what": what, "size": size, "s": seconds, "MB": held / 1e6}
    growth = [None, None] if before is None else [
        math.log(now / then) / math.log(size / before[1]) for now, then in zip(cost[2:], before[2:], strict=True)
    ]  # fmt: skip
    return row | dict(zip(("time n^", "memory n^"), growth, strict=True))


def learner(options: argparse.Namespace) -> Iterator[Cost]:
    """Forward and backward of one group, tower included."""
    policy = build_policy()
    for patches in (4, 16, 64, 256) if options.long else (4, 16, 64):
        yield "P", prompt_tokens(patches), *_update(policy, patches, TOKENS, GROUP, options)
    for tokens in (32, 128, 512):
        yield "C", tokens, *_update(policy, PATCHES, tokens, GROUP, options)
    for group in (4, 16, 64):
        yield "G", group, *_update(policy, PATCHES, TOKENS, group, options)


def _update(policy: Policy, patches: int, tokens: int, group: int, options: argparse.Namespace) -> tuple[float, float]:
    completions = make_completions(policy, [tokens] * group, options.seed)
    return _cost(partial(backward, policy, ours, make_prompt(policy, patches, options.seed), completions), options)


@torch.no_grad()
def rollout(options: argparse.Namespace) -> Iterator[Cost]:
    """Frames to completions, four prompts at once unless their number varies."""
    policy = build_policy().eval()
    policy.stop_ids = ()

    def written(patches: int, tokens: int, group: int, count: int) -> tuple[float, float]:
        prompts = [make_prompt(policy, patches, options.seed + number) for number in range(count)]
        return _cost(partial(decode, policy, prompts, group, tokens, 1.0), options)

    for patches in (4, 16, 64):
        yield "P", prompt_tokens(patches), *written(patches, TOKENS, GROUP, PROMPTS)
    for tokens in (32, 128, 512):
        yield "C", tokens, *written(PATCHES, tokens, GROUP, PROMPTS)
    for group in (4, 16, 64):
        yield "G", group, *written(PATCHES, TOKENS, group, PROMPTS)
    for count in (1, 4, 16):
        yield "prompts", count, *written(PATCHES, TOKENS, GROUP, count)


def step(options: argparse.Namespace) -> Iterator[Cost]:
    """A whole training step, frames cached, every weight trained."""
    counts = (1, 2, 4, 8)
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            recipe: dict[str, dict[str, Any]] = {
                "model": {"freeze_vision": False},
                "rl": {
                    "steps": 100,
                    "groups_per_step": count,
                    "group_size": GROUP,
                    "max_new_tokens": TOKENS,
                    "kl": 0.0,
                },
            }
            size = {"videos": max(counts), "time_patches": PATCHES, "seed": options.seed}
            run = Run(Path(folder), f"{count} prompts", recipe=recipe, **size)
            for _ in range(max(counts) // count):
                run.step()  # until every video's frames are on disk
            held = harness.peak_bytes(run.step)
            yield "prompts", count, statistics.median(sum(run.step().values()) for _ in range(options.rounds)), held


def video(options: argparse.Namespace) -> Iterator[Cost]:
    """The tower over one clip, without gradient."""
    policy = build_policy().eval()
    for frames in (8, 32, 128):
        clip = Clip(moving_squares(frames, options.seed), torch.arange(frames).numpy() / 2.0, frames / 2.0, "growth")
        yield "frames", frames, *_cost(torch.no_grad()(partial(policy.encode, [clip])), options)


def score(options: argparse.Namespace) -> Iterator[Cost]:
    """`reeltune score` as a command; bytes are the most it had resident."""
    for lines in (1_000, 10_000, 100_000):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "reeltune", "score", *map(str, scoring_files(Path(folder), lines))]
            seconds = statistics.median(cpu for cpu, _ in time_command(command, options.rounds))
            # Through a small process: a child's peak counts what its parent held when it was made.
            peak = subprocess.run([sys.executable, "-c", PEAK, *command], check=True, capture_output=True, text=True)
        yield "lines", lines, seconds, int(peak.stdout) * 1024.0


def _cost(way: Callable[[], Any], options: argparse.Namespace) -> tuple[float, float]:
    """Median processor seconds, and the most bytes of tensors held at once."""
    held = harness.peak_bytes(way)
    return statistics.median(_seconds(way, options.rounds)), held


def _seconds(way: Callable[[], Any], rounds: int) -> Sequence[float]:
    found = []
    for _ in range(rounds):
        began = time.process_time()
        way()
        found.append(time.process_time() - began)
    return found


if __name__ == "__main__":
    main()
