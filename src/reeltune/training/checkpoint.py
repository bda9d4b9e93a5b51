"""Checkpoints are whole or absent: written under a temporary name, synced, renamed; and say what they consist of.

checkpoints/step-000100/
  manifest.json           step, run, and a digest of every file: see manifest.py
  model/                  a plain Hugging Face directory, or
  adapter/                the adapter alone, in peft's format; with checkpoint.export: merged beside model/
  optimizer.safetensors   AdamW's moments, by parameter name
  state.json              the step, and the history of the prompts where rl.skipping is on
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from reeltune.errors import InputError
from reeltune.files import remove_folder, sync_folder, whole_folder
from reeltune.models.adapter import has_adapter
from reeltune.models.adapter_folder import save_adapter
from reeltune.models.policy import Policy
from reeltune.training.manifest import find_damage, write_manifest

PREFIX = "step-"
MODEL, ADAPTER = "model", "adapter"


def save_checkpoint(
    root: Path,
    step: int,
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    *,
    keep: int,
    state: Mapping[str, Any] | None = None,
    run: str = "",
    merged: bool = False,
) -> Path:
    """Write checkpoint `step` and remove all but the newest `keep`.

    `state`: what else the run must remember; `run`: the digest of the run that it is one of. `merged`: of a model with
    an adapter, also the base with it merged in.
    """
    target = root / f"{PREFIX}{step:06d}"
    with whole_folder(target) as folder:
        if has_adapter(policy):
            save_adapter(policy, folder / ADAPTER)
            policy.save_processor(folder / ADAPTER)
        if merged or not has_adapter(policy):
            policy.save(folder / MODEL)
        save_file(optimizer_tensors(policy, optimizer), folder / "optimizer.safetensors")
        (folder / "state.json").write_text(json.dumps({"step": step, **(state or {})}) + "\n", encoding="utf-8")
        write_manifest(folder, step=step, run=run)
    for old in list_checkpoints(root)[:-keep]:
        remove_folder(old)
    return target


def list_checkpoints(root: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    found = [path for path in root.glob(f"{PREFIX}*") if re.fullmatch(rf"{PREFIX}\d+", path.name)]
    return sorted(found, key=_numbered)


def newest_whole(root: Path, *, run: str | None) -> tuple[Path | None, list[str]]:
    """The newest checkpoint of the run that nothing is wrong with, and what is wrong with newer ones, in words.

    None when there is none at all. InputError when there are some, and all are damaged.
    """
    damages: list[str] = []
    for checkpoint in reversed(list_checkpoints(root)):
        damage = find_damage(checkpoint, step=_numbered(checkpoint), run=run)
        if damage is None:
            return checkpoint, damages
        damages.append(f"{checkpoint}: {damage}")
    if damages:
        lines = "\n".join(f"  {each}" for each in damages)
        raise InputError(
            f"no checkpoint can be used:\n{lines}\nRestore one, or begin a new run: give another run.dir, and as "
            "model.path the model of a checkpoint whose weights you trust"
        )
    return None, []


def set_aside_newer(root: Path, step: int) -> None:
    """Give checkpoints newer than `step` names under which nobody takes them for checkpoints: damaged-step-N."""
    for checkpoint in list_checkpoints(root):
        if _numbered(checkpoint) > step:
            aside = root / f"damaged-{checkpoint.name}"
            if aside.exists():
                remove_folder(aside)
            os.replace(checkpoint, aside)
            sync_folder(root)


def resumable_weights(checkpoint: Path) -> Path:
    """Where a run goes on from: the adapter, where one trains."""
    return checkpoint / (ADAPTER if (checkpoint / ADAPTER).is_dir() else MODEL)


def trained_model(checkpoint: Path) -> Path:
    """What to evaluate, train on or serve: the plain directory where there is one, else the adapter."""
    return checkpoint / (MODEL if (checkpoint / MODEL).is_dir() else ADAPTER)


def checkpoint_step(checkpoint: Path) -> int:
    return int(checkpoint_state(checkpoint)["step"])


def checkpoint_state(checkpoint: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((checkpoint / "state.json").read_text(encoding="utf-8"))
    return state


def optimizer_tensors(policy: Policy, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state as named tensors: PARAMETER::KEY."""
    tensors = {}
    for name, parameter in policy.model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{name}::{key}"] = torch.as_tensor(value).detach().contiguous().cpu()
    return tensors


def load_optimizer(checkpoint: Path, policy: Policy, optimizer: torch.optim.Optimizer) -> None:
    """Raises InputError when the checkpoint's state does not fit the parameters that train now."""
    tensors = load_file(checkpoint / "optimizer.safetensors")
    training: dict[str, nn.Parameter] = {
        name: value for name, value in policy.model.named_parameters() if value.requires_grad
    }
    saved = {name.split("::")[0] for name in tensors}
    if saved and saved != set(training):
        different = sorted(saved ^ set(training))
        raise InputError(
            f"{checkpoint}: the checkpoint trains other parameters than the recipe, for example "
            f"{different[:3]}; resume with the recipe that began the run"
        )
    for full_name, value in tensors.items():
        name, key = full_name.split("::")
        # Adam keeps its step count on the CPU.
        device = "cpu" if key == "step" else training[name].device
        optimizer.state[training[name]][key] = value.to(device)


def _numbered(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix(PREFIX))
