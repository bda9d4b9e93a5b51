"""From a recipe to a finished run directory."""

import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import torch
import yaml
from accelerate import Accelerator
from accelerate.utils import set_seed

from reeltune import __version__
from reeltune.config.recipe import Recipe
from reeltune.data.samples import Sample
from reeltune.data.sources import load_source, load_sources, resolve_model
from reeltune.errors import InputError
from reeltune.files import write_json, write_text
from reeltune.judges import Judge
from reeltune.models.policy import Policy, load_policy
from reeltune.report.run import write_run_report
from reeltune.rewards.faults import RewardFaults
from reeltune.rewards.judging import announce_cost, recipe_judge, write_judge_record
from reeltune.rewards.score import needs_judge, recipe_rewards
from reeltune.rewards.weights import Reward
from reeltune.rollout.hf import HFEngine
from reeltune.rollout.reader import InputReader
from reeltune.tasks import load_task_file
from reeltune.training.checkpoint import (
    checkpoint_state,
    checkpoint_step,
    discard_leftovers,
    list_checkpoints,
    load_optimizer,
)
from reeltune.training.journal import Journal
from reeltune.training.learner import Learner
from reeltune.training.method import Method
from reeltune.training.optimizer import make_optimizer
from reeltune.training.prompt_history import PromptHistory, from_state
from reeltune.training.rl import GRPO
from reeltune.training.schedule import make_schedule
from reeltune.training.sft import SFT
from reeltune.training.trainer import Trainer, check_share
from reeltune.video.quarantine import Quarantine

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def train(recipe: Recipe, *, resume: bool = False) -> bool:
    """Run a recipe in its run directory. False when Ctrl-C ended it; it can be resumed then.

    Raises InputError for anything the user can fix, before the run directory is touched where possible.
    """
    # Not split over processes by accelerate: the trainer hands every process its own whole groups.
    accelerator = Accelerator()
    set_seed(recipe.seed)
    check_share(recipe.samples_per_step, accelerator.num_processes)
    run_dir = Path(recipe.run.dir)
    checkpoint = _checkpoint(run_dir, resume=resume)
    sources, held_out = _load_data(recipe, accelerator)
    samples = [sample for source in sources for sample in source]
    rewards = recipe_rewards(recipe.rewards, {sample.task for sample in samples}, recipe.data.mode)
    judge = recipe_judge(recipe, rewards)
    if accelerator.is_main_process:
        _warn_of_rounding(recipe)
        announce_cost(recipe, judge, rewards, samples)
    policy = _policy_to_train(recipe, checkpoint).to(accelerator.device)
    optimizer = make_optimizer(policy, recipe.optim)
    first_step = 0
    if checkpoint:
        load_optimizer(checkpoint, policy, optimizer)
        first_step = checkpoint_step(checkpoint)
    learner, optimizer = accelerator.prepare(Learner(policy), optimizer)
    engine = HFEngine(policy, token_budget=recipe.packing.rollout_tokens)
    journal = _open_run(run_dir, recipe, accelerator, resume_step=first_step if checkpoint else None)
    trainer = Trainer(
        recipe=recipe,
        accelerator=accelerator,
        policy=policy,
        learner=learner,
        optimizer=optimizer,
        method=_method(recipe, policy, engine, rewards, judge if needs_judge(rewards) else None),
        reader=make_reader(policy, recipe),
        engine=engine,
        samples=samples,
        held_out=held_out,
        schedule=make_schedule(
            [len(source) for source in sources],
            recipe.data.train,
            steps=recipe.steps,
            per_step=recipe.samples_per_step,
            seed=recipe.seed,
        ),
        journal=journal,
        quarantine=Quarantine(run_dir / "quarantine.jsonl", recipe.video.max_broken_share),
        run_dir=run_dir,
        first_step=first_step,
        judge=judge,
        history=_history(recipe, checkpoint),
    )
    try:
        finished = trainer.run()
        if accelerator.is_main_process:
            write_run_report(run_dir)
        return finished
    finally:
        if journal:
            journal.close()
            write_judge_record(run_dir, judge)


