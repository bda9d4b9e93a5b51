"""How time and memory of each part grow with what it is given: one size at a time, the others as in the base.

    python benchmarks/growth.py                        learner, passes, rollout, step, video, score
    python benchmarks/growth.py --parts learner --long     the learner's prompt up to P = 16447

The base is P 1087, C 64, G 8; four prompts in the rollout and the step. `n^` is the exponent between a row and the one
before it: 1 is linear, less has a part that does not grow. Judged is the memory's at the end of each sweep, where the
part that grows rules; attention over the prompt takes the time of P * P. Only ours is measured, and compared with
nothing: that is done in learner.py, rollout.py and step.py.
"""

import argparse
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import harness
import torch
from learner_ways import backward, ours
from selfcheck import scoring_files, time_command
from stages import Run, moving_squares, with_run

from models import build_policy, forbid_ends, make_completions, make_prompt, prompt_tokens
from reeltune.models.policy import Policy
from reeltune.models.shared_prefix.row import group_log_probs
from reeltune.models.types import Group
from reeltune.video.clip import Clip
from rollout import decode

PATCHES, TOKENS, GROUP, PROMPTS = 16, 64, 8, 4
# Memory quadratic in P + G * C would show 1.3 at least at the end of a sweep.
MEMORY_EXPONENT = 1.15
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
Cost = tuple[str, int, int, list[float], float]  # what varies, its size, tokens, seconds of each round, bytes


def main() -> None:
    parts: dict[str, Callable[[argparse.Namespace], Iterator[Cost]]] = {
        "learner": learner, "passes": passes, "rollout": rollout, "step": step, "video": video, "score": score,
    }  # fmt: skip
    arguments = harness.parser(__doc__)
    arguments.add_argument("--parts", nargs="+", choices=list(parts), default=list(parts))
    arguments.add_argument("--long", action="store_true", help="the learner's prompt up to P = 16447 too (7 GB)")
    options = arguments.parse_args()
    head = harness.start(options)
    verdicts, rows, raw = harness.Verdicts(), [], []
    for part in options.parts:
        costs = list(parts[part](options))
        raw += [[part, *cost] for cost in costs]
        for number, cost in enumerate(costs):
            before = costs[number - 1] if number and costs[number - 1][0] == cost[0] else None
            rows.append(_row(part, cost, before))
            ends = number + 1 == len(costs) or costs[number + 1][0] != cost[0]
            if ends and part not in ("passes", "score"):
                what = f"{part}, {cost[0]} {cost[1]}: memory's exponent"
                verdicts.check(what, rows[-1]["memory n^"], MEMORY_EXPONENT, at_least=False)
        harness.write(options, {**head, "rows": rows, "raw": raw, "goals": verdicts.rows})
    harness.table(rows)
    verdicts.show()


def _row(part: str, cost: Cost, before: Cost | None) -> dict[str, Any]:
    what, size, tokens, seconds, held = cost
    median = statistics.median(seconds)
    row: dict[str, Any] = {"part": part, "what": what, "size": size, "tokens": tokens, "s": median, "MB": held / 1e6}
    row |= {"time n^": None, "memory n^": None}
    if before is not None:
        larger = math.log(size / before[1])
        row["time n^"] = math.log(median / statistics.median(before[3])) / larger
        row["memory n^"] = math.log(held / before[4]) / larger
    return row


def learner(options: argparse.Namespace) -> Iterator[Cost]:
    """Forward and backward of one group, tower included."""
    policy = build_policy()
    for patches in (4, 16, 64, 256) if options.long else (4, 16, 64):
        yield "P", prompt_tokens(patches), *_update(policy, patches, TOKENS, GROUP, options)
    for tokens in (32, 128, 512):
        yield "C", tokens, *_update(policy, PATCHES, tokens, GROUP, options)
    for group in (4, 16, 64):
        yield "G", group, *_update(policy, PATCHES, TOKENS, group, options)


