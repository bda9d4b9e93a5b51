"""What training promises: batch normalization as of all crops, and one result a seed."""

from dataclasses import replace

import torch
from torch import nn

from lantnet.detection import Progress
from lantnet.execution.executors import Executor, Serial, executor
from lantnet.methods.networks import PixelNetwork
from lantnet.methods.recipe import Context
from lantnet.methods.training import Training
from lantnet.published.loss import NoiseTolerantLoss
from lantnet.scene.plan import Plan

QUICK = Training(members=1, steps=6, batch=8)


def trained(training: Training, seed: int = 0, runs: Executor | None = None) -> tuple[nn.Module, torch.Tensor]:
    """The last network on 64 crops whose right half is brighter and changed."""
    crops = torch.randn(64, 4, 19, 19, generator=torch.Generator().manual_seed(1))
    crops[:, :2, :, 10:] += 3
    crops[:, 2] = (torch.arange(19) >= 10).float()
    crops[:, 3] = 1
    crops = torch.cat([crops[:, :2], crops[:, 2:].repeat(1, training.members, 1, 1)], 1)
    progress = Progress(False)
    context = Context(seed, Plan(64, runs or Serial(), progress.track), progress.steps)
    ensemble = training.ensemble(crops, 2, 0.1, PixelNetwork(width=4), NoiseTolerantLoss(), context)
    return ensemble.members[-1], crops[:, :2]


def test_batch_normalization_knows_all_crops() -> None:
    """The first one's mean is that of its convolution over every crop, which a plain sum gives."""
    errors = []
    for settled in (True, False):
        network, images = trained(replace(QUICK, settled=settled))
        convolution, normalization = next(iter(network.blocks))[:2]
        with torch.no_grad():
            mean = convolution(images).mean(dim=(0, 2, 3))
        errors.append(float((normalization.running_mean - mean).abs().max()))
    assert errors[0] < 1e-4 < 0.02 < errors[1]


def test_a_seed_gives_one_network_and_another_seed_another() -> None:
    first, again, other = (trained(QUICK, seed)[0].state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert any(not torch.equal(value, other[name]) for name, value in first.items())


def test_members_trained_in_threads_at_once_are_those_of_one_process() -> None:
    """The caller's own random numbers and threads, which no member may take, are left as they were. (Processes:
    tests/test_plan.py.)"""
    training = replace(QUICK, members=3)
    torch.set_num_threads(2)
    torch.manual_seed(11)
    expected = trained(training)[0].state_dict()
    assert torch.get_num_threads() == 2
    drawn = torch.rand(3)
    torch.manual_seed(11)
    assert torch.equal(drawn, torch.rand(3))
    with executor(3, "threads") as runs:
        found = trained(training, runs=runs)[0].state_dict()
    assert all(torch.equal(value, found[name]) for name, value in expected.items())
    alone = trained(QUICK)[0].state_dict()
    assert any(not torch.equal(value, alone[name]) for name, value in expected.items()), "members learn one thing"
