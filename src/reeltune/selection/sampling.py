"""K answers of the model to every sample of a part of the pool, written batch by batch to stats.jsonl.

A shard is a run of neighbors in the pool, so samples of one video mostly share a process. What is drawn for
a sample depends on the seed and its id alone: shards, batches and kills do not change it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from reeltune.build import build_answerer, load_tasks, model_directory
from reeltune.config.recipe import Recipe
from reeltune.data.sources import load_sources
from reeltune.distributed.world import ALONE, World
from reeltune.errors import InputError, SampleError
from reeltune.judges import Judge
from reeltune.media import rebase
from reeltune.models.types import Prompt
from reeltune.progress import Progress
from reeltune.provenance import digest, model_digest, pool_digest
from reeltune.rewards.faults import RewardFaults
from reeltune.rewards.judging import announce_cost, recipe_judge
from reeltune.rewards.score import recipe_rewards, score_groups
from reeltune.rewards.weights import Reward
from reeltune.rollout.engine import Request, Rollout, RolloutEngine, answers, derive_seed
from reeltune.rollout.reader import InputReader, autocast
from reeltune.sample import Fault, Sample, nearest
from reeltune.selection import identity as identities
from reeltune.selection.identity import Identity, sampling_params
from reeltune.selection.stats import FILE, SampleStats, StatsFile, make_stats, read_stats
from reeltune.tasks import get_task
from reeltune.video.quarantine import Quarantine


@dataclass(frozen=True)
class Shard:
    """Part `number` of `count`, counted from 1."""

    number: int = 1
    count: int = 1

    def bounds(self, size: int) -> tuple[int, int]:
        """[start, stop) of the part in a pool of `size`."""
        return (self.number - 1) * size // self.count, self.number * size // self.count


def parse_shard(text: str) -> Shard:
    """ "3/8": the third of eight parts."""
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise InputError(f"--shard looks like 3/8, the third of eight parts; got {text!r}")
    return Shard(int(number), int(count))


def load_pool(recipe: Recipe) -> tuple[list[Sample], list[Fault]]:
    """All samples of data.train whose task is asked for, and the lines that make none. InputError for an id that two
    sources use, and when more than video.max_broken_share cannot be used."""
    load_tasks(recipe)
    loaded = load_sources(recipe.data.train, recipe.toyworld).require(recipe.video.max_broken_share)
    samples = loaded.samples
    tasks = {sample.task for sample in samples}
    for name in recipe.select.tasks:
        if name not in tasks:
            raise InputError(f"select.tasks: no sample has the task {name!r}{nearest(name, tasks)}")
    pool = [sample for sample in samples if not recipe.select.tasks or sample.task in recipe.select.tasks]
    seen: set[str] = set()
    for sample in pool:
        if sample.id in seen:
            raise InputError(f"data.train: two sources have a sample with the id {sample.id!r}; give each its own")
        seen.add(sample.id)
    return pool, loaded.lines


def identify(recipe: Recipe, pool: Sequence[Sample], shard: Shard) -> Identity:
    """Whose answers a run of this recipe gives. Reads the model's files, but does not load it."""
    model = model_directory(recipe)
    rewards = _rewards(recipe, pool)
    weights = {name: dict(reward.weights) for name, reward in rewards.items()}
    settings = identities.sampling_settings(recipe, weights)
    start, stop = shard.bounds(len(pool))
    return Identity(
        model=model_digest(model),
        sampling=digest(settings),
        pool=pool_digest(pool),
        pool_size=len(pool),
        start=start,
        stop=stop,
        model_path=str(recipe.model.path),
        settings=settings,
    )


def sample_stats(
    recipe: Recipe, directory: Path, shard: Shard | None = None, world: World = ALONE
) -> list[SampleStats]:
    """Ask about one shard and return its statistics; what is on disk from an earlier call is not asked again.

    `world`: processes that ask about shards of their own, together: they share servers.

    Writes DIRECTORY/stats.jsonl, identity.json and, where videos cannot be used, quarantine.jsonl. Raises
    InputError when the directory holds statistics of something else.
    """
    pool, lines = load_pool(recipe)
    identity = identify(recipe, pool, shard or Shard())
    identities.claim(directory, identity)
    quarantine = Quarantine(directory / "quarantine.jsonl", recipe.video.max_broken_share)
    if identity.start == 0:  # the lines are in no shard's part of the pool: the first shard names them
        quarantine.take(lines)
    file = StatsFile(directory / FILE, quarantine)
    ids = [sample.id for sample in pool]
    todo = file.missing(ids, identity.start, identity.stop, recipe.select.batch_size)
    if any(world.gather([bool(todo)])):  # servers are published to by all processes together
        _ask(recipe, pool, identity, file, todo, world)
    return read_stats(file.path)