def _update(
    policy: Policy, patches: int, tokens: int, group: int, options: argparse.Namespace
) -> tuple[int, list[float], float]:
    completions = make_completions(policy, [tokens] * group, options.seed)
    prompt = make_prompt(policy, patches, options.seed)
    return len(prompt) + group * tokens, *_cost(partial(backward, policy, ours, prompt, completions), options)


def passes(options: argparse.Namespace) -> Iterator[Cost]:
    """Eight groups of P 319 in one, two, four and eight passes: what packing them better could gain at most."""
    policy = build_policy()
    prompts = [make_prompt(policy, 4, options.seed + number) for number in range(8)]
    completions = make_completions(policy, [TOKENS] * GROUP, options.seed)

    def update(count: int) -> None:
        policy.zero_grad(set_to_none=True)
        for start in range(0, len(prompts), len(prompts) // count):
            part = prompts[start : start + len(prompts) // count]
            features = policy.encode([prompt.clip for prompt in part])
            groups = [Group(*pair, completions) for pair in zip(part, features, strict=True)]
            torch.stack([each.sum() for each in group_log_probs(policy, groups)]).sum().backward()

    for count in (1, 2, 4, 8):
        tokens = len(prompts) * (len(prompts[0]) + GROUP * TOKENS)
        yield "passes", count, tokens, *_cost(partial(update, count), options)


@torch.no_grad()
def rollout(options: argparse.Namespace) -> Iterator[Cost]:
    """Frames to completions, four prompts at once unless their number varies."""
    policy = build_policy().eval()
    forbid_ends(policy)

    def written(patches: int, tokens: int, group: int, count: int) -> tuple[int, list[float], float]:
        prompts = [make_prompt(policy, patches, options.seed + number) for number in range(count)]
        size = count * (len(prompts[0]) + group * tokens)
        return size, *_cost(partial(decode, policy, prompts, group, tokens, 1.0), options)

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
                "model": {"freeze": []},
                "rl": {
                    "steps": 100,
                    "groups_per_step": count,
                    "group_size": GROUP,
                    "max_new_tokens": TOKENS,
                    "kl": 0.0,
                },
            }
            size = {"videos": max(counts), "time_patches": PATCHES, "seed": options.seed}

            def cost(run: Run, count: int = count) -> tuple[list[float], float]:
                for _ in range(max(counts) // count):
                    run.step()  # until every video's frames are on disk
                held = harness.peak_bytes(run.step)
                return [sum(run.step().values()) for _ in range(options.rounds)], held

            seconds, held = with_run(Path(folder), f"{count} prompts", cost, recipe=recipe, **size)
            yield "prompts", count, count * (prompt_tokens(PATCHES) + GROUP * TOKENS), seconds, held


def video(options: argparse.Namespace) -> Iterator[Cost]:
    """The tower over one clip, without gradient."""
    policy = build_policy().eval()
    for frames in (8, 32, 128):
        clip = Clip(moving_squares(frames, options.seed), torch.arange(frames).numpy() / 2.0, frames / 2.0, "growth")
        yield "frames", frames, frames, *_cost(torch.no_grad()(partial(policy.encode, [clip])), options)


def score(options: argparse.Namespace) -> Iterator[Cost]:
    """`reeltune score` as a command; bytes are the most it had resident."""
    for lines in (1_000, 10_000, 100_000):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "reeltune", "score", *map(str, scoring_files(Path(folder), lines))]
            seconds = [cpu for cpu, _ in time_command(command, options.rounds)]
            # Through a small process: a child's peak counts what its parent held when it was made.
            peak = subprocess.run([sys.executable, "-c", PEAK, *command], check=True, capture_output=True, text=True)
        yield "lines", lines, lines, seconds, int(peak.stdout) * 1024.0


def _cost(way: Callable[[], Any], options: argparse.Namespace) -> tuple[list[float], float]:
    """Processor seconds of each round, and the most bytes of tensors held at once."""
    held = harness.peak_bytes(way)
    return harness.interleave({"ours": way}, options.rounds, warm_up=False)["ours"], held


if __name__ == "__main__":
    main()
