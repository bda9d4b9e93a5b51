"""`reeltune plan SOURCE`: what a model's prompts cost, and of a recipe whether it fits and how long it takes."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reeltune.planning.answer import Answer
    from reeltune.planning.costs import PromptCost
    from reeltune.planning.hardware import Devices
    from reeltune.planning.source import Plan
    from reeltune.planning.step import StepCost

TERA, MIB = 1e12, 2**20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="a plan file, a recipe, or a model directory")
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="section.key=value", help="settings of a recipe or a plan file"
    )
    parser.add_argument(
        "--devices", default="1x80", metavar="NxGB", help="with a recipe: 8x80, 1x24, 2xH100 (default: 1x80)"
    )
    parser.add_argument("--vision", type=int, nargs="+", metavar="N", help="vision tokens of the prompts to plan")
    parser.add_argument("--text", type=int, metavar="N", help="text tokens of each prompt")
    parser.add_argument("--summary", action="store_true", help="omit the rows of the decoder layers")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the complete plan, with all layers, to FILE")


def run(args: argparse.Namespace) -> int:
    """Raises InputError for a source that cannot be read or planned."""
    from reeltune.files import write_json
    from reeltune.planning.answer import lines
    from reeltune.planning.hardware import parse_devices
    from reeltune.planning.source import read_plan

    devices = parse_devices(args.devices)
    plan = read_plan(args.source, args.overrides)
    text = plan.text_tokens if args.text is None else args.text
    counts = args.vision or plan.vision_tokens
    as_published = not (args.vision or args.overrides) and args.text is None
    pairs = [_costs(plan, text, count) for count in counts]
    print(_heading(plan))
    for number, (dense, routed) in enumerate(pairs):
        print()
        print("\n".join(_prompt_lines(plan, dense, routed, published=number == 0 and as_published)))
        if not args.summary:
            print("\n".join(_layer_lines(dense, routed or dense)))
    step, found = _step(plan, pairs[0][1] or pairs[0][0]), _answer(plan, pairs[0][1] or pairs[0][0], devices)
    if step and found:
        print()
        print("\n".join([*_step_lines(step), "", *lines(found)]))
    if args.json:
        write_json(args.json, _report(plan, pairs, step, found))
    return 0


def _costs(plan: "Plan", text: int, vision: int) -> "tuple[PromptCost, PromptCost | None]":
    from reeltune.errors import InputError
    from reeltune.planning.costs import prompt_cost

    if text < 0 or vision < 0 or text + vision == 0:
        raise InputError(f"a prompt needs at least one token; got --text {text} and --vision {vision}")
    dense = prompt_cost(plan.architecture, text_tokens=text, vision_tokens=vision)
    if plan.routing is None:
        return dense, None
    try:
        routed = prompt_cost(plan.architecture, text_tokens=text, vision_tokens=vision, routing=plan.routing)
    except ValueError as error:
        raise InputError(f"mixture_of_depths: {error}") from None
    return dense, routed


def _step(plan: "Plan", prompt: "PromptCost") -> "StepCost | None":
    from reeltune.planning.step import step_cost

    return step_cost(plan.recipe, plan.architecture, prompt) if plan.recipe else None


def _answer(plan: "Plan", prompt: "PromptCost", devices: "Devices") -> "Answer | None":
    from reeltune.planning.recipe import answer_recipe

    return answer_recipe(plan, prompt, devices) if plan.recipe else None


def _heading(plan: "Plan") -> str:
    decoder = plan.architecture.decoder
    line = f"{plan.name}: {decoder.layers} decoder layers, {plan.architecture.weights / 1e9:.3f} B weights"
    if plan.routing is None:
        return f"{line}; not routed (model.mixture_of_depths)"
    return f"{line}; p-MoD with schedule {plan.routing.schedule}"


def _prompt_lines(plan: "Plan", dense: "PromptCost", routed: "PromptCost | None", *, published: bool) -> list[str]:
    other = routed or dense
    lines = [
        f"{dense.vision_tokens} vision + {dense.text_tokens} text tokens" + " " * 20 + "dense    routed   share",
        _row("TFLOPs, paper's accounting (1)", dense.paper_flops / TERA, other.paper_flops / TERA),
    ]
    reference = plan.published if published else None
    if reference:
        lines.append(_row("  published", reference.dense_tflops, reference.routed_tflops))
    lines.append(_row("vision tokens' KV cache, % (1)", 100.0, 100 * other.vision_cache_share))
    if reference:
        lines.append(_row("  published", 100.0, reference.vision_cache_percent))
    lines += [
        _row("TFLOPs, as run (2)", dense.run_flops / TERA, other.run_flops / TERA),
        _row("  decoder linear maps", *(_sum(each, "linear_flops") for each in (dense, other))),
        _row("  decoder attention", *(_sum(each, "attention_flops") for each in (dense, other))),
        _row("  routers", *(_sum(each, "router_flops") for each in (dense, other))),
        _row("  vision tower and projector", dense.vision_flops / TERA, other.vision_flops / TERA),
        _row("KV cache with text, MiB of bfloat16", dense.cache_bytes / MIB, other.cache_bytes / MIB),
        "(1) decoder linear maps and output head at every position; no attention products, vision tower, routers",
        "(2) prefill: linear maps, causal attention products, routers, vision tower, output head at the last position",
    ]
    return lines


def _row(name: str, dense: float, routed: float) -> str:
    share = f"{100 * routed / dense:7.1f} %" if dense else ""
    return f"  {name:<37} {_number(dense):>9} {_number(routed):>9} {share}"


def _number(value: float) -> str:
    return f"{value:.3f}" if value < 1000 else f"{value:.0f}"


def _sum(cost: "PromptCost", field: str) -> float:
    return float(sum(getattr(layer, field) for layer in cost.layers)) / TERA


def _layer_lines(dense: "PromptCost", routed: "PromptCost") -> list[str]:
    lines = ["  layer   share  vision  tokens   GFLOPs   dense   KV MiB   dense"]
    for before, after in zip(dense.layers, routed.layers, strict=True):
        flops = [(each.linear_flops + each.attention_flops + each.router_flops) / 1e9 for each in (after, before)]
        share = "dense" if after.ratio is None else f"{after.ratio:.4f}"
        lines.append(
            f"  {after.layer:5d}  {share:>6}  {after.vision_tokens:6d}  {after.tokens:6d} {flops[0]:8.2f}"
            f"{flops[1]:8.2f} {after.cache_bytes / MIB:8.2f}{before.cache_bytes / MIB:8.2f}"
        )
    return lines


def _step_lines(step: "StepCost") -> list[str]:
    return [
        f"one step, at most: {step.groups} groups of {step.group_size}, P = {step.prompt_tokens}, C = "
        f"{step.completion_tokens}",
        f"  learner tokens, P + G*C per group      {step.learner_tokens}"
        f" (a row per completion: {step.separate_tokens})",
        f"  work                                   {step.flops / TERA:.3f} TFLOPs",
    ]


def _report(
    plan: "Plan",
    pairs: "list[tuple[PromptCost, PromptCost | None]]",
    step: "StepCost | None",
    found: "Answer | None",
) -> dict[str, Any]:
    return {
        "name": plan.name,
        "architecture": plan.architecture.model_dump(),
        "weights": plan.architecture.weights,
        "mixture_of_depths": plan.routing.model_dump(mode="json") if plan.routing else None,
        "accounting": {
            "paper": "decoder linear maps and output head at every position",
            "run": "linear maps, causal attention, routers, vision tower, output head at the last position",
        },
        "published": plan.published.model_dump() if plan.published else None,
        "prompts": [
            {"dense": _prompt_report(dense), "routed": _prompt_report(routed) if routed else None}
            for dense, routed in pairs
        ],
        "step": asdict(step) if step else None,
        "answer": found.report() if found else None,
    }


def _prompt_report(cost: "PromptCost") -> dict[str, Any]:
    sums = {"paper_flops": cost.paper_flops, "run_flops": cost.run_flops, "cache_bytes": cost.cache_bytes}
    return asdict(cost) | sums
