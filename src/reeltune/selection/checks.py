"""Whether statistics speak for what they are used for: one model, one sampling, these samples."""

from collections.abc import Sequence
from pathlib import Path

from reeltune.config.recipe import Recipe
from reeltune.errors import InputError
from reeltune.media import rebase
from reeltune.provenance import content, digest
from reeltune.selection.identity import FILE, differences, read_identity
from reeltune.selection.sampling import Shard, identify, load_pool
from reeltune.selection.stats import SampleStats, quarantined
from reeltune.tasks import get_task


def mixed(stats: Sequence[SampleStats]) -> list[str]:
    """What the lines of one file disagree on."""
    found = {"models": {each.model for each in stats}, "samplings": {each.sampling for each in stats}}
    return [f"{len(values)} {name}: {', '.join(sorted(values))}" for name, values in found.items() if len(values) > 1]


def against_recipe(recipe: Recipe, stats: Sequence[SampleStats], path: Path) -> tuple[list[SampleStats], list[str]]:
    """The statistics of the recipe's samples, with these samples in them, and in words what does not match.

    InputError when they have no sample in common.
    """
    pool, _ = load_pool(recipe)
    identity = identify(recipe, pool, Shard())
    problems = []
    if {each.model for each in stats} != {identity.model} or {each.sampling for each in stats} != {identity.sampling}:
        known = (path.parent / FILE).exists()
        lines = differences(read_identity(path.parent), identity) if known else []
        problems += [line for line in lines if not line.startswith("pool:")] or ["a different model or sampling"]
    by_id = {each.id: each for each in stats}
    samples = {sample.id: sample for sample in pool}
    if not by_id.keys() & samples.keys():
        raise InputError(f"{path}: has none of the recipe's samples")
    broken = quarantined(path.parent)
    if missing := [name for name in samples if name not in by_id and name not in broken]:
        problems.append(f"{len(missing)} samples of the recipe are missing, such as {missing[0]!r}")
    if more := [name for name in by_id if name not in samples]:
        problems.append(f"{len(more)} of them are not samples of the recipe, such as {more[0]!r}")
    current, changed, asked = [], [], []
    for name, sample in samples.items():
        if name not in by_id:
            continue
        row = sample.model_dump(mode="json", exclude_unset=True)
        if content(by_id[name].sample) != content(row):
            changed.append(name)
        if by_id[name].prompt != digest(get_task(sample.task).prompt(sample, recipe.data.mode)):
            asked.append(name)
        current.append(by_id[name].model_copy(update={"sample": rebase(row, sample.folder, path.parent)}))
    if changed:
        problems.append(f"{len(changed)} samples have changed since, such as {changed[0]!r}")
    if asked:
        problems.append(f"{len(asked)} prompts have changed since, such as that of {asked[0]!r}")
    return current, problems
