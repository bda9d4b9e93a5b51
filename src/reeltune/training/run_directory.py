"""How a run begins in its directory: anew, from its newest whole checkpoint, or as the fork of another run's."""

import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import yaml

from reeltune import __version__
from reeltune.build import Data, model_directory
from reeltune.config.recipe import Recipe
from reeltune.data.kept import FOLDER, MEDIA, keep_samples
from reeltune.distributed.world import World
from reeltune.errors import InputError
from reeltune.files import existing, whole_folder, write_json, write_text
from reeltune.hub import revision_of
from reeltune.models.policy import Policy
from reeltune.provenance import IDENTITY_FILE, code_file_digests, pool_digest, sampled_digest
from reeltune.sample import Sample
from reeltune.training.checkpoint import (
    checkpoint_state,
    checkpoint_step,
    list_checkpoints,
    newest_whole,
    set_aside_newer,
)
from reeltune.training.journal import cut_lines
from reeltune.training.resume import (
    CONFIG,
    begin_fork,
    differences,
    digest_of_run,
    find_fork,
    require_same_inputs,
    require_same_run,
)

PACKAGES = ("torch", "transformers", "av", "numpy")


@dataclass(frozen=True)
class Start:
    """Where a run begins. `checkpoint` None: at step 0; `notes`: what is to be said aloud, settings that changed among
    it."""

    resume: bool = False
    fork: bool = False
    checkpoint: Path | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def step(self) -> int:
        return checkpoint_step(self.checkpoint) if self.checkpoint else 0


def find_start(recipe: Recipe, *, resume: bool, fork: Path | None) -> Start:
    """Nothing is written. InputError for a directory that holds a run already, a checkpoint that is damaged, settings
    that are not the run's; without --resume nothing is overwritten without a word.
    """
    run_dir = Path(recipe.run.dir)
    if resume and fork:
        raise InputError(
            "--resume continues the run in run.dir, --fork starts another one there: give only one of them"
        )
    if resume:
        return _find_resume(recipe, run_dir)
    begun = (run_dir / "metrics.jsonl").exists()
    if begun or (list_checkpoints(run_dir / "checkpoints") and not (run_dir / "fork.json").exists()):
        raise InputError(
            f"run.dir={str(run_dir)!r} already contains a run; add --resume to continue it, or give another run.dir"
        )
    if fork is None:
        return Start()
    checkpoint = find_fork(fork)
    _require_steps(recipe, checkpoint, "--fork")
    changed = [f"changed by the fork: {line}" for line in differences(checkpoint.parent.parent, recipe).values()]
    return Start(fork=True, checkpoint=checkpoint, notes=[f"forks {checkpoint}", *changed])


def _find_resume(recipe: Recipe, run_dir: Path) -> Start:
    changed = [f"changed since the run started: {each}" for each in require_same_run(run_dir, recipe)]
    root = run_dir / "checkpoints"
    checkpoint, damages = newest_whole(root, run=digest_of_run(run_dir, recipe))
    if checkpoint:
        _require_steps(recipe, checkpoint, "--resume")
    notes = [f"WARNING: {each}; using an older checkpoint" for each in damages]
    return Start(resume=True, checkpoint=checkpoint, notes=[*changed, *notes])


def _require_steps(recipe: Recipe, checkpoint: Path, option: str) -> None:
    step = checkpoint_step(checkpoint)
    if step > recipe.steps:
        raise InputError(
            f"{option}: {checkpoint} is of step {step}, but the recipe ends at {recipe.steps} (rl.steps, "
            "sft.steps); raise the number of steps"
        )


def run_identity(recipe: Recipe, samples: Sequence[Sample]) -> dict[str, Any]:
    """Digests of what the recipe names and a run must not change: samples, model, code."""
    functions = [spec for each in recipe.rewards.functions.values() for spec in each.values()]
    named = [recipe.rl.loss, recipe.model.family or "", recipe.rollout.engine, recipe.judge.kind]
    teacher = {"teacher": sampled_digest(Path(recipe.distill.teacher))} if recipe.distill else {}
    return {
        "samples": f"{len(samples)} samples ({pool_digest(samples)})",
        "model": sampled_digest(model_directory(recipe)),
        "code": code_file_digests([*recipe.data.tasks, *functions, *named]),
        **teacher,
    }


def check_identity(recipe: Recipe, samples: Sequence[Sample], start: Start) -> None:
    """InputError when a resumed run would go on with other samples, another model or other code."""
    if start.resume:
        require_same_inputs(Path(recipe.run.dir), run_identity(recipe, samples))


def open_run(recipe: Recipe, world: World, start: Start, data: Data, policy: Policy) -> None:
    """The main process's first writes: damaged checkpoints out of the way, then who this run is."""
    run_dir = Path(recipe.run.dir)
    if start.fork and start.checkpoint:
        begin_fork(start.checkpoint, run_dir, recipe)
    elif start.resume:
        set_aside_newer(run_dir / "checkpoints", start.step)
    lines: Mapping[str, int] = checkpoint_state(start.checkpoint).get("lines", {}) if start.checkpoint else {}
    cut_lines(run_dir, {} if start.fork else lines)
    write_config(run_dir, recipe, start)
    if not (start.resume and (run_dir / IDENTITY_FILE).exists()):
        write_json(run_dir / IDENTITY_FILE, run_identity(recipe, data.samples))
    if not (start.resume and (run_dir / FOLDER / MEDIA).exists()):  # what is written last of the folder
        unique = {sample.id: sample for sample in data.samples}
        keep_samples(run_dir, {"train": list(unique.values()), "held_out": data.held_out})
    if not (run_dir / "processor").exists():
        with whole_folder(run_dir / "processor") as folder:
            policy.save_processor(folder)
    facts: Mapping[str, object] = {
        "reeltune": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "model": recipe.model.path,
        "model_revision": revision_of(model_directory(recipe)),
        "processes": world.size,
        "device": str(world.device),
        "threads": torch.get_num_threads(),
        **{name: metadata.version(name) for name in PACKAGES},
        "torch": str(torch.__version__),  # with its build, which the distribution's own version may leave out
    }
    write_json(run_dir / "environment.json", facts)


def write_config(run_dir: Path, recipe: Recipe, start: Start) -> None:
    """config.yaml: what the run began with, which stays; what it goes on with stands beside it."""
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)
    path = run_dir / CONFIG
    if not (start.resume and path.exists()):
        write_text(path, text)
    elif path.read_text(encoding="utf-8") != text:
        write_text(run_dir / f"config-from-step-{start.step:06d}.yaml", text)


def require_writable(run_dir: Path, *, must_exist: bool = False) -> None:
    """InputError when the run directory cannot be made or written, or is not there to go on; nothing is left behind."""
    if must_exist and not run_dir.exists():
        raise InputError(f"--resume: run.dir={str(run_dir)!r} does not exist; to start it, remove --resume")
    place = existing(run_dir)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise InputError(
            f"run.dir={str(run_dir)!r}: cannot be written ({error.strerror}: {place}); give a writable folder"
        ) from error
