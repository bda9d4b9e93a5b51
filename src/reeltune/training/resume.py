"""What a resumed run may change: nothing that decides what the steps compute. A fork may change that, and is a new run.

RUN/config.yaml and RUN/identity.json say what the run began with: its settings, and digests of what these name.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from reeltune.config.recipe import Recipe, parse_recipe
from reeltune.config.tree import rename
from reeltune.errors import InputError
from reeltune.files import whole_folder, write_json
from reeltune.provenance import IDENTITY_FILE, changes, digest
from reeltune.training.checkpoint import checkpoint_step, list_checkpoints, newest_whole
from reeltune.training.manifest import find_damage, write_manifest

CONFIG = "config.yaml"
ABSENT = "(not set)"
MAY_CHANGE = (
    "run", "checkpoint", "eval", "select", "watch", "packing", "rl.steps", "sft.steps", "rl.parity_tolerance",
    "video.cache", "video.cache_gib", "video.feature_cache_gib", "video.feature_disk_gib", "video.max_broken_share",
    "video.timeout_s", "video.prefetch", "parallel.shard", "parallel.replicate", "parallel.offload", "judge.base_url",
    "judge.api_key_env", "judge.transcript", "judge.concurrency", "judge.timeout_s", "judge.attempts",
    "judge.backoff_s", "judge.max_failures", "judge.budget_tokens", "rewards.concurrency", "rewards.max_fault_share",
    "toyworld.dir", "rollout.servers", "rollout.launch", "rollout.publish", "rollout.publish_dir",
    "rollout.timeout_s", "rollout.retries", "rollout.min_servers",
)  # fmt: skip
"""Sections and keys that leave the numbers of a step as they are, and the number of steps."""
STEPS = ("rl.steps", "sft.steps")


def require_same_run(run_dir: Path, recipe: Recipe) -> list[str]:
    """The settings that differ from the run's own and may, in words. InputError listing those that may not."""
    differing = differences(run_dir, recipe)
    refused = [line for name, line in differing.items() if not _may_change(name)]
    if refused:
        lines = "\n".join(f"  {line}" for line in refused)
        raise InputError(
            f"--resume: these settings differ from those of {run_dir}:\n{lines}\nUse the recipe that started the "
            f"run, or start a new run from its newest checkpoint: --fork {run_dir} with another run.dir"
        )
    return list(differing.values())


def differences(run_dir: Path, recipe: Recipe) -> dict[str, str]:
    """name -> "name: value of the run, now value of the recipe", of every setting that differs."""
    before = _settings(run_dir)
    if before is None:
        return {}
    # A key that an older release did not write had the value that is the default now.
    earlier = parse_recipe(before, where=str(run_dir / CONFIG))
    known, wanted = _leaves(earlier.model_dump(mode="json")), _leaves(recipe.model_dump(mode="json"))
    names = dict.fromkeys([*wanted, *known])
    known, wanted = ({name: tree.get(name, ABSENT) for name in names} for tree in (known, wanted))
    lines = {name: f"{name}: {known[name]!r}, now {wanted[name]!r}" for name in names if known[name] != wanted[name]}
    for name in STEPS:
        if name in lines and recipe.optim.schedule != "constant":
            schedule = f"optim.schedule={recipe.optim.schedule}"
            lines[name] += f"; with {schedule} the learning rates of the remaining steps change too"
    return lines


def _settings(run_dir: Path) -> dict[str, Any] | None:
    path = run_dir / CONFIG
    if not path.exists():
        return None
    try:
        before = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} is not YAML ({error}): the file is damaged; restore it, or use another run.dir"
        ) from None
    if not isinstance(before, dict):
        raise InputError(f"{path} is not a recipe: the file is damaged; restore it, or use another run.dir")
    rename(before)
    return before


def run_digest(settings: Mapping[str, Any]) -> str:
    """Names a run by the settings that it began with; where it stands does not count, so that it may be moved."""
    return digest({name: value for name, value in settings.items() if name != "run"})


def digest_of_run(run_dir: Path, recipe: Recipe) -> str:
    """Of config.yaml, which holds the recipe where it is still to be written."""
    return run_digest(_settings(run_dir) or recipe.model_dump(mode="json"))


def require_same_inputs(run_dir: Path, identity: Mapping[str, Any]) -> None:
    """InputError when samples, model or code files of the run are others than when it began."""
    path = run_dir / IDENTITY_FILE
    if not path.exists():
        return
    try:
        lines = changes(json.loads(path.read_text(encoding="utf-8")), identity)
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(
            f"{path}: not the identity file of a run ({error}); restore it, or use another run.dir"
        ) from None
    if lines:
        raise InputError(
            f"--resume: the recipe is that of {run_dir}, but files that it names have changed:\n  "
            + "\n  ".join(lines)
            + f"\nRestore them, or start a new run from the newest checkpoint: --fork {run_dir} with another run.dir"
        )


def find_fork(source: Path) -> Path:
    """The checkpoint that `source` is, or the newest whole one of the run that it is. InputError when it is neither."""
    if (source / "state.json").is_file():
        damage = find_damage(source, step=checkpoint_step(source), run=None)
        if damage:
            raise InputError(f"--fork {source}: {damage}")
        return source
    if not list_checkpoints(source / "checkpoints"):
        raise InputError(f"--fork {source}: not a checkpoint or a run that has one; give RUN or RUN/checkpoints/step-N")
    found, _ = newest_whole(source / "checkpoints", run=None)
    assert found is not None  # there are some
    return found


def begin_fork(checkpoint: Path, run_dir: Path, recipe: Recipe) -> None:
    """Make the checkpoint one of the new run, which is then whole by itself. fork.json says where it came from."""
    parent, step = checkpoint.parent.parent, checkpoint_step(checkpoint)
    with whole_folder(run_dir / "checkpoints" / checkpoint.name) as folder:
        shutil.copytree(checkpoint, folder, dirs_exist_ok=True)
        write_manifest(folder, step=step, run=run_digest(recipe.model_dump(mode="json")))
    changed = list(differences(parent, recipe).values())
    write_json(run_dir / "fork.json", {"run": str(parent), "step": step, "changed": changed})


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
