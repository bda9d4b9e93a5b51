"""Where a recipe becomes objects: the only constructor of policies, readers, engines and data."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from reeltune.config import names
from reeltune.config.recipe import Recipe
from reeltune.data.sources import Pool, load_source, load_sources, resolve_model
from reeltune.distributed.shard import gathered, shard
from reeltune.distributed.world import ALONE, World
from reeltune.models.adapter import install, merge
from reeltune.models.adapter_folder import (
    AdapterFolder,
    fill,
    open_folder,
    put_in_place,
    require_settings,
)
from reeltune.models.loading import is_adapter
from reeltune.models.policy import Policy, load_policy
from reeltune.models.self_check import check_against_stock
from reeltune.models.types import DTYPES
from reeltune.models.weights import INITIAL
from reeltune.registry import Registry
from reeltune.rollout.engine import RolloutEngine
from reeltune.rollout.hf import HFEngine
from reeltune.rollout.reader import InputReader
from reeltune.sample import Sample
from reeltune.tasks import load_task_file


def hf_engine(policy: Policy, recipe: Recipe) -> RolloutEngine:
    return HFEngine(policy, token_budget=recipe.packing.rollout_tokens)


ENGINES: Registry[Callable[[Policy, Recipe], RolloutEngine]] = Registry("rollout engine", names.ENGINES)


@dataclass(frozen=True)
class Data:
    """What is trained on and what is evaluated on, each with its faults."""

    train: Pool
    evaluated: Pool

    @property
    def sources(self) -> list[list[Sample]]:
        return self.train.sources

    @property
    def samples(self) -> list[Sample]:
        return self.train.samples

    @property
    def held_out(self) -> list[Sample]:
        return self.evaluated.samples


def build_data(recipe: Recipe, world: World = ALONE) -> Data:
    """Read data.train and, where the run evaluates, eval.data; the recipe's own tasks first.

    InputError when more than video.max_broken_share of either cannot be used.
    """
    load_tasks(recipe)
    with world.main_first():
        train = load_sources(recipe.data.train, recipe.toyworld)
        evaluates = recipe.eval.data and recipe.eval.every
        held_out = load_source(str(recipe.eval.data), recipe.toyworld) if evaluates else Pool([], [], [])
    share = recipe.video.max_broken_share
    return Data(train.require(share), held_out.require(share))


def load_tasks(recipe: Recipe) -> None:
    for path in recipe.data.tasks:
        load_task_file(path)


def model_directory(recipe: Recipe) -> Path:
    return resolve_model(recipe.model.path, recipe.toyworld)


def build_policy(recipe: Recipe, path: Path | None = None, *, self_check: bool = True, empty: bool = False) -> Policy:
    """The recipe's model, or the one at `path` with the recipe's settings; what the recipe freezes is frozen.

    Either may be an adapter's folder. With an adapter in the recipe, that one goes on from it; without, it is merged
    into its base. `self_check`, `empty`: see `load_policy`.
    """
    model = recipe.model
    start = model_directory(recipe)
    folder = _adapter_folder(recipe, path or start, base=None if is_adapter(start) else start)
    policy = load_policy(
        folder.base if folder else path or start,
        dtype=DTYPES[model.dtype],
        attention=model.attention,
        gradient_checkpointing=model.gradient_checkpointing,
        mixture_of_depths=(folder and folder.mixture_of_depths) or model.mixture_of_depths,
        family=model.family,
        quantize=recipe.adapter is not None and recipe.adapter.quantize == "nf4",
        empty=empty,
        self_check=self_check,
    )
    if recipe.adapter is None:
        if folder:
            put_in_place(policy, folder)
            merge(policy)
        policy.freeze(model.freeze)
        return policy
    install(policy, recipe.adapter, projector="projector" not in model.freeze, seed=recipe.seed)
    if folder:
        require_settings(folder, policy)
        fill(policy, folder)
    if recipe.method == "grpo" and recipe.rl.kl > 0 and (initial := _adapter_folder(recipe, start)):
        # The model that the run began with is then no adapter at all, but this one.
        put_in_place(policy, initial, name=INITIAL, trains=False)
    return policy


def _adapter_folder(recipe: Recipe, path: Path, base: Path | None = None) -> AdapterFolder | None:
    if not is_adapter(path):
        return None
    return open_folder(path, Path(recipe.model.base) if recipe.model.base else base)


def to_device(policy: Policy, device: torch.device) -> Policy:
    """Move a policy; on a GPU its passes are others than on the CPU, and are held to the stock model's there too."""
    policy.to(device)
    if device.type != "cpu":
        check_against_stock(policy)
    return policy


def build_on(world: World, recipe: Recipe, path: Path | None = None, *, frozen: bool = False) -> Policy:
    """`build_policy` for training: whole on each process, or spread over them and read from the disk by one alone.

    `frozen`: none of it trains, as of a reference; the same directory was opened before.
    """
    self_check = not frozen and world.device.type == "cpu"
    sharded = recipe.parallel.shard != "none"
    policy = build_policy(recipe, path, self_check=self_check, empty=sharded and not world.is_main)
    if frozen:
        policy.requires_grad_(False).eval()
    if not sharded:
        return policy.to(world.device) if frozen else to_device(policy, world.device)
    shard(policy, recipe.parallel, world)
    if world.device.type != "cpu":
        with gathered(policy):
            check_against_stock(policy)
    return policy


def build_reader(policy: Policy, recipe: Recipe) -> InputReader:
    cache, data = recipe.frame_cache, recipe.data
    return InputReader(policy, recipe.video, cache=cache, mode=data.mode, system=data.system)


def build_engine(policy: Policy, recipe: Recipe, *, version: int = 0) -> RolloutEngine:
    """The recipe's engine, started and given the policy's weights as `version`."""
    engine = ENGINES.get(recipe.rollout.engine)(policy, recipe)
    try:
        engine.start()
        engine.sync(policy.named_weights, version)
    except BaseException:
        engine.close()
        raise
    return engine


@dataclass(frozen=True)
class Answerer:
    """What answers samples: a frozen policy, its reader and an engine. For evaluation and selection."""

    policy: Policy
    reader: InputReader
    engine: RolloutEngine


def build_answerer(recipe: Recipe, path: Path | None = None, *, freeze: bool = True) -> Answerer:
    """On a GPU where there is one; with `freeze` the tower is frozen, whatever the recipe says."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    policy = to_device(build_policy(recipe, path, self_check=device.type == "cpu"), device)
    if freeze:
        policy.requires_grad_(False)
    return Answerer(policy, build_reader(policy, recipe), build_engine(policy, recipe))
