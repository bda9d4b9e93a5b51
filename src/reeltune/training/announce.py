"""What a run says at its start and at its end, to stderr."""

import os
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import torch

from reeltune.build import Data, model_directory
from reeltune.config.recipe import Recipe
from reeltune.distributed.world import World
from reeltune.errors import InputError
from reeltune.files import existing
from reeltune.models.loading import is_adapter
from reeltune.planning.answer import lines, verdict
from reeltune.planning.hardware import Device, Devices, card_like
from reeltune.planning.recipe import answer_longest
from reeltune.planning.source import plan_recipe
from reeltune.progress import clock, counted, quiet
from reeltune.training.checkpoint import list_checkpoints, trained_model
from reeltune.training.journal import read_jsonl
from reeltune.training.watch import Watch


def warn_of_rounding(recipe: Recipe) -> None:
    """bfloat16 holds 8 bits: an update below 1/256 of a weight is lost, whole, at every step."""
    if recipe.model.dtype == "bfloat16" and not recipe.adapter:
        _say(
            "model.dtype bfloat16 keeps the weights themselves in bfloat16, where steps of optim.lr "
            f"{recipe.optim.lr:g} round to zero for most of them; use model.dtype float32 with optim.precision bf16"
        )


def opening(recipe: Recipe, data: Data, world: World, first_step: int, notes: Sequence[str] = ()) -> None:
    """What will run: model, data, processes, sizes, place; whether it fits."""
    warn_of_rounding(recipe)
    rl, samples = recipe.rl, data.samples
    tasks = sorted({sample.task for sample in samples})
    size = sum(file.stat().st_size for file in model_directory(recipe).glob("*.safetensors"))
    _say(f"{recipe.method} of {recipe.model.path} ({sized(size)} of weights), {recipe.steps} steps")
    if is_adapter(model_directory(recipe)):
        goes_on = (
            "training continues with it" if recipe.adapter else "it is merged into its base, all of which may train"
        )
        _say(f"model.path is an adapter: {goes_on}")
    _say(f"data: {counted(len(samples), 'sample')} of {', '.join(tasks)}; {len(data.held_out)} for evaluation")
    for name, pool in (("data.train", data.train), ("eval.data", data.evaluated)):
        if pool.faults:
            _say(f"{name}: {len(pool.faults)} set aside, the first: {pool.faults[0].reason}")
    threads, cores = torch.get_num_threads(), os.cpu_count()
    _say(f"processes: {world.size} on {world.device.type}, {threads} threads each, {cores} cores on this machine")
    if recipe.samples_completions:
        _say(
            f"a step: {rl.groups_per_step} groups of {recipe.group_size} completions of at most {rl.max_new_tokens} "
            f"tokens; passes of {recipe.packing.train_tokens} tokens"
        )
    if first_step:
        _say(f"resumes after step {first_step}")
    for each in notes:
        _say(each)
    _say(f"writes to {recipe.run.dir} ({shutil.disk_usage(existing(Path(recipe.run.dir))).free / 2**30:.1f} GiB free)")
    plan(recipe, world)


def plan(recipe: Recipe, world: World) -> None:
    """Whether it fits, as `reeltune plan` says it, before weights are loaded; on a GPU also how long it takes."""
    try:
        planned = plan_recipe(recipe, name=recipe.model.path)
        found = answer_longest(planned, _devices(world))
    except (InputError, ValueError) as error:
        _say(f"no estimate of memory and time: {error}")
        return
    if world.device.type == "cpu":
        held = found.memory
        _say(
            f"memory of each process, at most: {sized(held.standing)} of weights, gradients and moments, "
            f"{sized(max(held.prompt_cache, held.activations))} for a pass, of "
            f"{found.devices.device.gib:.1f} GiB here"
        )
    else:
        for line in lines(found):
            _say(line)
    if not found.fits:
        _say(f"WARNING: {verdict(found)}")


def _devices(world: World) -> Devices:
    if world.device.type == "cpu":
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        return Devices(world.size, Device("CPU", memory / world.size, 0.1, 0.01))
    properties = torch.cuda.get_device_properties(world.device)
    return Devices(world.size, card_like(properties.name, properties.total_memory / 2**30))


def end(first: float, left: int) -> None:
    """After the first step of `first` seconds, with `left` to go: when the run will end; evaluations not counted."""
    if left and not quiet():
        when = datetime.now() + timedelta(seconds=first * left)
        _say(
            f"the first step took {first:.1f} s; the remaining {left} will take about {clock(first * left)}, until "
            f"{when:%Y-%m-%d %H:%M}"
        )


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


def sized(count: float) -> str:
    """Bytes in the unit that shows them.

    >>> sized(9 * 2**20), sized(31 * 2**30)
    ('9.0 MiB', '31.0 GiB')
    """
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


def _say(text: str) -> None:
    print(f"reeltune: {text}", file=sys.stderr)
