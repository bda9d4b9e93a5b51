"""Forward and backward of one optimizer step for one group: ours against duplicated rows, TRL's path and the floor.

    python benchmarks/learner.py                      the two shapes with goals, all ways
    python benchmarks/learner.py --shape hybrid --ways ours rows floor        a Qwen3.5 of 8M parameters
    python benchmarks/learner.py --grid               P 256, 1k, 4k x C 32, 128, 512 x G 4, 8, 16: ours, rows, floor
    python benchmarks/learner.py --trl                TRL 1.16's loss path too (pip install 'trl==1.16.*')
    python benchmarks/learner.py --model DIR --cell 16 64 8 --ways ours rows floor        a model of one's own
    python benchmarks/learner.py --device cuda --shape 7b --dtype bfloat16        7B shapes on a GPU
    python benchmarks/learner.py --device cuda --shape 7b --dtype bfloat16 --checkpointing --cell 256 256 8

Rows that need more memory than there is go in slices with their gradients added up, as micro-batches do.

A prompt is T time patches of 64 vision tokens and 63 other tokens (T = 4, 16, 48, 64 gives P = 319, 1087, 3135,
4159); of another family than Qwen2-VL and Qwen2.5-VL, what it makes of 2 T frames and a short question. Every way
starts from frames: the tower runs, with gradient, once (ours, floor) or G times (rows). `after
rollout` is what is left of ours in a run, where the rollout of the same step has computed tower and prompt already:
less work than the others', so no goal is set against it (step.py compares whole steps).
`of matmul` is the utilization: the operations that the result needs (flops.py), per second, over the rate of one
large matrix product in the same process.
Before any timing, log-probs and gradients of all exact ways are compared with those of duplicated rows.
"""

import argparse
import statistics
from collections.abc import Sequence
from functools import partial
from typing import Any

import harness
import torch
from flops import forward_flops, matmul_rate
from learner_ways import AFTER_ROLLOUT, EXACT, WAYS, AfterRollout, backward, backward_in_slices

from models import add_model_arguments, make_completions, make_prompt, open_policy, prompt_tokens
from reeltune.models.policy import Policy

GOALS = {(16, 64, 8): 7.8, (48, 64, 8): 10.4}  # (time patches, C, G): times faster than rows
HYBRID = (13, 64, 8)  # about 1087 tokens with the times that a Qwen3.5 writes as text
HYBRID_GOAL, HYBRID_FLOOR = 5.0, 1.1
GRID = [(patches, c, g) for patches in (4, 16, 64) for c in (32, 128, 512) for g in (4, 8, 16)]
GPU = [(64, 256, 8)]
CPU_LIMIT = 12e9


def main() -> None:
    arguments = harness.parser(__doc__)
    arguments.add_argument("--grid", action="store_true")
    arguments.add_argument("--cell", type=int, nargs=3, metavar=("T", "C", "G"), help="one shape: time patches, C, G")
    arguments.add_argument("--ways", nargs="+", choices=[*WAYS, AFTER_ROLLOUT], help="these ways alone")
    arguments.add_argument("--trl", action="store_true", help="also time TRL's loss path at equal tokens")
    add_model_arguments(arguments)
    options = arguments.parse_args()
    if options.trl and options.model:
        raise SystemExit("--trl goes with the benchmark's own model: TRL's images are made to its sizes")
    head = harness.start(options)
    policy = open_policy(options)
    cells, names = _plan(options)
    names = [*(options.ways or names), *(["trl"] if options.trl and options.ways else [])]
    cells = [HYBRID] if options.shape == "hybrid" else cells
    cells = [tuple(options.cell)] if options.cell else cells
    # Checkpointing has no kept prompt: its activations would be dropped and computed again.
    names = [name for name in names if not (options.checkpointing and name == AFTER_ROLLOUT)]
    verdicts, rows, cases = harness.Verdicts(), [], []
    for cell in cells:
        case = measure(policy, cell, names, options)
        cases.append(case)
        rows.append(summary(case))
        harness.table(rows[-1:])
        judge(case, verdicts, goals=options.model is None and options.shape != "hybrid")
        if options.shape == "hybrid" and cell == HYBRID:
            judge_hybrid(case, verdicts)
        harness.write(options, {**head, "cases": cases, "goals": verdicts.rows})
    print()
    harness.table(rows)
    verdicts.show()


def _plan(options: argparse.Namespace) -> tuple[Sequence[tuple[int, int, int]], list[str]]:
    if options.grid:
        return GRID, ["ours", AFTER_ROLLOUT, "rows", "floor"]
    if options.device.startswith("cuda"):
        return GPU, ["ours", AFTER_ROLLOUT, "rows", "floor"]
    return list(GOALS), [AFTER_ROLLOUT, *WAYS, *(["trl"] if options.trl else [])]


