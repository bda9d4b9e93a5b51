"""Checkpoints are whole or absent: written under a temporary name, synced, renamed.

checkpoints/step-000100/
  model/                  a plain Hugging Face directory, or
  adapter/                the adapter alone, in peft's format; with checkpoint.export: merged beside model/
  optimizer.safetensors   AdamW's moments, by parameter name, or
  optimizer/              the same in parts, of a sharded run: torch.distributed.checkpoint's, in safetensors
  state.json              the step, and the history of the prompts where rl.skipping is on
"""

import json
import os
import re
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.tensor import DTensor, distribute_tensor

from reeltune.distributed.shard import is_sharded
from reeltune.distributed.world import ALONE, World
from reeltune.errors import InputError
from reeltune.models.adapter import has_adapter
from reeltune.models.adapter_folder import save_adapter
from reeltune.models.policy import Policy

PREFIX = "step-"
MODEL, ADAPTER, MOMENTS = "model", "adapter", "optimizer"


def save_checkpoint(
    root: Path,
    step: int,
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    *,
    keep: int,
    state: Mapping[str, Any] | None = None,
    merged: bool = False,
    world: World = ALONE,
) -> Path:
    """Write checkpoint `step` and remove all but the newest `keep`. Every process of the run calls it.

    `state`: what else the run must remember. `merged`: of a model with an adapter, also the base with it merged in.
    """
    target = root / f"{PREFIX}{step:06d}"
    temporary = root / f".{target.name}.tmp"
    if world.is_main:
        if temporary.exists():
            shutil.rmtree(temporary)
        temporary.mkdir(parents=True)
    world.wait()
    sharded = is_sharded(policy)
    if world.is_main or sharded:
        if has_adapter(policy):
            save_adapter(policy, temporary / ADAPTER, write=world.is_main)
        if merged or not has_adapter(policy):
            policy.save(temporary / MODEL, write=world.is_main)
        tensors = optimizer_tensors(policy, optimizer)
        if sharded:
            writer = HuggingFaceStorageWriter(str(temporary / MOMENTS), save_distributed=True)
            state_dict_saver.save(tensors, storage_writer=writer)
        else:
            save_file(tensors, temporary / f"{MOMENTS}.safetensors")
    world.wait()
    if world.is_main:
        _finish(temporary, target, {"step": step, **(state or {})}, keep)
    world.wait()
    return target


def _finish(temporary: Path, target: Path, state: Mapping[str, Any], keep: int) -> None:
    """Give a checkpoint that all have written its name, and remove the oldest."""
    root = target.parent
    (temporary / "state.json").write_text(json.dumps(state) + "\n", encoding="utf-8")
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
    """The optimizer's state as named tensors: PARAMETER::KEY; of a sharded policy this process's parts."""
    tensors = {}
    for name, parameter in policy.model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            # All parameters share the tables of 8-bit moments; in a file each has its own.
            value = torch.as_tensor(value).detach().clone() if "qmap" in key else torch.as_tensor(value).detach()
            tensors[f"{name}::{key}"] = value if isinstance(value, DTensor) else value.contiguous().cpu()
    return tensors


def load_optimizer(checkpoint: Path, policy: Policy, optimizer: torch.optim.Optimizer) -> None:
    """Raises InputError when the checkpoint's state does not fit the parameters that train now."""
    training: dict[str, nn.Parameter] = {
        name: value for name, value in policy.model.named_parameters() if value.requires_grad
    }
    folder, file = checkpoint / MOMENTS, checkpoint / f"{MOMENTS}.safetensors"
    reader = HuggingFaceStorageReader(str(folder))
    whole = load_file(file) if file.exists() else None
    stored = set(reader.read_metadata().state_dict_metadata if whole is None else whole)
    saved = {name.split("::")[0] for name in stored}
    if saved and saved != set(training):
        different = sorted(saved ^ set(training))
        raise InputError(
            f"{checkpoint}: the checkpoint trains other parameters than the recipe, for example "
            f"{different[:3]}; resume with the recipe that began the run"
        )
    # Adam's step count is one number, on the CPU; the moments are shaped and spread as their parameter.
    tensors = {each: torch.zeros(()) if each.endswith("::step") else _beside(each, training) for each in stored}
    if whole is None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="torch.distributed is disabled")
            state_dict_loader.load(tensors, storage_reader=reader)
    else:
        tensors = {each: _like(tensor, whole[each]) for each, tensor in tensors.items()}
    for full_name, value in tensors.items():
        name, key = full_name.split("::")
        # bitsandbytes counts its steps in a plain number.
        counts = key == "step" and not isinstance(optimizer, torch.optim.AdamW)
        optimizer.state[training[name]][key] = int(value) if counts else value


def _beside(full_name: str, training: Mapping[str, nn.Parameter]) -> Tensor:
    return torch.zeros_like(training[full_name.split("::")[0]].detach())


def _like(place: Tensor, value: Tensor) -> Tensor:
    """`value` where `place` is, and in as many parts."""
    if isinstance(place, DTensor):
        return distribute_tensor(value.to(place.device), place.device_mesh, place.placements)
    return value.to(place.device)


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
