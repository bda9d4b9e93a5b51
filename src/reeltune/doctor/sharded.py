"""One of several processes: their sum, and the gradient of layers in parts against the same layers whole.

torchrun --nproc_per_node N -m reeltune.doctor.sharded
"""

import copy

import torch
from torch import distributed, nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from reeltune.distributed import world as processes


def main() -> None:
    compare(processes.join())
    processes.leave()


def compare(world: processes.World) -> None:
    if world.size == 1:  # one GPU: the same code in one process
        distributed.init_process_group("nccl" if world.device.type == "cuda" else "gloo")
    total = torch.full((1024,), float(world.rank + 1), device=world.device)
    distributed.all_reduce(total)
    if float(total[0]) != world.size * (world.size + 1) / 2:
        raise RuntimeError(f"the sum over {world.size} processes is {float(total[0])}")
    torch.manual_seed(0)
    whole = nn.Sequential(*(nn.Linear(64, 64) for _ in range(4))).to(world.device)
    parts = copy.deepcopy(whole)
    for layer in parts:
        fully_shard(layer)
    fully_shard(parts)
    inputs = torch.randn(world.size, 8, 64).to(world.device)
    parts(inputs[world.rank]).square().mean().backward()
    torch.stack([whole(each).square().mean() for each in inputs]).mean().backward()
    gap = 0.0
    for mine, theirs in zip(parts.parameters(), whole.parameters(), strict=True):
        gradient = mine.grad.full_tensor() if isinstance(mine.grad, DTensor) else mine.grad
        assert gradient is not None and theirs.grad is not None
        gap = max(gap, float((gradient - theirs.grad).abs().max()))
    if not gap < 1e-6:
        raise RuntimeError(f"gradients of sharded layers differ by {gap:.1e}")
    if world.is_main:
        print(f"sum and gradients right (to {gap:.0e}) over {world.size} processes")


if __name__ == "__main__":
    main()
