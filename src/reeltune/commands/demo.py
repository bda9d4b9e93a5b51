"""`reeltune demo`: the whole story on generated videos and the shipped small model, on a CPU.

Every stage leaves its result on disk; after Ctrl-C or a kill the same command goes on where it stopped.
"""

import argparse
import json
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reeltune.errors import InputError

if TYPE_CHECKING:
    from reeltune.config.recipe import Recipe
    from reeltune.evaluation.runner import Metrics
    from reeltune.sample import Sample

RECIPES = Path(__file__).parents[1] / "recipes" / "toy"
EDITION = 2  # of toyworld; `toyworld.edition=1` among the settings is a demo of the first
# By edition of toyworld: what is trained, and what is not and should be kept.
TRAINED = {
    1: ("toyworld:held_out/temporal_grounding/visible",),
    2: ("toyworld:held_out/temporal_grounding", "toyworld:held_out/object_tracking"),
}
KEPT = {
    1: {"multiple_choice": "accuracy"},
    2: {
        "multiple_choice": "accuracy",
        "classification": "accuracy",
        "numeric": "accuracy",
        "captioning": "autodq.f1",
        "instruction": "accuracy",
    },
}
METRICS = {
    "temporal_grounding": ("miou", "r@0.3", "r@0.5", "r@0.7"),
    "object_tracking": ("mean_overlap", "success@0.5"),
}
TRIVIAL = {"temporal_grounding": ("whole_video", "best_fixed_span"), "object_tracking": ("repeat_start_box",)}
MODELS = ("base", "sft", "grpo")
Row = dict[str, float | None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Generate toyworld videos, evaluate the shipped small model on held-out ones, train it with GRPO and "
        "with SFT on the same samples, evaluate again, and write DIR/results.json and DIR/report.html."
    )
    parser.add_argument("--dir", type=Path, default=Path("runs/demo"), help="output folder (default: runs/demo)")
    parser.add_argument("--seed", type=int, default=0, help="seed of videos and training")
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="section.key=value", help="recipe settings for all stages"
    )


def run(args: argparse.Namespace) -> int:
    from reeltune.lock import locked

    with locked(args.dir, name="--dir"):
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    from reeltune.config.recipe import load_recipe
    from reeltune.data.sources import load_source, load_sources, toyworld_samples
    from reeltune.files import write_json
    from reeltune.report.demo import write_demo_report

    common = [
        f"toyworld.edition={EDITION}",
        f"seed={args.seed}",
        f"toyworld.seed={args.seed}",
        f"toyworld.dir={args.dir / 'toyworld'}",
        f"video.cache={args.dir / 'frame-cache'}",
        *args.overrides,
    ]
    edition = load_recipe(RECIPES / "grpo.yaml", common).toyworld.edition
    suffix = "" if edition == 1 else f"-{edition}"
    recipes = {
        name: load_recipe(RECIPES / f"{name}{suffix}.yaml", [*common, f"run.dir={args.dir / name}"])
        for name in ("grpo", "sft")
    }
    recipe = recipes["grpo"]
    _check_identity(args.dir, {"edition": edition, "seed": args.seed, "overrides": args.overrides})
    train = load_sources(recipe.data.train, recipe.toyworld).samples
    specs = (*TRAINED[edition], *(f"toyworld:held_out/{task}" for task in KEPT[edition]))
    held_out = [sample for spec in specs for sample in load_source(spec, recipe.toyworld).samples]
    kept: dict[str, Row] = {}
    results: dict[str, Row] = {}
    results["base"], kept["base"] = _evaluated(args.dir, "base", recipe, None, held_out)
    for name in ("grpo", "sft"):
        if not _trained(recipes[name]):
            print(f"stopped; `reeltune demo --dir {args.dir}` continues from here")
            return 130
        model = _last_model(args.dir / name)
        results[name], kept[name] = _evaluated(args.dir, name, recipes[name], model, held_out)
        results[name]["seconds"] = _training_seconds(args.dir / name) + (results[name]["seconds"] or 0.0)
    ordered = {name: results[name] for name in MODELS} | _trivial(train, held_out)
    _write_results(args.dir, ordered)
    files = dict(zip(("held_out", "tracked"), TRAINED[edition], strict=False))
    write_json(
        args.dir / "demo.json",
        {
            "seed": args.seed,
            **{name: str(toyworld_samples(spec, recipe.toyworld)) for name, spec in files.items()},
            "retained": list(KEPT[edition]),
            "kept": {name: kept[name] for name in MODELS},
            "train_videos": len({sample.media_name for sample in train}),
            "held_out_videos": recipe.toyworld.held_out_videos,
        },
    )
    page = write_demo_report(args.dir)
    print(table(ordered))
    print(f"\n{args.dir / 'results.json'}\n{page}\nbrowse all answers: reeltune explore {args.dir}")
    return 0


