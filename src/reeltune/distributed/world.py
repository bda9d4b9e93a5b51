"""The processes of one run. torchrun is the one launcher, from one process to many nodes, CPU included.

    torchrun --nproc_per_node 8 -m reeltune train recipe.yaml

A launch that would train something else than it says is refused: several processes that do not know of each other, and
settings of another launcher that nobody here reads.
"""

import gc
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from reeltune.errors import InputError

T = TypeVar("T")
COMMAND = "torchrun --nproc_per_node N -m reeltune train RECIPE"
# What other launchers tell their processes: the number of them, and the settings that only they would apply.
COUNTS = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")
SHARDING = (
    "ACCELERATE_USE_FSDP",
    "ACCELERATE_USE_DEEPSPEED",
    "ACCELERATE_USE_MEGATRON_LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG",
)
TIMEOUT = timedelta(minutes=30)


@dataclass(frozen=True)
class World:
    """This process among `size`: its `rank` over all nodes, and its `device`."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def gather(self, values: Sequence[T]) -> list[T]:
        """The values of all processes, in the order of their ranks; every process calls it equally often."""
        if self.size == 1:
            return list(values)
        parts: list[Any] = [None] * self.size
        distributed.all_gather_object(parts, list(values))
        return [value for part in parts for value in part]

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            distributed.barrier()

    def apart(self) -> "distributed.ProcessGroup | None":
        """The same processes, for messages between host memories that must not meet those of training, such as a
        checkpoint's that is written meanwhile; None for one process. Every process calls it."""
        return distributed.new_group(backend="gloo") if self.size > 1 else None

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """The main process goes through the block before the others, which then find what it made."""
        if not self.is_main:
            self.wait()
        yield
        if self.is_main:
            self.wait()

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module with its gradients averaged over all processes."""
        if self.size == 1:
            return module
        return DistributedDataParallel(module, device_ids=[self.device.index] if self.device.type == "cuda" else None)


ALONE = World(0, 1, torch.device("cpu"))


def join(environment: Mapping[str, str] | None = None) -> World:
    """Find the other processes of this launch. InputError for a launch that is not what it says."""
    environment = os.environ if environment is None else environment
    refuse_misread_launch(environment)
    size, rank = int(environment.get("WORLD_SIZE", "1")), int(environment.get("RANK", "0"))
    device = _device(environment)
    if size > 1 and not distributed.is_initialized():
        backend = "nccl" if device.type == "cuda" else "gloo"
        distributed.init_process_group(backend, rank=rank, world_size=size, timeout=TIMEOUT)
    seen = distributed.get_world_size() if distributed.is_initialized() else 1
    if seen != size:
        raise InputError(f"WORLD_SIZE is {size}, but this process sees {seen} processes. Start with: {COMMAND}")
    return World(rank, size, device)


def joined(device: torch.device) -> World:
    """The processes that have found each other, as one of them that computes on `device` sees them."""
    if not distributed.is_initialized():
        return World(0, 1, device)
    return World(distributed.get_rank(), distributed.get_world_size(), device)


def leave() -> None:
    """Take leave of the other processes; a run that failed leaves without waiting for them."""
    if distributed.is_initialized():
        # Sharded parameters hold the group in reference cycles. A group that outlives this call ends with the
        # interpreter, where gloo's threads abort the process now and then: 3 of 12 times on a busy machine.
        gc.collect()
        distributed.destroy_process_group()


def refuse_misread_launch(environment: Mapping[str, str]) -> None:
    """InputError where processes would not know of each other, or where settings would be ignored."""
    ignored = [name for name in SHARDING if environment.get(name, "").lower() in ("1", "true")]
    if environment.get("ACCELERATE_MIXED_PRECISION", "no") != "no":
        ignored.append("ACCELERATE_MIXED_PRECISION")
    if ignored:
        raise InputError(
            f"{', '.join(ignored)}: these settings belong to accelerate's configuration, which this trainer does "
            f"not read; set everything in the recipe (optim.precision). Start with: {COMMAND}"
        )
    if "WORLD_SIZE" in environment:
        if "RANK" not in environment:
            raise InputError(f"WORLD_SIZE={environment['WORLD_SIZE']} without RANK. Start with: {COMMAND}")
        return
    if "ACCELERATE_MIXED_PRECISION" in environment:
        # Set by every `accelerate launch`; on a CPU it starts one process, whatever --num_processes says.
        raise InputError(
            "accelerate launch started only this process, whatever number of processes it was given. Start with: "
            f"{COMMAND}"
        )
    for name in COUNTS:
        if int(environment.get(name, "1")) > 1:
            raise InputError(
                f"{name}={environment[name]} independent processes were started (no WORLD_SIZE). Start one "
                f"torchrun per node instead: {COMMAND}"
            )


def seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _device(environment: Mapping[str, str]) -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    local = int(environment.get("LOCAL_RANK", "0"))
    if local >= torch.cuda.device_count():
        raise InputError(
            f"process {local} of this node has no GPU of its own: this node has {torch.cuda.device_count()}. Start "
            "at most one process per GPU"
        )
    torch.cuda.set_device(local)
    return torch.device("cuda", local)


def share_of(count: int, world: World, *, what: str) -> range:
    """This process's run of neighbors among `count` places. InputError when the places do not divide evenly."""
    if count % world.size:
        raise InputError(
            f"{what} must be a multiple of the number of processes; got {count} and {world.size} processes"
        )
    share = count // world.size
    return range(world.rank * share, (world.rank + 1) * share)


Gather = Callable[[Sequence[Any]], list[Any]]
