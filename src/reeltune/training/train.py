"""`train`: from a recipe to a finished run directory.

All that is cheap is checked first: keys, paths, samples, rewards, trackers, that the run directory can be written. Then
the weights are loaded, and only then the run directory is begun.
"""

import platform
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch
import yaml

from reeltune import __version__
from reeltune.build import (
    ENGINES,
    Data,
    build_data,
    build_engine,
    build_policy,
    build_reader,
    model_directory,
    to_device,
)
from reeltune.config.recipe import Recipe
from reeltune.distributed import world as processes
from reeltune.distributed.world import World, share_of
from reeltune.errors import InputError
from reeltune.files import write_json, write_text
from reeltune.hub import revision_of
from reeltune.judges import Judge
from reeltune.models.policy import Policy
from reeltune.report.run import write_run_report
from reeltune.rewards.faults import RewardFaults
from reeltune.rewards.judging import announce_cost, recipe_judge, write_judge_record
from reeltune.rewards.score import needs_judge, recipe_rewards
from reeltune.rewards.weights import Reward
from reeltune.rollout.engine import RolloutEngine
from reeltune.training import announce
from reeltune.training.checkpoint import (
    checkpoint_state,
    checkpoint_step,
    discard_leftovers,
    list_checkpoints,
    load_optimizer,
)
from reeltune.training.grpo import LOSSES
from reeltune.training.journal import Journal, check_trackers, read_jsonl
from reeltune.training.learner import Learner
from reeltune.training.lock import locked
from reeltune.training.loop import Loop
from reeltune.training.optimizer import make_optimizer
from reeltune.training.prompt_history import PromptHistory, from_state
from reeltune.training.prompts import PromptSource
from reeltune.training.resume import require_same_run
from reeltune.training.schedule import make_schedule
from reeltune.training.step import GRPO, SFT, Method
from reeltune.training.watch import Watch
from reeltune.video.quarantine import Quarantine

PACKAGES = ("torch", "transformers", "av", "numpy")


@dataclass(frozen=True)
class Checked:
    """What a run needs beside the weights, read and found sound."""

    checkpoint: Path | None
    data: Data
    rewards: dict[str, Reward]
    judge: Judge | None
    changed: list[str]
    """Settings that a resumed run changes, in words."""

    @property
    def first_step(self) -> int:
        return checkpoint_step(self.checkpoint) if self.checkpoint else 0


def train(recipe: Recipe, *, resume: bool = False, dry_run: bool = False) -> bool:
    """Run a recipe in its run directory. False when Ctrl-C ended it; it can be resumed then.

    Raises InputError for anything the user can fix, before the run directory is touched where possible.
    """
    world = processes.join()
    processes.seed_everything(recipe.seed)
    checked = check(recipe, world, resume=resume)
    if world.is_main:
        announce.warn_of_rounding(recipe)
        if recipe.method == "grpo":
            announce_cost(recipe, checked.judge, checked.rewards, checked.data.samples)
        announce.opening(recipe, checked.data, world, checked.first_step, checked.changed)
    if dry_run:
        processes.leave()
        return True
    run_dir = Path(recipe.run.dir)
    with locked(run_dir) if world.is_main else nullcontext():
        try:
            if world.is_main and resume and _checkpoint(run_dir, resume=True) != checked.checkpoint:
                raise InputError(f"run.dir={str(run_dir)!r}: another run went on with it meanwhile; start again")
            finished = _run(recipe, checked, world)
        finally:
            if world.is_main and (run_dir / "config.yaml").exists():
                write_judge_record(run_dir, checked.judge)
    processes.leave()
    return finished


def check(recipe: Recipe, world: World, *, resume: bool = False) -> Checked:
    """Everything but the weights. InputError for what is wrong; nothing is written."""
    run_dir = Path(recipe.run.dir)
    share_of(recipe.samples_per_step, world, what="samples per step (rl.groups_per_step or sft.samples_per_step)")
    checkpoint = _checkpoint(run_dir, resume=resume)
    changed = require_same_run(run_dir, recipe) if resume else []
    require_writable(run_dir)
    check_trackers(recipe.run.trackers)
    with world.main_first():
        directory = model_directory(recipe)
    if not directory.is_dir():
        raise InputError(
            f"model.path must be a Hugging Face model directory with a config.json; got {str(directory)!r}"
        )
    data = build_data(recipe, world)
    rewards = recipe_rewards(recipe.rewards, {sample.task for sample in data.samples}, recipe.data.mode)
    ENGINES.get(recipe.rollout.engine)
    if recipe.method == "grpo":
        loss = LOSSES.get(recipe.rl.loss)
        if not loss.divides_by_std and recipe.rl.advantage_scale != "none":
            raise InputError(f"rl.loss={recipe.rl.loss} divides by no std: set rl.advantage_scale to none")
    return Checked(checkpoint, data, rewards, recipe_judge(recipe, rewards), changed)


