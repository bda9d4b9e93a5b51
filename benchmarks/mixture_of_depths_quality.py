"""What routing costs in quality: the same small model fine-tuned dense and routed on equal samples of toyworld.

Every variant sees the same samples in the same order (the seed decides both) and is asked the same held-out
questions, greedily. Runs that are done are kept in --dir and not repeated.

p-MoD rests on deep layers that hardly need most vision tokens. The shipped model has four layers and needs them all;
`--layers 8` gives it four more, which change nothing until they are trained. The schedule's mean share is the same.
"""

import argparse
import copy
import json
import statistics
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import harness

from reeltune.build import build_answerer
from reeltune.config.mixture_of_depths import MixtureOfDepthsConfig
from reeltune.config.recipe import Recipe, ToyworldConfig, parse_recipe
from reeltune.data.sources import load_sources, resolve_model
from reeltune.evaluation.runner import answer_all, metrics_by_task
from reeltune.files import write_json
from reeltune.models.mixture_of_depths.schedule import layer_ratios, mean_ratio
from reeltune.models.policy import load_policy
from reeltune.sample import Sample
from reeltune.training.train import train
from reeltune.video.quarantine import Quarantine

VARIANTS: dict[str, dict[str, Any] | None] = {
    "dense": None,
    "p-MoD": {},
    "p-MoD, random start": {"router_std": 0.02},
    "linear schedule": {"schedule": "linear"},
    "constant ratio": {"schedule": "constant"},
    "interleaved layers": {"schedule": "interleaved"},
    "softmax weight": {"weight": "softmax"},
    "sigmoid weight": {"weight": "sigmoid"},
    "one-sided weight": {"scale_skipped": False},
}
TASKS = ("multiple_choice", "temporal_grounding")
GOAL = -1.0
METRICS = {"multiple_choice": "accuracy", "temporal_grounding": "miou"}


def make_recipe(variant: str, seed: int, args: argparse.Namespace) -> Recipe:
    tree = {
        "method": "sft",
        "seed": seed,
        "model": {"path": str(base_model(args)), "mixture_of_depths": VARIANTS[variant]},
        "data": {"train": [f"toyworld:train/{task}" for task in TASKS], "mode": "direct"},
        "video": {"fps": 2, "min_frame_pixels": 4096, "max_frame_pixels": 4096},
        "sft": {"steps": args.steps, "samples_per_step": 16},
        "optim": {"lr": args.lr, "schedule": "cosine", "warmup_steps": 5},
        "checkpoint": {"every": 0, "keep": 1},
        "toyworld": {
            "dir": str(args.dir / "toyworld"),
            "train_videos": args.videos[0],
            "held_out_videos": args.videos[1],
        },
        "run": {"dir": str(args.dir / run_name(variant, seed, args))},
    }
    return parse_recipe(tree, where=variant)


def run_name(variant: str, seed: int, args: argparse.Namespace) -> str:
    """All that a result depends on, so that another command never takes it for its own."""
    base = Path(args.base).name.replace(":", "-")
    parts = [
        variant.replace(",", "").replace(" ", "-"),
        base,
        f"{args.layers}-layers",
        f"{args.steps}-steps",
        f"lr-{args.lr:g}",
    ]
    return "-".join([*parts, f"{args.videos[0]}-{args.videos[1]}-videos", f"seed-{seed}"])


def base_model(args: argparse.Namespace) -> Path:
    """The model that all variants start from: --base, with more layers where --layers asks for them."""
    path = resolve_model(args.base, ToyworldConfig())
    if args.layers == layers_of(path):
        return path
    directory: Path = args.dir / f"{Path(args.base).name.replace(':', '-')}-of-{args.layers}-layers"
    if not directory.exists():
        policy = load_policy(path)
        layers = policy.language_model.layers
        while len(layers) < args.layers:
            layer = copy.deepcopy(layers[-1])
            layer.self_attn.layer_idx = len(layers)
            # Both branches add 0 to the residual stream: the model says what it said before.
            layer.self_attn.o_proj.weight.data.zero_()
            layer.mlp.down_proj.weight.data.zero_()
            layers.append(layer)
        policy.text_config.num_hidden_layers = len(layers)
        unfinished = directory.with_name(f".{directory.name}")
        policy.save(unfinished)
        unfinished.rename(directory)
    return directory


def layers_of(path: Path) -> int:
    config = json.loads((path / "config.json").read_text())
    return int(config.get("text_config", config)["num_hidden_layers"])


