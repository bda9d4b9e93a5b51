"""Checkpoints are whole or absent: written under a temporary name, synced, renamed; and say what they consist of.

Their digests, the way to the disk and the rename may go on behind the next steps (`Behind`). With
`checkpoint.asynchronous` all writing does: a step waits until weights and moments are copied to the host's memory.
Without it, it waits until the bytes are handed to the system: weights, then moments, no more than one of them copied to
the host at a time, and on a CPU none.

checkpoints/step-000100/
  manifest.json           step, run, and a digest of every file: see manifest.py
  model/                  a plain Hugging Face directory, or
  adapter/                the adapter alone, in peft's format; with checkpoint.export: merged beside model/
  optimizer.safetensors   AdamW's moments, by parameter name, or
  optimizer/              the same in parts, of a sharded run: torch.distributed.checkpoint's, in safetensors
  state.json              the step, and the history of the prompts where rl.skipping is on
"""

import json
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
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
from reeltune.files import partial_folder, remove_folder, sync_folder, whole_folder
from reeltune.models.adapter import has_adapter
from reeltune.models.adapter_folder import collect_adapter, write_adapter
from reeltune.models.policy import Policy
from reeltune.training.behind import Behind
from reeltune.training.manifest import find_damage, write_manifest

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
    run: str = "",
    merged: bool = False,
    world: World = ALONE,
    behind: Behind | None = None,
    asynchronous: bool = False,
) -> Path:
    """Write checkpoint `step` and remove all but the newest `keep`. Every process of the run calls it.

    `state`: what else the run must remember; `run`: the digest of the run that it is one of. `merged`: of a model with
    an adapter, also the base with it merged in. `behind`: digests, the way to the disk and the removal of older ones go
    on in a thread of its own, `asynchronous` the writing too; until then the older ones are the newest.
    """
    if behind:
        behind.wait()
    target = root / f"{PREFIX}{step:06d}"
    with ExitStack() as stack:
        folder = stack.enter_context(whole_folder(target)) if world.is_main else partial_folder(target)
        # Sharded weights are gathered by all, and the moments written by all, into the folder that one of them made.
        world.wait()
        later: list[Callable[[], None]] = []
        if world.is_main or is_sharded(policy):
            options = {"merged": merged, "main": world.is_main, "apart": asynchronous}
            for write in _parts(folder, policy, optimizer, behind=behind, **options):
                if asynchronous:
                    later.append(write)
                else:
                    write()
                del write  # with what it holds, before the next part is collected
        world.wait()
        if world.is_main:
            (folder / "state.json").write_text(json.dumps({"step": step, **(state or {})}) + "\n", encoding="utf-8")
        written = stack.pop_all()

    def finish() -> None:
        with written:
            for write in later:
                write()
            if world.is_main:
                # Sharded moments are whole: their writer waits for all processes.
                write_manifest(folder, step=step, run=run)
        for old in list_checkpoints(root)[:-keep] if world.is_main else ():
            remove_folder(old)

    if world.is_main or (asynchronous and is_sharded(policy)):
        behind.start(finish) if behind else finish()
    if not behind:
        world.wait()
    return target


def _parts(
    folder: Path,
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    *,
    merged: bool,
    main: bool,
    apart: bool,
    behind: Behind | None,
) -> Iterator[Callable[[], None]]:
    """What writes each part, with what it writes collected when it is asked for: together, where weights are in parts.

    `main`: whether this process writes what is written once. `apart`: in memory of their own, to be written while
    training changes them; else a part should be written before the next is asked for.
    """
    if has_adapter(policy):
        yield _adapter_part(folder / ADAPTER, policy, main=main, apart=apart)
    if merged or not has_adapter(policy):
        weights = policy.collect(keep=main, apart=apart)
        yield partial(policy.write, folder / MODEL, weights) if main else _nothing
        del weights
    moments = optimizer_tensors(policy, optimizer, apart=apart)
    if is_sharded(policy):  # written by all processes, each its own
        writer = HuggingFaceStorageWriter(str(folder / MOMENTS), save_distributed=True)
        group = behind.group if behind else None
        yield partial(state_dict_saver.save, moments, storage_writer=writer, process_group=group)
    else:
        yield partial(save_file, moments, folder / f"{MOMENTS}.safetensors")


def _adapter_part(folder: Path, policy: Policy, *, main: bool, apart: bool) -> Callable[[], None]:
    adapter = collect_adapter(policy, apart=apart)

    def write() -> None:
        write_adapter(policy, folder, adapter)
        policy.save_processor(folder)

    return write if main else _nothing


def _nothing() -> None:
    pass


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
            f"no usable checkpoint:\n{lines}\nRestore one, or start a new run with another run.dir and, as "
            "model.path, the model of a checkpoint that you trust"
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


def optimizer_tensors(policy: Policy, optimizer: torch.optim.Optimizer, *, apart: bool = False) -> dict[str, Tensor]:
    """The optimizer's state as named tensors: PARAMETER::KEY; of a sharded policy this process's parts. `apart`: on the
    host, in memory of their own."""
    tensors = {}
    for name, parameter in policy.model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            # All parameters share the tables of 8-bit moments; in a file each has its own.
            value = torch.as_tensor(value).detach().clone() if "qmap" in key else torch.as_tensor(value).detach()
            if apart or not isinstance(value, DTensor):
                value = value.contiguous().to("cpu", copy=apart)
            tensors[f"{name}::{key}"] = value
    # By name: a loaded optimizer holds a parameter's tensors in another order than one that has made them, and the
    # order decides in which process's file torch puts what all of them have.
    return dict(sorted(tensors.items()))


def load_optimizer(checkpoint: Path, policy: Policy, optimizer: torch.optim.Optimizer) -> None:
    """Raises InputError when the checkpoint's state does not fit the parameters that train now."""
    training: dict[str, nn.Parameter] = {
        name: value for name, value in policy.model.named_parameters() if value.requires_grad
    }
    folder, file = checkpoint / MOMENTS, checkpoint / f"{MOMENTS}.safetensors"
    reader = HuggingFaceStorageReader(str(folder))
    whole = load_file(file) if file.exists() else None
    # In one order in all processes: spreading a tensor is done by all of them together.
    stored = sorted(reader.read_metadata().state_dict_metadata if whole is None else whole)
    saved = {name.split("::")[0] for name in stored}
    if saved and saved != set(training):
        different = sorted(saved ^ set(training))
        raise InputError(
            f"{checkpoint}: the checkpoint trains other parameters than the recipe, for example {different[:3]}; "
            "resume with the recipe that started the run"
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


def _numbered(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix(PREFIX))
