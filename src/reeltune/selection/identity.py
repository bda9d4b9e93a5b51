"""Whose answers the statistics are of: the model's files, how it was sampled, what it was asked.

Statistics speak for one model and one way of sampling alone. Digests in every line of stats.jsonl keep others
out; identity.json beside it says in words what they are of.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reeltune.config.recipe import Recipe
from reeltune.errors import InputError
from reeltune.files import write_json
from reeltune.provenance import asked_settings, changes, code_file_digests
from reeltune.rollout.engine import SamplingParams

FILE = "identity.json"


@dataclass(frozen=True)
class Identity:
    """`model` and `sampling` are digests of `model_files` and `settings`; [start, stop) is a part of the pool."""

    model: str
    sampling: str
    pool: str
    pool_size: int
    start: int
    stop: int
    model_path: str
    settings: dict[str, Any]


def sampling_settings(recipe: Recipe, weights: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """What decides, beside model and prompt, which answers are drawn and what they earn."""
    rewards = recipe.rewards.model_dump(mode="json", exclude={"weights", "max_fault_share", "concurrency"})
    params = sampling_params(recipe)
    return {
        "repeats": recipe.select.repeats,
        **{name: value for name, value in asdict(params).items() if name != "banned"},
        "seed": recipe.seed,
        **asked_settings(recipe),
        "code": code_digests(recipe),
        "judge": recipe.judge.model_dump(include={"kind", "model", "temperature"}),
        "weights": {task: dict(sorted(each.items())) for task, each in sorted(weights.items())},
        "rewards": rewards,
    }


def code_digests(recipe: Recipe) -> list[str]:
    """Of the files of tasks, rewards and judges that the recipe names: their code decides what an answer earns."""
    functions = [spec for each in recipe.rewards.functions.values() for spec in each.values()]
    return code_file_digests([*recipe.data.tasks, *functions, recipe.judge.kind])


def sampling_params(recipe: Recipe) -> SamplingParams:
    """As in training, unless select.temperature says otherwise."""
    rl = recipe.rl
    temperature = rl.temperature if recipe.select.temperature is None else recipe.select.temperature
    return SamplingParams(temperature, rl.top_p, rl.top_k, rl.max_new_tokens)


def write_identity(directory: Path, identity: Identity) -> None:
    write_json(directory / FILE, asdict(identity))


def read_identity(directory: Path) -> Identity:
    path = directory / FILE
    try:
        return Identity(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; give a directory written by reeltune select") from None
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: not the identity file of a selection ({error})") from None


def differences(found: Identity, wanted: Identity) -> list[str]:
    """What differs between two identities, in words; the part of the pool is left out."""
    lines = []
    if found.model != wanted.model:
        lines.append(f"model: {found.model} ({found.model_path}), not {wanted.model} ({wanted.model_path})")
    lines += changes(found.settings, wanted.settings)
    if (found.pool, found.pool_size) != (wanted.pool, wanted.pool_size):
        lines.append(f"pool: {found.pool_size} samples ({found.pool}), not {wanted.pool_size} ({wanted.pool})")
    return lines


def claim(directory: Path, identity: Identity) -> None:
    """Write identity.json, or find this very identity there."""
    if not (directory / FILE).exists():
        write_identity(directory, identity)
        return
    found = read_identity(directory)
    lines = differences(found, identity)
    if (found.start, found.stop) != (identity.start, identity.stop):
        lines.append(f"shard: samples {found.start} to {found.stop}, not {identity.start} to {identity.stop}")
    if lines:
        raise InputError(
            f"{directory} contains statistics of something else; give another directory:\n  " + "\n  ".join(lines)
        )