def measure(
    policy: Policy, cell: tuple[int, int, int], names: Sequence[str], options: argparse.Namespace
) -> dict[str, Any]:
    """Equality, memory and interleaved timings of one (time patches, C, G)."""
    patches, c, g = cell
    prompt = make_prompt(policy, patches, options.seed)
    completions = make_completions(policy, [c] * g, options.seed)
    run: dict[str, Any] = {
        name: partial(backward, policy, WAYS[name], prompt, completions) for name in names if name in WAYS
    }
    if AFTER_ROLLOUT in names:
        run[AFTER_ROLLOUT] = AfterRollout(policy, prompt, completions)
    case: dict[str, Any] = {"P": len(prompt), "C": c, "G": g}
    if "ours" not in run or "floor" not in run:
        raise SystemExit("--ways: give ours and floor too; everything is measured against them")
    if c < 2:
        raise SystemExit(f"--cell: completions have two tokens at least here, got C = {c}")
    case["peak_bytes"] = {"ours": peak_bytes(policy, run["ours"], options.device)}
    case["flops"] = 3 * forward_flops(policy, prompt, c, g)
    case["matmul_rate"] = matmul_rate(options.device, policy.model.dtype)
    tokens = case["P"] + g * c
    # What a row holds grows with its tokens alone; ours tells how much a token needs.
    expected = case["peak_bytes"]["ours"] * g * (case["P"] + c) / tokens
    if "rows" in run and expected > (limit := memory_limit(options.device)):
        at_once = max(1, int(g * limit / expected))
        case["rows_at_once"] = at_once
        print(f"rows at P {case['P']}, C {c}, G {g}: {at_once} at once, all {g} would need {expected / 1e9:.0f} GB")
        run["rows"] = partial(backward_in_slices, policy, prompt, completions, at_once)
    case["equality"] = check_equality(policy, run)
    if "rows" in run and "rows_at_once" not in case:
        case["peak_bytes"]["rows"] = peak_bytes(policy, run["rows"], options.device)
    if "trl" in names:
        from trl_peer import TRLPeer

        peer = TRLPeer(policy, patches, completions, options.seed)
        case["trl_equality"] = peer.check()
        run["trl"] = peer.backward
    case["seconds"] = harness.interleave(run, options.rounds, device=options.device, warm_up=options.rounds > 1)
    return case


def memory_limit(device: str) -> float:
    """Bytes that one way may take: more and the rows go in slices, as a trainer's micro-batches do."""
    return 0.7 * torch.cuda.mem_get_info()[0] if device.startswith("cuda") else CPU_LIMIT


def peak_bytes(policy: Policy, way: Any, device: str) -> int:
    """With the gradients it makes, whichever way ran before."""
    policy.zero_grad(set_to_none=True)
    return harness.peak_bytes(way, device)


def check_equality(policy: Policy, run: dict[str, Any]) -> dict[str, float]:
    """Largest differences from duplicated rows: of log-probs, and of gradients relative to the largest gradient."""
    if "rows" not in run:
        return {}
    wanted = run["rows"]()["log_probs"]
    gradients = [p.grad.clone() for p in policy.parameters() if p.grad is not None]
    scale = max(float(gradient.abs().max()) for gradient in gradients)
    exact = policy.device.type == "cpu" and policy.model.dtype == torch.float32
    found = {}
    for name in run:
        if name in EXACT and name != "rows":
            difference = float((run[name]()["log_probs"] - wanted).abs().max())
            pairs = zip([p.grad for p in policy.parameters() if p.grad is not None], gradients, strict=True)
            slope = float(torch.stack([(got - gradient).abs().max() for got, gradient in pairs]).max()) / scale
            found |= {f"{name} log-probs": difference, f"{name} gradients": slope}
            limit = 1e-4 if exact else 0.3
            if not (difference <= limit and slope <= limit):
                raise SystemExit(
                    f"{name} differs from duplicated rows: {difference:.2g} log-probs, {slope:.2g} gradients"
                )
    return found


def summary(case: dict[str, Any]) -> dict[str, Any]:
    seconds, memory = case["seconds"], case["peak_bytes"]
    row: dict[str, Any] = {key: case[key] for key in "PCG"}
    row |= {f"{name} s": statistics.median(values) for name, values in seconds.items()}
    row["rows / ours"] = harness.ratio(seconds, "rows", "ours") if "rows" in seconds else None
    if "rows" in seconds and AFTER_ROLLOUT in seconds:
        row["rows / after rollout"] = harness.ratio(seconds, "rows", AFTER_ROLLOUT)
    row["ours / floor"] = harness.ratio(seconds, "ours", "floor")
    for name in ("ours", "rows"):
        needed = case["flops"] / case["matmul_rate"]
        row[f"{name} of matmul"] = needed / statistics.median(seconds[name]) if name in seconds else None
    row["ours MB"] = memory["ours"] / 1e6
    row["rows MB"] = memory["rows"] / 1e6 if "rows" in memory else None
    return row


def judge(case: dict[str, Any], verdicts: harness.Verdicts, *, goals: bool) -> None:
    place = f"P {case['P']}, C {case['C']}, G {case['G']}"
    seconds, memory = case["seconds"], case["peak_bytes"]
    goal = next((value for (patches, c, g), value in GOALS.items() if case["P"] == prompt_tokens(patches)
                 and (case["C"], case["G"]) == (c, g) and goals), None)  # fmt: skip
    if "rows" in seconds:
        verdicts.check(
            f"{place}: rows / ours, seconds", harness.ratio(seconds, "rows", "ours"), goal or 1.0, at_least=True
        )
    if goal and "rows" in seconds:
        verdicts.check(f"{place}: ours / floor, seconds", harness.ratio(seconds, "ours", "floor"), 1.05, at_least=False)
        verdicts.check(f"{place}: rows / ours, peak memory", memory["rows"] / memory["ours"], 3.0, at_least=True)


def judge_hybrid(case: dict[str, Any], verdicts: harness.Verdicts) -> None:
    place, seconds = f"hybrid, P {case['P']}, C {case['C']}, G {case['G']}", case["seconds"]
    if "rows" in seconds:
        faster = harness.ratio(seconds, "rows", "ours")
        verdicts.check(f"{place}: rows / ours, seconds", faster, HYBRID_GOAL, at_least=True)
    floor = harness.ratio(seconds, "ours", "floor")
    verdicts.check(f"{place}: ours / floor, seconds", floor, HYBRID_FLOOR, at_least=False)


if __name__ == "__main__":
    main()
