"""How the members of an ensemble learn from labeled crops: from the published values to ours."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR

from lantnet.methods.networks import Ensemble
from lantnet.methods.recipe import Context

RADIUS = 3
"""Pixels of context to every side that a network decides from: 7 x 7, as published."""


class NetworkStage(Protocol):
    """`build` gives a network (B, channels, H, W) -> (B, 1, H - 6, W - 6) logits of change."""

    @property
    def pixels_at_once(self) -> int: ...
    def build(self, channels: int) -> nn.Module: ...


class LossStage(Protocol):
    """Logits, targets in 0..1 and weights, all (B, H, W) -> a scalar."""

    def __call__(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Training:
    """unchanged, changed: crops of `side` labeled pixels that are drawn around sure pixels, or all there are.
    steps: batches a member; 0: as many as `epochs` need. schedule: of the learning rate. turned: batches are turned and
    mirrored at random. settled: what batch normalization takes for mean and deviation is that of all crops, not of the
    last few batches. prior: how much of the excess of changed pixels in the crops is taken back from the logits.
    temperature: what log-odds are divided by, so that the probability is one (docs/lantnet.md, Confidence)."""

    unchanged: int = 1024
    changed: int = 1024
    side: int = 13
    members: int = 4
    steps: int = 110
    epochs: int = 0
    batch: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    schedule: Literal["one-cycle", "constant"] = "one-cycle"
    turned: bool = True
    settled: bool = True
    prior: float = 0.25
    temperature: float = 2.0

    def ensemble(
        self, crops: Tensor, channels: int, changed: float, network: NetworkStage, loss: LossStage, context: Context
    ) -> Ensemble:
        """Train every member on its own labels, wherever the executor runs it.

        crops: (S, channels + 2 members, side + 6, side + 6): images, then target and weight of each member.
        changed: share of changed pixels in the scene, among those that are sure.
        """
        steps = self.steps or self.epochs * -(-len(crops) // self.batch)
        runs = context.plan.executor
        members, offsets = [], []
        with context.steps(self.members * steps, "training") as done:
            starts = (self._start(crops, channels, member, network, context.seed) for member in range(self.members))
            work = _Train(self, channels, steps, loss, None if runs.apart else done)
            for trained, in_crops in runs.each(work, starts):
                members.append(trained)
                offsets.append(self.prior * (_log_odds(in_crops) - _log_odds(changed)))
                if runs.apart:
                    done(steps)
        return Ensemble(members, offsets).eval()

    def _start(self, crops: Tensor, channels: int, member: int, network: NetworkStage, seed: int) -> "_Start":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed * 1000 + member)
            built = network.build(channels)
            state = torch.get_rng_state()
        own = channels + 2 * member
        return _Start(torch.cat([crops[:, :channels], crops[:, own : own + 2]], 1), built, state)


@dataclass(frozen=True)
class _Start:
    """What a member begins with. state: of random numbers, its own: members are trained in any order and in threads."""

    crops: Tensor
    network: nn.Module
    state: Tensor


@dataclass(frozen=True)
class _Train:
    """A member's start -> its network, and the share of changed pixels in its crops."""

    training: Training
    channels: int
    steps: int
    loss: LossStage
    step_done: Callable[[int], object] | None

    def __call__(self, start: _Start) -> tuple[nn.Module, float]:
        with _one_thread():
            network = self._trained(start)
        inner = start.crops[:, self.channels :, RADIUS:-RADIUS, RADIUS:-RADIUS]
        return network, float((inner[:, 0] * inner[:, 1]).sum() / inner[:, 1].sum())

    def _trained(self, start: _Start) -> nn.Module:
        chance = torch.Generator()
        chance.set_state(start.state)
        crops, network, training = start.crops, start.network, self.training
        optimizer = torch.optim.AdamW(network.parameters(), training.learning_rate, weight_decay=training.weight_decay)
        schedule: LRScheduler
        if training.schedule == "constant":
            schedule = ConstantLR(optimizer, factor=1.0, total_iters=self.steps)
        else:
            schedule = OneCycleLR(optimizer, training.learning_rate, total_steps=self.steps, pct_start=0.15)
        for chosen in _batches(len(crops), training.batch, self.steps, chance):
            batch = crops[chosen]
            if training.turned:
                batch = turned(batch, int(torch.randint(8, (), generator=chance)))
            labels = batch[:, -2:, RADIUS:-RADIUS, RADIUS:-RADIUS]
            optimizer.zero_grad()
            self.loss(network(batch[:, :-2])[:, 0], labels[:, 0], labels[:, 1]).backward()
            optimizer.step()
            schedule.step()
            if self.step_done is not None:
                self.step_done(1)
        if training.settled:
            _settle(network, crops[:, :-2], training.batch, chance)
        return network


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums over several threads are added up in another order, so a seed would mean another network on every machine;
    and steps so small are no faster for them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _settle(network: nn.Module, images: Tensor, batch: int, chance: torch.Generator) -> None:
    """Give batch normalization the statistics of all images: those of the last few batches differ from seed to seed,
    and so does what is decided by them."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the plain mean over the batches to come
    with torch.no_grad():
        for chosen in torch.randperm(len(images), generator=chance).split(batch):
            network(images[chosen])


def turned(batch: Tensor, way: int) -> Tensor:
    """One of the 8 turns and mirrorings of squares (..., S, S), by number."""
    batch = batch.flip(-1) if way & 4 else batch
    return batch.rot90(way & 3, (-2, -1))


def _batches(count: int, batch: int, steps: int, chance: torch.Generator) -> Iterator[Tensor]:
    """`steps` batches of indices, pass after pass over `count` crops, each in a random order."""
    while steps > 0:
        for chosen in torch.randperm(count, generator=chance).split(batch)[:steps]:
            yield chosen
            steps -= 1


def _log_odds(share: float) -> float:
    share = min(max(share, 1e-6), 1 - 1e-6)
    return math.log(share / (1 - share))
