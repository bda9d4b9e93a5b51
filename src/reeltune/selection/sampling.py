"""K answers of the model to every sample of a part of the pool, written batch by batch to stats.jsonl.

A shard is a run of neighbors in the pool, so samples of one video mostly share a process. What is drawn for
a sample depends on the seed and its id alone: shards, batches and kills do not change it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reeltune.build import load_tasks, model_directory
from reeltune.config.recipe import Recipe
from reeltune.data.sources import load_sources
from reeltune.distributed.world import ALONE, World
from reeltune.errors import InputError, SampleError, nearest
from reeltune.judges import Judge
from reeltune.media import rebase
from reeltune.progress import Progress
from reeltune.provenance import digest, model_digest, pool_digest
from reeltune.rewards.faults import RewardFaults
from reeltune.rewards.judging import completions_cost, recipe_judge, require_budget
from reeltune.rewards.recipe import recipe_rewards
from reeltune.rewards.score import score_groups
from reeltune.rewards.weights import Reward
from reeltune.sample import Fault, Sample
from reeltune.selection import identity as identities
from reeltune.selection.drawing import AtEndpoint, Draw, Drawn, drawing
from reeltune.selection.identity import Identity
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
        raise InputError(f"--shard must look like 3/8, the third of eight parts; got {text!r}")
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
            raise InputError(f"data.train: two sources have a sample with the id {sample.id!r}; rename one of them")
        seen.add(sample.id)
    return pool, loaded.lines


def identify(recipe: Recipe, pool: Sequence[Sample], shard: Shard, endpoint: AtEndpoint | None = None) -> Identity:
    """Whose answers a run of this recipe gives. Reads the model's files, but does not load it; of a served model its
    name alone is known."""
    model = digest(f"{recipe.model.path}, served, sent {endpoint.sends}") if endpoint else _files(recipe)
    rewards = _rewards(recipe, pool)
    weights = {name: dict(reward.weights) for name, reward in rewards.items()}
    settings = identities.sampling_settings(recipe, weights)
    start, stop = shard.bounds(len(pool))
    return Identity(
        model=model,
        sampling=digest(settings),
        pool=pool_digest(pool),
        pool_size=len(pool),
        start=start,
        stop=stop,
        model_path=str(recipe.model.path),
        settings=settings,
    )


def _files(recipe: Recipe) -> str:
    return model_digest(model_directory(recipe))


def sample_stats(
    recipe: Recipe,
    directory: Path,
    shard: Shard | None = None,
    world: World = ALONE,
    endpoint: AtEndpoint | None = None,
) -> list[SampleStats]:
    """Ask about one shard and return its statistics; what is on disk from an earlier call is not asked again.

    `world`: processes that ask about shards of their own, together: they share servers. `endpoint`: whom else to ask
    than the recipe's engine.

    Writes DIRECTORY/stats.jsonl, identity.json and, where videos cannot be used, quarantine.jsonl. Raises
    InputError when the directory holds statistics of something else.
    """
    pool, lines = load_pool(recipe)
    identity = identify(recipe, pool, shard or Shard(), endpoint)
    identities.claim(directory, identity)
    quarantine = Quarantine(directory / "quarantine.jsonl", recipe.video.max_broken_share)
    if identity.start == 0:  # the lines are in no shard's part of the pool: the first shard names them
        quarantine.take(lines)
    file = StatsFile(directory / FILE, quarantine)
    ids = [sample.id for sample in pool]
    todo = file.missing(ids, identity.start, identity.stop, recipe.select.batch_size)
    if any(world.gather([bool(todo)])):  # servers are published to by all processes together
        _ask(recipe, pool, identity, file, todo, world, endpoint)
    return read_stats(file.path)


def _ask(
    recipe: Recipe,
    pool: Sequence[Sample],
    identity: Identity,
    file: StatsFile,
    todo: Sequence[range],
    world: World,
    endpoint: AtEndpoint | None,
) -> None:
    """Ask about the batches of `todo`; each one's statistics are appended whole, so a kill loses one batch at most."""
    rewards = _rewards(recipe, pool)
    judge = recipe_judge(recipe, rewards)
    _announce(recipe, judge, rewards, [pool[index] for batch in todo for index in batch])
    faults = RewardFaults(recipe.rewards.max_fault_share, file.path.parent / "reward-faults.jsonl")
    total = identity.stop - identity.start

    def answered(draw: Draw, batch: range) -> Iterator[tuple[int, Drawn]]:
        """What could be asked about; the others go to the quarantine, a limited share of the shard."""
        for index, each in zip(batch, draw([pool[index] for index in batch]), strict=True):
            if isinstance(each, SampleError):
                file.quarantine.set_aside(pool[index], each)
                file.quarantine.check(total)
            else:
                yield index, each

    def ask(draw: Draw, batch: range) -> Iterator[SampleStats]:
        found = list(answered(draw, batch))
        samples = [pool[index] for index, _ in found]
        scored = score_groups(rewards, samples, [drawn.texts for _, drawn in found], judge, faults)
        for (index, drawn), sample, group in zip(found, samples, scored, strict=True):
            # A completion without a valid reward (a judge did not answer, a function failed) has no score, not 0.
            yield make_stats(
                [float(value) if valid else None for value, valid in zip(group.total, group.valid, strict=True)],
                group.components,
                rewards[sample.task].judged_by(judge).weights,
                drawn.texts,
                **_describe(recipe, sample, drawn, file.path.parent),
                index=index,
                model=identity.model,
                sampling=identity.sampling,
            )

    progress = Progress(total, "select", unit="sample", initial=total - sum(map(len, todo)))
    with drawing(recipe, endpoint, world.wait) as draw, progress:
        for batch in todo:
            file.append(list(ask(draw, batch)))
            progress.update(len(batch))


def _rewards(recipe: Recipe, pool: Sequence[Sample]) -> dict[str, Reward]:
    return recipe_rewards(recipe.rewards, {sample.task for sample in pool}, recipe.data.mode)


def _announce(recipe: Recipe, judge: Judge | None, rewards: Mapping[str, Reward], samples: Sequence[Sample]) -> None:
    """What the judge may cost, as training says it."""
    if judge is None:
        return
    judged = [sample for sample in samples if rewards[sample.task].judged]
    count = len(judged) * recipe.select.repeats
    cost = completions_cost(judge, rewards, judged, words=recipe.rl.max_new_tokens, count=count)
    what = f"{recipe.select.repeats} completions of {len(judged)} samples"
    require_budget(judge, cost, recipe.judge.budget_tokens, what=what, less="select from fewer samples")


def _describe(recipe: Recipe, sample: Sample, drawn: Drawn, folder: Path) -> dict[str, Any]:
    task = get_task(sample.task)
    return {
        "id": sample.id,
        "task": sample.task,
        "source": sample.source,
        "unparsed": sum(task.read(sample, text).value is None for text in drawn.texts),
        "truncated": drawn.truncated,
        "lengths": drawn.lengths,
        "prompt": digest(task.prompt(sample, recipe.data.mode)),
        "sample": rebase(sample.model_dump(mode="json", exclude_unset=True), sample.folder, folder),
    }