def held_out(recipe: Recipe) -> list[Sample]:
    sources = [{"path": f"toyworld:held_out/{task}"} for task in TASKS]
    tree = {"method": "sft", "model": {"path": "x"}, "data": {"train": sources}}
    found = load_sources(parse_recipe(tree, where="held out").data.train, recipe.toyworld).sources
    return [sample for source in found for sample in source]


def evaluate(model: Path, recipe: Recipe, samples: list[Sample]) -> dict[str, float]:
    answerer = build_answerer(recipe, model)
    with closing(answerer.engine) as engine:
        quarantine = Quarantine(Path(recipe.run.dir) / "quality-quarantine.jsonl", 0.0)
        answers = answer_all(answerer.reader, engine, samples, max_new_tokens=24, quarantine=quarantine)
    found = metrics_by_task(samples, answers)
    return {name: found[task][name] for task, name in METRICS.items()}


def run_variant(variant: str, seed: int, args: argparse.Namespace) -> dict[str, float]:
    recipe = make_recipe(variant, seed, args)
    run_dir = Path(recipe.run.dir)
    if (run_dir / "quality.json").exists():
        return dict(json.loads((run_dir / "quality.json").read_text()))
    started = time.process_time()
    if not train(recipe, resume=run_dir.exists()):
        raise SystemExit("stopped; the same command goes on")
    [checkpoint] = (run_dir / "checkpoints").glob("step-*")
    metrics = evaluate(checkpoint / "model", recipe, held_out(recipe))
    losses = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    last = [row["loss"] for row in losses if "loss" in row][-20:]
    metrics |= {"loss": statistics.mean(last), "cpu_seconds": time.process_time() - started}
    write_json(run_dir / "quality.json", metrics)
    return metrics


def run_quality(args: argparse.Namespace) -> None:
    head = harness.start(args)
    args.layers = args.layers or layers_of(resolve_model(args.base, ToyworldConfig()))
    variants = args.variants or list(VARIANTS)
    results: dict[str, list[dict[str, float]]] = {variant: [] for variant in variants}
    for seed in args.seeds:
        for variant in variants:
            results[variant].append(run_variant(variant, seed, args))
    untrained = {}
    for variant in ("dense", "p-MoD"):
        recipe = make_recipe(variant, 0, args)
        untrained[variant] = evaluate(base_model(args), recipe, held_out(recipe))
    print_table(results, untrained, layers=args.layers)
    verdicts = judge(results)
    verdicts.show()
    found = {"results": results, "untrained": untrained, "goals": verdicts.rows}
    harness.write(args, {**head, **found})


def judge(results: dict[str, list[dict[str, float]]]) -> harness.Verdicts:
    verdicts = harness.Verdicts()
    if {"dense", "p-MoD"} <= results.keys():
        for name in METRICS.values():
            dense, routed = (statistics.mean(row[name] for row in results[form]) for form in ("dense", "p-MoD"))
            verdicts.check(f"{name}, p-MoD minus dense, points", routed - dense, GOAL, at_least=True)
    return verdicts


def print_table(
    results: dict[str, list[dict[str, float]]], untrained: dict[str, dict[str, float]], *, layers: int
) -> None:
    names = [*METRICS.values(), "loss"]
    print("| variant | vision KV | " + " | ".join(f"{name} | difference to dense" for name in names) + " |")
    print("|---" * (2 + 2 * len(names)) + "|")
    for variant, rows in results.items():
        cells = [variant, f"{100 * _share(variant, layers):.1f} %"]
        for name in names:
            digits = 4 if name == "loss" else 1
            values = [row[name] for row in rows]
            cells.append(f"{statistics.mean(values):.{digits}f} ({min(values):.{digits}f}..{max(values):.{digits}f})")
            pairs = zip(values, [row[name] for row in results["dense"]], strict=True) if "dense" in results else []
            gaps = [after - before for after, before in pairs]
            cells.append(f"{statistics.mean(gaps):+.{digits}f}" if gaps else "")
        print("| " + " | ".join(cells) + " |")
    for variant, row in untrained.items():
        values = ", ".join(f"{name} {row[name]:.1f}" for name in METRICS.values())
        print(f"not fine-tuned, {variant}: {values}")


def _share(variant: str, layers: int) -> float:
    section = VARIANTS[variant]
    return 1.0 if section is None else mean_ratio(layer_ratios(MixtureOfDepthsConfig(**section), layers=layers))
