"""What training promises: batch normalization as of all crops, and one result a seed."""

from dataclasses import replace

import torch
from torch import nn

from lantnet.detection import Progress
from lantnet.execution.executors import Serial
from lantnet.methods.networks import PixelNetwork
from lantnet.methods.recipe import Context
from lantnet.methods.training import Training
from lantnet.published.loss import NoiseTolerantLoss
from lantnet.scene.plan import Plan

QUICK = Training(members=1, steps=6, batch=8)


def trained(training: Training, seed: int = 0) -> tuple[nn.Module, torch.Tensor]:
    """A network on 64 crops whose right half is brighter and changed."""
    crops = torch.randn(64, 4, 19, 19, generator=torch.Generator().manual_seed(1))
    crops[:, :2, :, 10:] += 3
    crops[:, 2] = (torch.arange(19) >= 10).float()
    crops[:, 3] = 1
    progress = Progress(False)
    context = Context(seed, Plan(64, Serial(), progress.track), progress.steps)
    ensemble = training.ensemble(crops, 2, 0.1, PixelNetwork(width=4), NoiseTolerantLoss(), context)
    return ensemble.members[0], crops[:, :2]


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
