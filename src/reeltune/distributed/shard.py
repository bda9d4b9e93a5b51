"""A policy in parts: every process holds a share of each weight, its gradient and its moments (torch's FSDP2).

Gathering weights takes all processes together, so every process must come by each layer equally often. In the update it
does: log-probs of a pass are one call of the wrapped module, and all make equally many passes. Decoding and encoding
differ from process to process: they run inside `gathered`, where the whole weights stay until it ends.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import (
    CPUOffloadPolicy,
    FSDPModule,
    MixedPrecisionPolicy,
    fully_shard,
)
from torch.distributed.tensor import DTensor, distribute_tensor

from reeltune.config.parallel import ParallelConfig
from reeltune.distributed.world import World
from reeltune.errors import InputError
from reeltune.models.policy import Policy
from reeltune.models.types import DTYPES


def check_parallel(config: ParallelConfig, world: World) -> None:
    """InputError where the processes cannot be what `parallel` says."""
    if config.shard == "none":
        return
    if world.size == 1:
        raise InputError(
            "parallel.shard=full shards the weights over several processes, but there is only one. Start with "
            "torchrun --nproc_per_node N -m reeltune train RECIPE, or set parallel.shard to none"
        )
    if world.size % config.replicate or world.size == config.replicate:
        raise InputError(
            f"parallel.replicate={config.replicate}: {world.size} processes cannot be split into that many groups "
            "of at least two; use a proper divisor of the number of processes"
        )


def shard(policy: Policy, config: ParallelConfig, world: World) -> None:
    """Spread the policy: a unit for each decoder layer, the rest as the root's. It stands on the CPU.

    The main process's weights and buffers become everyone's: the others' may be empty. A tower that trains is spread
    too, block by block; a frozen one stays whole on every process, which then encodes without the others.
    """
    param_dtype = DTYPES[config.param_dtype] if config.param_dtype else None
    options: dict[str, Any] = {
        "mesh": _mesh(config, world),
        # Layers are given tables of angles in float32: only weights are cast.
        "mp_policy": MixedPrecisionPolicy(param_dtype, DTYPES[config.reduce_dtype], cast_forward_inputs=False),
    }
    if config.offload:
        options["offload_policy"] = CPUOffloadPolicy(pin_memory=world.device.type == "cuda")
    values = {name: each.detach() for name, each in policy.named_parameters()}
    whole: set[nn.Parameter] = set()
    if policy.vision_frozen:
        for module in policy.family.vision_modules(policy.model):
            whole |= set(module.to(world.device).parameters())
    units = [*policy.language_model.layers, *([] if whole else _blocks(policy.vision_tower))]
    for unit in units:
        fully_shard(unit, **options)
    fully_shard(policy, ignored_params=whole, **options)
    for module in policy.modules():
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, buffer.to(world.device))
    _take_from_main(policy, values)
    # The first call of all makes the policy the root, also of layers that are later called without it.
    policy(lambda _: None)
    spread(policy)


@torch.no_grad()
def _take_from_main(policy: Policy, values: dict[str, Tensor]) -> None:
    """Give every process its part of the main process's `values`, one weight after the other; buffers too."""
    for name, parameter in policy.named_parameters():
        if isinstance(parameter, DTensor):
            value = values.pop(name).to(parameter.device_mesh.device_type).contiguous()
            part = distribute_tensor(value, parameter.device_mesh, parameter.placements, src_data_rank=0)
            parameter.to_local().copy_(part.to_local())
        else:
            distributed.broadcast(parameter.data, 0)
    for _, buffer in policy.named_buffers():
        distributed.broadcast(buffer, 0)


def is_sharded(policy: Policy) -> bool:
    return isinstance(policy, FSDPModule)


@contextmanager
def gathered(policy: Policy) -> Iterator[None]:
    """The whole weights on every process, to compute without the others. All processes enter it; it may be nested."""
    if not is_sharded(policy) or policy in _GATHERED:
        yield
        return
    for unit in _units(policy):
        unit.set_reshard_after_forward(False, recurse=False)
        unit.unshard()
    _GATHERED.add(policy)
    try:
        yield
    finally:
        _GATHERED.discard(policy)
        spread(policy)


def spread(policy: Policy) -> None:
    """Give back what was gathered; weights that change later are then gathered afresh."""
    root: nn.Module = policy
    for unit in _units(policy) if policy not in _GATHERED else []:
        unit.set_reshard_after_forward(unit is not root, recurse=False)
        unit.reshard()


_GATHERED: "WeakSet[nn.Module]" = WeakSet()


def _units(policy: Policy) -> list[Any]:
    return [each for each in policy.modules() if isinstance(each, FSDPModule)]


def _mesh(config: ParallelConfig, world: World) -> DeviceMesh:
    part = world.size // config.replicate
    if config.replicate == 1:
        return init_device_mesh(world.device.type, (part,), mesh_dim_names=("shard",))
    return init_device_mesh(world.device.type, (config.replicate, part), mesh_dim_names=("replicate", "shard"))


def _blocks(tower: nn.Module) -> list[nn.Module]:
    """The tower's layers: its longest list of modules."""
    lists = [list(each) for each in tower.modules() if isinstance(each, nn.ModuleList)]
    return max(lists, key=len, default=[])