def table(results: dict[str, Row]) -> str:
    """The results as aligned text, one row per model or trivial baseline; percent and seconds."""
    columns = list(next(iter(results.values())))
    names = {"multiple_choice_accuracy": "mc accuracy"}
    lines = [["", *(names.get(column, column) for column in columns)]]
    for row, values in results.items():
        cells = [values[column] for column in columns]
        lines.append([row, *("-" if cell is None else f"{cell:.1f}" for cell in cells)])
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def _check_identity(directory: Path, identity: dict[str, Any]) -> None:
    """A directory holds one demo: its seed and settings."""
    from reeltune.files import write_json

    path = directory / "identity.json"
    if not path.exists():
        write_json(path, identity)
    elif (found := json.loads(path.read_text(encoding="utf-8"))) != identity:
        raise InputError(f"--dir {directory} holds a demo of {found}, not of {identity}; give another --dir")


def _trained(recipe: "Recipe") -> bool:
    from reeltune.training.train import train

    run_dir = Path(recipe.run.dir)
    if (run_dir / "checkpoints" / f"step-{recipe.steps:06d}").exists():
        return True
    return train(recipe, resume=run_dir.exists())


def _last_model(run_dir: Path) -> Path:
    from reeltune.training.checkpoint import list_checkpoints, trained_model

    return trained_model(list_checkpoints(run_dir / "checkpoints")[-1])


def _training_seconds(run_dir: Path) -> float:
    from reeltune.training.journal import read_jsonl

    rows = read_jsonl(run_dir / "timings.jsonl")
    return float(sum(row.get("seconds", 0.0) + row.get("evaluation", 0.0) for row in rows))


def _evaluated(
    directory: Path, name: str, recipe: "Recipe", model: Path | None, samples: "list[Sample]"
) -> tuple[Row, Row]:
    """Answers of one model to the held-out samples: a row of the table, and each untrained task's own number."""
    from reeltune.build import build_answerer
    from reeltune.data.kept import keep_samples
    from reeltune.evaluation.runner import Answer, asking, metrics_by_task, predict
    from reeltune.judges import build_judge

    started = time.perf_counter()
    answerer = build_answerer(recipe, model)
    limit = recipe.eval.max_new_tokens
    answers: list[Answer | None] = []
    with closing(answerer.engine) as engine:
        for task in dict.fromkeys(sample.task for sample in samples):
            own = [sample for sample in samples if sample.task == task]
            folder = directory / "predictions" / name / task
            keep_samples(folder, {"held_out": own})
            found = predict(asking(answerer.reader, engine, max_new_tokens=limit), own, folder, title=f"{name}: {task}")
            answers += [found.get(sample.id) for sample in own]
    metrics = metrics_by_task(samples, answers, build_judge(recipe.judge))
    kept = KEPT[recipe.toyworld.edition]
    each: Row = {task: metrics[task][metric] for task, metric in kept.items()}
    return row(metrics, kept) | {"seconds": time.perf_counter() - started}, each


def row(metrics: "Metrics", kept: Mapping[str, str]) -> Row:
    """A row of the table: what the trained tasks give, unreadable answers too, and what was kept of the others."""
    found: Row = {name: metrics.get(task, {}).get(name) for task, names in METRICS.items() for name in names}
    trained = [own["unparsed"] for task, own in metrics.items() if task in METRICS]
    return found | {
        "unparsed": sum(trained) / len(trained),
        "multiple_choice_accuracy": metrics["multiple_choice"]["accuracy"],
        "retained": sum(metrics[task][name] for task, name in kept.items()) / len(kept),
    }


def _trivial(train: "list[Sample]", held_out: "list[Sample]") -> dict[str, Row]:
    """Answers that need no model; the best fixed span is fitted on the training samples."""
    from reeltune.tasks import get_task

    rows: dict[str, Row] = {}
    for task, names in TRIVIAL.items():
        asked, fitted = ([sample for sample in each if sample.task == task] for each in (held_out, train))
        found = get_task(task).baselines(asked, fitted) if asked else {}
        for name in names:
            if name in found:
                own: Row = {metric: found[name].get(metric) for each in METRICS.values() for metric in each}
                rows[name] = own | {"unparsed": 0.0, "multiple_choice_accuracy": None, "retained": None, "seconds": 0.0}
    return rows


def _write_results(directory: Path, results: dict[str, Row]) -> None:
    from reeltune.files import whole_lines, write_json, write_jsonl

    for name in MODELS:
        answers = directory / "predictions" / name / "temporal_grounding" / "predictions.jsonl"
        rows = (json.loads(line) for line in whole_lines(answers))
        write_jsonl(directory / "predictions" / f"{name}.jsonl", rows)
    write_json(directory / "results.json", results)
