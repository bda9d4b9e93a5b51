"""Checkpoints are whole or absent: written under a temporary name, synced, renamed.

checkpoints/step-000100/
  model/                  a plain Hugging Face directory, or
  adapter/                the adapter alone, in peft's format; with checkpoint.export: merged beside model/
  optimizer.safetensors   AdamW's moments, by parameter name
  state.json              the step, and the history of the prompts where rl.skipping is on
"""

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from reeltune.errors import InputError
from reeltune.models.adapter import has_adapter
from reeltune.models.adapter_folder import save_adapter
from reeltune.models.policy import Policy

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
    merged: bool = False,
) -> Path:
    """Write checkpoint `step` and remove all but the newest `keep`.

    `state`: what else the run must remember. `merged`: of a model with an adapter, also the base with it merged in.
    """
    target = root / f"{PREFIX}{step:06d}"
    temporary = root / f".{target.name}.tmp"
    if temporary.exists():
        shutil.rmtree(temporary)
    temporary.mkdir(parents=True)
    if has_adapter(policy):
        save_adapter(policy, temporary / ADAPTER)
    if merged or not has_adapter(policy):
        policy.save(temporary / MODEL)
    save_file(optimizer_tensors(policy, optimizer), temporary / "optimizer.safetensors")
    (temporary / "state.json").write_text(json.dumps({"step": step, **(state or {})}) + "\n", encoding="utf-8")
    _sync(temporary)
    if target.exists():
        shutil.rmtree(target)
    os.replace(temporary, target)
    _sync_folder(root)
    for old in list_checkpoints(root)[:-keep]:
        # Renamed first: a kill in the middle of the removal must not leave half a checkpoint under its name.
        doomed = root / f".{old.name}.old"
        os.replace(old, doomed)
        shutil.rmtree(doomed)
    return target


def list_checkpoints(root: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    found = [path for path in root.glob(f"{PREFIX}*") if re.fullmatch(rf"{PREFIX}\d+", path.name)]
    return sorted(found, key=lambda path: int(path.name.removeprefix(PREFIX)))


def resumable_weights(checkpoint: Path) -> Path:
    """Where a run goes on from: the adapter, where one trains."""
    return checkpoint / (ADAPTER if (checkpoint / ADAPTER).is_dir() else MODEL)


def trained_model(checkpoint: Path) -> Path:
    """What to evaluate, train on or serve: the plain directory where there is one, else the adapter."""
    return checkpoint / (MODEL if (checkpoint / MODEL).is_dir() else ADAPTER)


def discard_leftovers(root: Path) -> None:
    """Remove what a killed save or removal left behind."""
    for pattern in (f".{PREFIX}*.tmp", f".{PREFIX}*.old"):
        for path in root.glob(pattern):
            shutil.rmtree(path)


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


def _sync(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
    for path in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        _sync_folder(path)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