def _run(recipe: Recipe, checked: Checked, world: World) -> bool:
    run_dir, checkpoint = Path(recipe.run.dir), checked.checkpoint
    weights = checkpoint / "model" if checkpoint else None
    policy = to_device(build_policy(recipe, weights, self_check=world.device.type == "cpu"), world.device)
    optimizer = make_optimizer(policy, recipe.optim)
    if checkpoint:
        load_optimizer(checkpoint, policy, optimizer)
    learner = Learner(policy, optimizer, world, recipe)
    engine = build_engine(policy, recipe, version=checked.first_step)
    try:
        journal = _open_run(run_dir, recipe, world, resume_step=checked.first_step if checkpoint else None)
        try:
            source = _source(recipe, checked, policy, world)
            loop = Loop(
                recipe=recipe,
                method=_method(recipe, checked, learner, engine, source),
                learner=learner,
                engine=engine,
                source=source,
                held_out=checked.data.held_out,
                eval_quarantine=Quarantine(run_dir / "quarantine-eval.jsonl", recipe.video.max_broken_share),
                watch=_watch(recipe, run_dir, checked.first_step),
                journal=journal,
                run_dir=run_dir,
                first_step=checked.first_step,
                judge=checked.judge,
            )
            finished = loop.run()
            if world.is_main:
                page = write_run_report(run_dir)
                announce.closing(recipe, loop.watch, page, finished=finished)
            return finished
        finally:
            if journal:
                journal.close()
    finally:
        engine.close()


def _source(recipe: Recipe, checked: Checked, policy: Policy, world: World) -> PromptSource:
    schedule = make_schedule(
        [len(source) for source in checked.data.sources],
        recipe.data.train,
        steps=recipe.steps,
        per_step=recipe.samples_per_step,
        seed=recipe.seed,
    )
    return PromptSource(
        checked.data.samples,
        schedule,
        build_reader(policy, recipe),
        Quarantine(Path(recipe.run.dir) / "quarantine.jsonl", recipe.video.max_broken_share),
        world,
        seed=recipe.seed,
        history=_history(recipe, checked.checkpoint),
    )


def _history(recipe: Recipe, checkpoint: Path | None) -> PromptHistory | None:
    if recipe.method != "grpo" or recipe.rl.skipping is None:
        return None
    state = checkpoint_state(checkpoint).get("prompts") if checkpoint else None
    return from_state(recipe.rl.skipping, state, seed=recipe.seed)


def _method(recipe: Recipe, checked: Checked, learner: Learner, engine: RolloutEngine, source: PromptSource) -> Method:
    if recipe.method == "sft":
        return SFT(source, learner, recipe.data.mode)
    reference = None
    if recipe.rl.kl > 0:
        # The initial model, also after a resume.
        reference = build_policy(recipe, self_check=False).to(learner.policy.device).requires_grad_(False)
        reference.eval()
    return GRPO(
        source,
        engine,
        learner,
        checked.rewards,
        recipe.rl,
        judge=checked.judge if needs_judge(checked.rewards) else None,
        reference=reference,
        faults=RewardFaults(recipe.rewards.max_fault_share, Path(recipe.run.dir) / "reward-faults.jsonl"),
    )


def _watch(recipe: Recipe, run_dir: Path, first_step: int) -> Watch:
    """The watch as it stood after `first_step`."""
    watch = Watch(recipe.watch, groups=recipe.samples_per_step, max_new_tokens=recipe.rl.max_new_tokens)
    for row in read_jsonl(run_dir / "metrics.jsonl"):
        if row["step"] <= first_step:
            watch.observe(row["step"], row)
    return watch


def _open_run(run_dir: Path, recipe: Recipe, world: World, *, resume_step: int | None) -> Journal | None:
    """The run's identity and, on the main process, its journal."""
    if world.is_main:
        discard_leftovers(run_dir / "checkpoints")
        write_identity(run_dir, recipe, world, resume_step=resume_step)
    world.wait()
    return Journal(run_dir, resume_step=resume_step, trackers=recipe.run.trackers) if world.is_main else None


def write_identity(run_dir: Path, recipe: Recipe, world: World, *, resume_step: int | None = None) -> None:
    """config.yaml and environment.json: what ran, on what, in how many processes."""
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)
    if resume_step is None or not (run_dir / "config.yaml").exists():
        write_text(run_dir / "config.yaml", text)
    elif (run_dir / "config.yaml").read_text(encoding="utf-8") != text:
        # What the run began with stays; what it goes on with stands beside it.
        write_text(run_dir / f"config-from-step-{resume_step:06d}.yaml", text)
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
    }
    write_json(run_dir / "environment.json", facts)


def _checkpoint(run_dir: Path, *, resume: bool) -> Path | None:
    """The newest whole checkpoint to resume from; None begins anew.

    Without --resume a directory that holds a run is refused: nothing is overwritten silently.
    """
    root = run_dir / "checkpoints"
    if not resume:
        if (run_dir / "metrics.jsonl").exists():
            raise InputError(
                f"run.dir={str(run_dir)!r} already holds a run; add --resume to go on with it, or give another run.dir"
            )
        return None
    if not run_dir.exists():
        raise InputError(f"--resume: run.dir={str(run_dir)!r} does not exist; leave --resume out to begin it")
    return max(list_checkpoints(root), key=checkpoint_step, default=None)


def require_writable(run_dir: Path) -> None:
    """InputError when the run directory cannot be made or written; nothing is left behind."""
    place = run_dir
    while not place.exists():
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise InputError(
            f"run.dir={str(run_dir)!r}: cannot be written ({error.strerror}: {place}); give a folder that can"
        ) from error
