"""`train`: from a recipe to a finished run directory.

All that is cheap is checked first: keys, paths, samples, rewards, trackers, that the run directory can be written. Then
the weights are loaded, and only then the run directory is begun.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from reeltune.build import (
    Data,
    build_data,
    build_engine,
    build_on,
    build_reader,
    model_directory,
)
from reeltune.config.answering import FILE as REMEMBERED
from reeltune.config.answering import remembered
from reeltune.config.recipe import Recipe
from reeltune.data.sources import Pool
from reeltune.distributed import world as processes
from reeltune.distributed.shard import check_parallel
from reeltune.distributed.world import World, share_of
from reeltune.judges import Judge
from reeltune.lock import locked
from reeltune.models.loading import require_bitsandbytes, require_model
from reeltune.models.policy import Policy
from reeltune.report.run import write_run_report
from reeltune.rewards.faults import RewardFaults
from reeltune.rewards.judging import announce_cost, recipe_judge, write_judge_record
from reeltune.rewards.recipe import recipe_rewards
from reeltune.rewards.score import needs_judge
from reeltune.rewards.weights import Reward
from reeltune.rollout.engine import RolloutEngine
from reeltune.training import announce
from reeltune.training.checkpoint import checkpoint_state, load_optimizer, resumable_weights
from reeltune.training.distill import Distill, build_teacher, require_teacher
from reeltune.training.journal import Journal, read_jsonl
from reeltune.training.learner import Learner
from reeltune.training.loop import Loop
from reeltune.training.names import check_names
from reeltune.training.optimizer import make_optimizer
from reeltune.training.prompt_history import PromptHistory, from_state
from reeltune.training.prompts import PromptSource
from reeltune.training.resume import digest_of_run
from reeltune.training.run_directory import (
    Start,
    check_identity,
    find_start,
    open_run,
    require_writable,
)
from reeltune.training.scales import restored_scales
from reeltune.training.schedule import make_schedule
from reeltune.training.sft import SFT
from reeltune.training.step import GRPO, Method
from reeltune.training.trackers import check_trackers, open_trackers, shown_videos
from reeltune.training.watch import Watch
from reeltune.video.quarantine import Quarantine


@dataclass(frozen=True)
class Checked:
    """What a run needs beside the weights, read and found sound."""

    start: Start
    data: Data
    rewards: dict[str, Reward]
    judge: Judge | None


def train(recipe: Recipe, *, resume: bool = False, fork: Path | None = None, dry_run: bool = False) -> bool:
    """Run a recipe in its run directory. False when Ctrl-C ended it; it can be resumed then.

    `fork`: a checkpoint, or a run, whose newest one this new run begins from.
    Raises InputError for anything the user can fix, before the run directory is touched where possible.
    """
    world = processes.join()
    processes.seed_everything(recipe.seed)
    run_dir = Path(recipe.run.dir)
    require_writable(run_dir, must_exist=resume)
    # Held from here on: what is found out about the directory stays true.
    with locked(run_dir) if world.is_main and not dry_run else nullcontext():
        checked = check(recipe, world, resume=resume, fork=fork)
        if world.is_main:
            announce_cost(recipe, checked.judge, checked.rewards, checked.data.samples, checked.data.held_out)
            announce.opening(recipe, checked.data, world, checked.start.step, checked.start.notes)
        try:
            finished = dry_run or _run(recipe, checked, world)
        finally:
            if world.is_main and not dry_run and (run_dir / "config.yaml").exists():
                write_judge_record(run_dir, checked.judge)
    processes.leave()
    return finished


def check(recipe: Recipe, world: World, *, resume: bool = False, fork: Path | None = None) -> Checked:
    """Everything but the weights. InputError for what is wrong; nothing is written."""
    share_of(recipe.samples_per_step, world, what="samples per step (rl.groups_per_step or sft.samples_per_step)")
    check_parallel(recipe.parallel, world)
    # The digests of a checkpoint are checked once, not by every process.
    [start] = world.gather([find_start(recipe, resume=resume, fork=fork)] if world.is_main else [])
    check_trackers(recipe.run.trackers)
    check_names(recipe)
    with world.main_first():
        directory = model_directory(recipe)
    require_model(directory)
    if recipe.adapter and recipe.adapter.quantize == "nf4":
        require_bitsandbytes("adapter.quantize=nf4")
    if recipe.optim.moments == "8bit":
        require_bitsandbytes("optim.moments=8bit")
    if recipe.distill:
        require_teacher(recipe.distill.teacher)
    data = build_data(recipe, world)
    if world.is_main:
        check_identity(recipe, data.samples, start)
    rewards = recipe_rewards(recipe.rewards, {sample.task for sample in data.samples}, recipe.data.mode)
    return Checked(start, data, rewards, recipe_judge(recipe, rewards))


def _run(recipe: Recipe, checked: Checked, world: World) -> bool:
    run_dir, start, checkpoint = Path(recipe.run.dir), checked.start, checked.start.checkpoint
    weights = resumable_weights(checkpoint) if checkpoint else None
    policy = build_on(world, recipe, weights)
    policy.side_files[REMEMBERED] = remembered(recipe)
    optimizer = make_optimizer(policy, recipe.optim)
    if checkpoint:
        load_optimizer(checkpoint, policy, optimizer)
    learner = Learner(policy, optimizer, world, recipe)
    engine = build_engine(policy, recipe, version=start.step)
    try:
        if world.is_main:
            open_run(recipe, world, start, checked.data, policy)
        world.wait()
        source = _source(recipe, checked, policy, world)
        journal = _journal(recipe, checked) if world.is_main else None
        try:
            held_out = checked.data.evaluated
            loop = Loop(
                recipe=recipe,
                method=_method(recipe, checked, learner, engine, source, start.step),
                learner=learner,
                engine=engine,
                source=source,
                held_out=held_out.samples,
                eval_quarantine=_quarantine(recipe, "quarantine-eval.jsonl", held_out, world),
                watch=_watch(recipe, run_dir, start.step),
                journal=journal,
                run_dir=run_dir,
                first_step=start.step,
                judge=checked.judge,
                run_digest=digest_of_run(run_dir, recipe),
            )
            finished = loop.run()
            if world.is_main:
                page = write_run_report(run_dir)
                announce.closing(recipe, loop.watch, page, finished=finished)
            return finished
        finally:
            source.close()
            if journal:
                journal.close()
    finally:
        engine.close()


def _journal(recipe: Recipe, checked: Checked) -> Journal:
    run_dir, start, config = Path(recipe.run.dir), checked.start, recipe.run
    trackers = open_trackers(config.trackers, run_dir, recipe.model_dump(mode="json"), resumed=start.resume)
    videos = shown_videos(checked.data.samples) if trackers and config.groups_every else {}
    return Journal(run_dir, resume_step=start.step, trackers=trackers, groups_every=config.groups_every, videos=videos)


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
        _quarantine(recipe, "quarantine.jsonl", checked.data.train, world),
        world,
        seed=recipe.seed,
        history=_history(recipe, checked.start.checkpoint),
    )


def _quarantine(recipe: Recipe, name: str, pool: Pool, world: World) -> Quarantine:
    found = Quarantine(Path(recipe.run.dir) / name, recipe.video.max_broken_share)
    found.take(pool.faults, write=world.is_main)
    return found


def _history(recipe: Recipe, checkpoint: Path | None) -> PromptHistory | None:
    if recipe.method != "grpo" or recipe.rl.skipping is None:
        return None
    state = checkpoint_state(checkpoint).get("prompts") if checkpoint else None
    return from_state(recipe.rl.skipping, state, seed=recipe.seed)


def _method(
    recipe: Recipe, checked: Checked, learner: Learner, engine: RolloutEngine, source: PromptSource, step: int
) -> Method:
    if recipe.method == "sft":
        return SFT(source, learner, recipe.data.mode, recipe.sft.mean_over)
    judge = checked.judge if needs_judge(checked.rewards) else None
    faults = RewardFaults(recipe.rewards.max_fault_share, Path(recipe.run.dir) / "reward-faults.jsonl")
    if recipe.method == "distill":
        config = recipe.rl.model_copy(update={"group_size": recipe.group_size})
        teacher = build_teacher(recipe, learner.policy)
        return Distill(source, engine, learner, checked.rewards, config, judge=judge, faults=faults, teacher=teacher)
    reference = None
    if recipe.rl.kl > 0 and recipe.adapter:
        # No second model: this one as it began.
        reference = learner.policy
    elif recipe.rl.kl > 0:
        # The initial model, also after a resume.
        reference = build_on(learner.world, recipe, frozen=True)
    method = GRPO(source, engine, learner, checked.rewards, recipe.rl, judge=judge, reference=reference, faults=faults)
    if checked.start.checkpoint:
        method.sampler.restore(checkpoint_state(checked.start.checkpoint))
    method.scales.update(restored_scales(read_jsonl(Path(recipe.run.dir) / "metrics.jsonl"), step))
    return method


def _watch(recipe: Recipe, run_dir: Path, first_step: int) -> Watch:
    """The watch as it stood after `first_step`."""
    watch = Watch(recipe.watch, groups=recipe.samples_per_step, max_new_tokens=recipe.rl.max_new_tokens)
    for row in read_jsonl(run_dir / "metrics.jsonl"):
        if row["step"] <= first_step:
            watch.observe(row["step"], row)
    return watch
