"""What a resumed run may change: nothing that decides what the steps compute."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from reeltune.config.recipe import Recipe, parse_recipe
from reeltune.config.tree import rename
from reeltune.errors import InputError

ABSENT = "(not set)"
MAY_CHANGE = (
    "run", "checkpoint", "eval", "select", "watch", "judge", "packing", "rl.steps", "sft.steps", "rl.parity_tolerance",
    "video.cache", "video.cache_gib", "video.feature_cache_gib", "video.feature_disk_gib", "video.max_broken_share",
    "parallel.shard", "parallel.replicate", "parallel.offload", "rewards.concurrency", "rewards.max_fault_share",
    "toyworld.dir",
)  # fmt: skip
"""Sections and keys that leave the numbers of a step as they are, and the number of steps."""


def require_same_run(run_dir: Path, recipe: Recipe) -> list[str]:
    """The settings that differ from the run's own and may, in words. InputError listing those that may not."""
    path = run_dir / "config.yaml"
    if not path.exists():
        return []
    try:
        before = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML ({error}): it was damaged; restore it, or begin a new run.dir") from None
    if not isinstance(before, dict):
        raise InputError(f"{path} is not a recipe: it was damaged; restore it, or begin a new run.dir")
    rename(before)
    # A key that an older release did not write had the value that is the default now.
    earlier = parse_recipe(before, where=str(path))
    known, wanted = _leaves(earlier.model_dump(mode="json")), _leaves(recipe.model_dump(mode="json"))
    names = dict.fromkeys([*wanted, *known])
    known, wanted = ({name: tree.get(name, ABSENT) for name in names} for tree in (known, wanted))
    differing = [name for name in names if known[name] != wanted[name]]
    refused = [name for name in differing if not _may_change(name)]
    if refused:
        lines = "\n".join(f"  {name}: {known[name]!r}, now {wanted[name]!r}" for name in refused)
        raise InputError(
            f"--resume: these settings are not those of {run_dir}:\n{lines}\nGo on with the recipe that began the run, "
            "or begin a new one: give another run.dir, and model.path of its checkpoint"
        )
    return [f"{name}: {known[name]!r}, now {wanted[name]!r}" for name in differing]


def _may_change(name: str) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in MAY_CHANGE)


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys; an empty mapping is a value."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            found |= _leaves(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found