def _load_data(recipe: Recipe, accelerator: Accelerator) -> tuple[list[list[Sample]], list[Sample]]:
    """The samples of each source to train on, and those to evaluate on where the run evaluates."""
    for path in recipe.data.tasks:
        load_task_file(path)
    with accelerator.main_process_first():
        sources = load_sources(recipe.data.train, recipe.toyworld)
        held_out = load_source(recipe.eval.data, recipe.toyworld) if recipe.eval.data and recipe.eval.every else []
    return sources, held_out


def _warn_of_rounding(recipe: Recipe) -> None:
    """bfloat16 holds 8 bits: an update below 1/256 of a weight is lost, whole, at every step."""
    if recipe.model.dtype == "bfloat16":
        print(
            f"reeltune: model.dtype bfloat16 keeps the weights themselves in bfloat16, where steps of optim.lr "
            f"{recipe.optim.lr:g} round to nothing for most of them; use model.dtype float32 with optim.precision bf16",
            file=sys.stderr,
        )


def _policy_to_train(recipe: Recipe, checkpoint: Path | None) -> Policy:
    policy = load_recipe_policy(recipe, checkpoint / "model" if checkpoint else None)
    if recipe.model.freeze_vision:
        policy.freeze_vision(projector=recipe.model.freeze_vision != "tower")
    return policy


def _open_run(run_dir: Path, recipe: Recipe, accelerator: Accelerator, *, resume_step: int | None) -> Journal | None:
    """The run's identity and, on the main process, its journal."""
    if accelerator.is_main_process:
        _write_identity(run_dir, recipe, accelerator)
    accelerator.wait_for_everyone()
    if not accelerator.is_main_process:
        return None
    return Journal(run_dir, resume_step=resume_step, trackers=recipe.run.trackers)


def make_reader(policy: Policy, recipe: Recipe) -> InputReader:
    cache = Path(recipe.video.cache) if recipe.video.cache else Path(recipe.run.dir).parent / "frame-cache"
    return InputReader(policy, recipe.video, cache=cache, mode=recipe.data.mode, system=recipe.data.system)


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
    if root.exists():
        discard_leftovers(root)
    return max(list_checkpoints(root), key=checkpoint_step, default=None)


def load_recipe_policy(recipe: Recipe, path: Path | None = None) -> Policy:
    """The recipe's model, or the one at `path` with the recipe's settings."""
    model = recipe.model
    return load_policy(
        path or resolve_model(model.path, recipe.toyworld),
        dtype=DTYPES[model.dtype],
        attention=model.attention,
        gradient_checkpointing=model.gradient_checkpointing,
        mixture_of_depths=model.mixture_of_depths,
    )


def _history(recipe: Recipe, checkpoint: Path | None) -> PromptHistory | None:
    if recipe.method != "grpo" or recipe.rl.skipping is None:
        return None
    state = checkpoint_state(checkpoint).get("prompts") if checkpoint else None
    return from_state(recipe.rl.skipping, state, seed=recipe.seed)


def _method(
    recipe: Recipe,
    policy: Policy,
    engine: HFEngine,
    rewards: Mapping[str, Reward],
    judge: Judge | None,
) -> Method:
    if recipe.method == "sft":
        return SFT(policy, mode=recipe.data.mode)
    reference = None
    if recipe.rl.kl > 0:
        # The initial model, also after a resume.
        reference = load_recipe_policy(recipe).to(policy.device).requires_grad_(False)
        reference.eval()
    return GRPO(
        policy,
        engine,
        recipe.rl,
        mode=recipe.data.mode,
        seed=recipe.seed,
        rewards=rewards,
        token_budget=recipe.packing.train_tokens,
        reference=reference,
        judge=judge,
        faults=RewardFaults(recipe.rewards.max_fault_share, Path(recipe.run.dir) / "reward-faults.jsonl"),
    )


def _write_identity(run_dir: Path, recipe: Recipe, accelerator: Accelerator) -> None:
    write_text(run_dir / "config.yaml", yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False))
    packages = ("torch", "transformers", "accelerate", "av", "numpy")
    write_json(
        run_dir / "environment.json",
        {
            "reeltune": __version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "processes": accelerator.num_processes,
            "device": str(accelerator.device),
            "threads": torch.get_num_threads(),
            **{name: metadata.version(name) for name in packages},
        },
    )