def _ask(
    recipe: Recipe, pool: Sequence[Sample], identity: Identity, file: StatsFile, todo: Sequence[range], world: World
) -> None:
    """Ask about the batches of `todo`; each one's statistics are appended whole, so a kill loses one batch at most."""
    rewards = _rewards(recipe, pool)
    judge = recipe_judge(recipe, rewards)
    _announce(recipe, judge, rewards, [pool[index] for batch in todo for index in batch])
    faults = RewardFaults(recipe.rewards.max_fault_share, file.path.parent / "reward-faults.jsonl")
    answerer = build_answerer(recipe)
    policy, reader, engine = answerer.policy, answerer.reader, answerer.engine

    def ask(batch: range) -> Iterator[SampleStats]:
        # Two kinds of samples drop out and are set aside: those whose media cannot be read, and those that the engine
        # gives up. What is left keeps its order, so that prompts, rollouts and rewards stay side by side.
        readable = list(_prompts(reader, pool, batch, file, identity.stop - identity.start))
        given = _roll_out(recipe, reader, engine, [(pool[index], prompt) for index, prompt in readable])
        for (index, _), each in zip(readable, given, strict=True):
            if isinstance(each, str):  # the engine gave it up
                file.quarantine.set_aside(pool[index], SampleError(each))
                file.quarantine.check(identity.stop - identity.start)
        readable = [pair for pair, each in zip(readable, given, strict=True) if not isinstance(each, str)]
        rollouts = [each for each in given if not isinstance(each, str)]
        samples = [pool[index] for index, _ in readable]
        scored = score_groups(rewards, samples, [rollout.texts for rollout in rollouts], judge, faults)
        for (index, _), sample, rollout, group in zip(readable, samples, rollouts, scored, strict=True):
            # A completion without a valid reward (a judge did not answer, a function failed) has no score, not 0.
            yield make_stats(
                [float(value) if valid else None for value, valid in zip(group.total, group.valid, strict=True)],
                group.components,
                rewards[sample.task].judged_by(judge).weights,
                rollout.texts,
                **_describe(recipe, sample, rollout, file.path.parent),
                index=index,
                model=identity.model,
                sampling=identity.sampling,
            )

    total = identity.stop - identity.start
    progress = Progress(total, "select", unit="sample", initial=total - sum(map(len, todo)))
    with closing(engine), progress, autocast(policy.device, recipe.optim.precision), torch.no_grad():
        for batch in todo:
            file.append(list(ask(batch)))
            progress.update(len(batch))
        world.wait()  # the main process's engine ends servers that the others may still ask


def _rewards(recipe: Recipe, pool: Sequence[Sample]) -> dict[str, Reward]:
    return recipe_rewards(recipe.rewards, {sample.task for sample in pool}, recipe.data.mode)


def _announce(recipe: Recipe, judge: Judge | None, rewards: Mapping[str, Reward], samples: Sequence[Sample]) -> None:
    """What the judge may cost, as training says it: one step of all samples that it judges."""
    judged = sum(bool(rewards[sample.task].judged) for sample in samples)
    size = {"steps": 1, "groups_per_step": judged, "group_size": recipe.select.repeats}
    announce_cost(recipe.model_copy(update={"rl": recipe.rl.model_copy(update=size)}), judge, rewards, list(samples))


def _prompts(
    reader: InputReader, pool: Sequence[Sample], batch: range, file: StatsFile, size: int
) -> Iterator[tuple[int, Prompt]]:
    """The samples whose video can be used; the others go to the quarantine, a limited share of the shard's `size`."""
    for index in batch:
        sample = pool[index]
        try:
            yield index, reader.prompt(sample)
        except SampleError as error:
            file.quarantine.set_aside(sample, error)
            file.quarantine.check(size)


def _roll_out(
    recipe: Recipe, reader: InputReader, engine: RolloutEngine, batch: Sequence[tuple[Sample, Prompt]]
) -> list[Rollout | str]:
    if not batch:
        return []
    features = reader.encode([prompt for _, prompt in batch])
    requests = [
        Request(prompt, video, derive_seed(recipe.seed, "select", sample.id))
        for (sample, prompt), video in zip(batch, features, strict=True)
    ]
    params = replace(sampling_params(recipe), banned=tuple(reader.policy.banned.tolist()))
    return answers(engine, requests, recipe.select.repeats, params)


def _describe(recipe: Recipe, sample: Sample, rollout: Rollout, folder: Path) -> dict[str, Any]:
    task = get_task(sample.task)
    return {
        "id": sample.id,
        "task": sample.task,
        "source": sample.source,
        "unparsed": sum(task.read(sample, text).value is None for text in rollout.texts),
        "truncated": int(rollout.truncated.sum()),
        "lengths": rollout.completions.lengths,
        "prompt": digest(task.prompt(sample, recipe.data.mode)),
        "sample": rebase(sample.model_dump(mode="json", exclude_unset=True), sample.folder, folder),
    }
