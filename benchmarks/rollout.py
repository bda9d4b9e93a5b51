"""Decoding G completions of several prompts: ours against `generate(num_return_sequences=G)` and one call each.

    python benchmarks/rollout.py
    python benchmarks/rollout.py --patches 4 16 48 --rounds 5
    python benchmarks/rollout.py --model DIR               a model of one's own, of any supported family
    python benchmarks/rollout.py --device cuda --shape 7b --dtype bfloat16 --patches 64 256 --tokens 256

All start from frames, so the tower is part of the prefill, and write exactly `--tokens` tokens: end tokens are
forbidden. Before any timing, greedy completions of ours and of generate are compared token by token. `kept` is ours
as training runs it where the update goes on from the prompts: each in a graph of its own. `of matmul` is the
utilization: the operations that the completions need (flops.py), per second, over the rate of one large matrix
product in the same process.
"""

import argparse
import statistics
from functools import partial
from typing import Any

import harness
import torch
from flops import forward_flops, matmul_rate
from torch import Tensor

from models import add_model_arguments, forbid_ends, make_prompt, open_policy
from reeltune.models.policy import Policy
from reeltune.models.shared_prefix.row import prefill
from reeltune.models.types import Completions, Group, Prompt
from reeltune.rollout.engine import Request, SamplingParams
from reeltune.rollout.hf import HFEngine

GOAL = 3.0


def main() -> None:
    arguments = harness.parser(__doc__)
    arguments.add_argument("--patches", type=int, nargs="+", default=[16], help="time patches (two frames each)")
    arguments.add_argument("--prompts", type=int, default=4)
    arguments.add_argument("--tokens", type=int, default=64)
    arguments.add_argument("--group-size", type=int, default=8)
    arguments.add_argument("--no-single", action="store_true", help="leave out one call per completion")
    add_model_arguments(arguments)
    options = arguments.parse_args()
    head = harness.start(options)
    policy = open_policy(options).eval()
    forbid_ends(policy)
    verdicts, rows, cases = harness.Verdicts(), [], []
    for patches in options.patches:
        case = measure(policy, patches, options)
        cases.append(case)
        rows.append(summary(case, options))
        place = f"P {case['P']}, C {options.tokens}, G {options.group_size}, {options.prompts} prompts"
        faster = harness.ratio(case["seconds"], "generate", "ours")
        verdicts.check(f"{place}: generate / ours", faster, GOAL, at_least=True)
    harness.table(rows)
    verdicts.show()
    harness.write(options, {**head, "cases": cases, "goals": verdicts.rows})


@torch.no_grad()
def measure(policy: Policy, patches: int, options: argparse.Namespace) -> dict[str, Any]:
    prompts = [make_prompt(policy, patches, options.seed + number) for number in range(options.prompts)]
    ours = partial(decode, policy, prompts, options.group_size, options.tokens)
    generate = partial(stock, policy, prompts, options.group_size, options.tokens)
    differing = int((ours(0.0) != generate(0.0)).any(1).sum())
    if differing and policy.model.dtype == torch.float32:
        raise SystemExit(f"greedy completions differ from generate's in {differing} of {options.prompts} rows")
    ways = {"ours": partial(ours, 1.0), "generate": partial(generate, 1.0)}
    ways["kept"] = partial(ours, 1.0, keep_graph=True)
    if not options.no_single:
        ways["single"] = partial(one_by_one, policy, prompts, options.group_size, options.tokens)
    first = {
        "ours": partial(prefill_alone, policy, prompts),
        "generate": partial(stock, policy, prompts, options.group_size, 1, 1.0),
    }
    case: dict[str, Any] = {"P": len(prompts[0]), "greedy_rows_that_differ": differing}
    case["flops"] = options.prompts * forward_flops(policy, prompts[0], options.tokens, options.group_size)
    case["matmul_rate"] = matmul_rate(options.device, policy.model.dtype)
    case["peak_bytes"] = {
        name: harness.peak_bytes(way, options.device) for name, way in ways.items() if name != "single"
    }
    case["seconds"] = harness.interleave(ways, options.rounds, device=options.device)
    case["prefill_seconds"] = harness.interleave(first, options.rounds, device=options.device)
    return case


def decode(
    policy: Policy, prompts: list[Prompt], group_size: int, tokens: int, temperature: float, *, keep_graph: bool = False
) -> Tensor:
    features = policy.encode([prompt.clip for prompt in prompts])
    requests = [Request(*pair, seed=number) for number, pair in enumerate(zip(prompts, features, strict=True))]
    params = SamplingParams(temperature=temperature, max_new_tokens=tokens)
    rollouts = HFEngine(policy).generate(requests, group_size, params, keep_graph=keep_graph)
    return torch.cat([rollout.completions.ids for rollout in rollouts])


def prefill_alone(policy: Policy, prompts: list[Prompt]) -> None:
    features = policy.encode([prompt.clip for prompt in prompts])
    prefill(policy, [Group(*pair, Completions.empty()) for pair in zip(prompts, features, strict=True)])


def stock(policy: Policy, prompts: list[Prompt], group_size: int, tokens: int, temperature: float) -> Tensor:
    """transformers' generate on all prompts at once, G sequences returned for each."""
    ids = torch.stack([prompt.input_ids for prompt in prompts]).to(policy.device)
    shown = [policy.family.stock_inputs(row[None], prompt.media) for row, prompt in zip(ids, prompts, strict=True)]
    timing = {}
    if policy.config.model_type == "qwen2_5_vl":
        clips = [prompt.clip for prompt in prompts]
        timing["second_per_grid_ts"] = torch.tensor([2 * clip.duration / len(clip.frames) for clip in clips])
    sampling = (
        {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0} if temperature else {"do_sample": False}
    )
    output: Tensor = policy.model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        **{name: torch.cat([each[name] for each in shown]) for name in shown[0]},
        suppress_tokens=policy.banned.tolist(),
        min_new_tokens=tokens,
        max_new_tokens=tokens,
        num_return_sequences=group_size if temperature else 1,
        **timing,
        **sampling,
    )
    written = output[:, ids.shape[1] :].cpu()
    return written if temperature else written.repeat_interleave(group_size, dim=0)


def one_by_one(policy: Policy, prompts: list[Prompt], group_size: int, tokens: int) -> None:
    for prompt in prompts:
        for _ in range(group_size):
            stock(policy, [prompt], 1, tokens, 1.0)


def summary(case: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    written = options.prompts * options.group_size * options.tokens
    row: dict[str, Any] = {"P": case["P"], "C": options.tokens, "G": options.group_size, "prompts": options.prompts}
    row |= {f"{name} tok/s": written / statistics.median(each) for name, each in case["seconds"].items()}
    row |= {f"{name} prefill s": statistics.median(each) for name, each in case["prefill_seconds"].items()}
    row |= {f"{name} MB": peak / 1e6 for name, peak in case["peak_bytes"].items()}
    needed = case["flops"] / case["matmul_rate"]
    row |= {f"{name} of matmul": needed / statistics.median(case["seconds"][name]) for name in ("ours", "generate")}
    row["generate / ours"] = harness.ratio(case["seconds"], "generate", "ours")
    if "single" in case["seconds"]:
        row["single / ours"] = harness.ratio(case["seconds"], "single", "ours")
    return row


if __name__ == "__main__":
    main()
