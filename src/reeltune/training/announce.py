"""What a run says at its start and at its end, to stderr."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from reeltune.build import Data, model_directory
from reeltune.config.recipe import Recipe
from reeltune.distributed.world import World
from reeltune.files import existing
from reeltune.models.loading import is_adapter
from reeltune.training.checkpoint import list_checkpoints, trained_model
from reeltune.training.journal import read_jsonl
from reeltune.training.watch import Watch


def warn_of_rounding(recipe: Recipe) -> None:
    """bfloat16 holds 8 bits: an update below 1/256 of a weight is lost, whole, at every step."""
    if recipe.model.dtype == "bfloat16" and not recipe.adapter:
        _say(
            f"model.dtype bfloat16 keeps the weights themselves in bfloat16, where steps of optim.lr "
            f"{recipe.optim.lr:g} round to nothing for most of them; use model.dtype float32 with optim.precision bf16"
        )


def opening(recipe: Recipe, data: Data, world: World, first_step: int, notes: Sequence[str] = ()) -> None:
    """What will run: model, data, processes, sizes, place."""
    rl, samples = recipe.rl, data.samples
    tasks = sorted({sample.task for sample in samples})
    size = sum(file.stat().st_size for file in model_directory(recipe).glob("*.safetensors"))
    _say(f"{recipe.method} of {recipe.model.path} ({size / 2**30:.2f} GiB of weights), {recipe.steps} steps")
    if is_adapter(model_directory(recipe)):
        goes_on = "training goes on with it" if recipe.adapter else "merged into its base, all of which may train"
        _say(f"model.path is an adapter: {goes_on}")
    _say(f"data: {len(samples)} samples of {', '.join(tasks)}; {len(data.held_out)} to evaluate on")
    for name, pool in (("data.train", data.train), ("eval.data", data.evaluated)):
        if pool.faults:
            _say(f"{name}: {len(pool.faults)} set aside, the first: {pool.faults[0].reason}")
    threads, cores = torch.get_num_threads(), os.cpu_count()
    _say(f"processes: {world.size} on {world.device.type}, {threads} threads each, {cores} cores on this machine")
    if recipe.samples_completions:
        _say(
            f"a step: {rl.groups_per_step} groups of {recipe.group_size} completions of at most {rl.max_new_tokens} "
            f"tokens; passes of {recipe.packing.train_tokens} tokens (reeltune plan RECIPE tells the memory)"
        )
    if first_step:
        _say(f"resumes after step {first_step}")
    for each in notes:
        _say(each)
    _say(f"writes to {recipe.run.dir} ({shutil.disk_usage(existing(Path(recipe.run.dir))).free / 2**30:.1f} GiB free)")


def closing(recipe: Recipe, watch: Watch, page: Path, *, finished: bool) -> None:
    """The result, where it stands, what to do next; a warning that still stands comes last."""
    run_dir = Path(recipe.run.dir)
    rows = [row for row in read_jsonl(run_dir / "metrics.jsonl") if "loss" in row]
    if rows:
        name = "reward" if "reward" in rows[0] else "loss"
        values = [f"{row[name]:.4g} at step {row['step']}" for row in (rows[0], rows[-1]) if name in row]
        _say(f"{name} {', '.join(values)}")
    _say(f"report: {page}")
    model = trained_model(list_checkpoints(run_dir / "checkpoints")[-1])
    _say(f"model: {model}")
    if finished:
        _say(f"next: reeltune eval {model} SAMPLES -o DIR")
    for text in watch.standing().values():
        _say(f"WARNING: {text}")


def _say(text: str) -> None:
    print(f"reeltune: {text}", file=sys.stderr)
