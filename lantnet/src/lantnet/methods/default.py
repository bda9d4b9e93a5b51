"""The default recipe: pre-labels that hold on any scene, and a committee of small networks (our choice).

The networks are given both dates; the difference image, from which the labels come, gained nothing as an input.
What each part is worth is measured in docs/lantnet.md.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from lantnet.methods.histograms import BINS, histogram
from lantnet.methods.levels import (
    LEVELS_HALO,
    RATIO_HALO,
    Calibration,
    Statistics,
    change_level,
    label,
    log_ratio,
    majority,
)
from lantnet.methods.recipe import Context, Model, NoChange
from lantnet.methods.sampling import draw, gather
from lantnet.published.prelabels import CHANGED, UNCERTAIN, UNCHANGED
from lantnet.scene.scene import Scene
from lantnet.scene.windows import Window
from lantnet.types import Float32, Labels

LAYERS = 3
NO_DATA = 255
PIXELS_AT_ONCE = 32_768
"""Per forward pass: what lies between the layers then fits the processor's cache, which is 7 times faster."""
FEWEST = 21
"""Sure changed pixels below which nothing counts as changed: less than the smallest region that is kept."""
NOTHING = "Nothing stands out from the speckle, so nothing counts as changed."


@dataclass(frozen=True)
class DefaultRecipe:
    """One fixed setting for all scenes.

    margin: pixels whose difference is within this share of the threshold are uncertain and not learned from.
    crops: squares of `side` labelled pixels, half of them around changed pixels, that are learned from.
    prior: how much of that excess of changed pixels is taken back from the logits, 0 (nothing) to 1 (all of it).
    """

    name: str = "default"
    margin: float = 0.3
    crops: int = 4096
    side: int = 17
    prior: float = 0.25
    members: int = 8
    width: int = 16
    steps: int = 150
    batch: int = 32
    learning_rate: float = 3e-3

    def learn(self, scene: Scene, context: Context) -> Model:
        calibration = _calibration(scene, context)
        threshold = self._threshold(scene, context, calibration)
        notes = calibration.remarks()
        record: dict[str, Any] = {
            "settings": asdict(self),
            "calibration": asdict(calibration) | {"shift_db": round(calibration.decibel, 3)},
            "threshold": threshold,
            "notes": notes,
        }
        if threshold is None:
            return NoChange(record | {"notes": [*notes, NOTHING]})
        chosen = draw(
            self._labels(scene, context, calibration, threshold, record),
            {UNCHANGED: self.crops // 2, CHANGED: self.crops // 2},
            context.seed,
            scene.width,
        )
        if record["pre_labels"]["changed"] < FEWEST or not len(chosen[UNCHANGED]):
            return NoChange(record | {"notes": [*notes, NOTHING]})
        index = np.concatenate([chosen[UNCHANGED], chosen[CHANGED]])
        crops = torch.from_numpy(
            gather(
                self._stacks(scene, context, calibration, threshold),
                index,
                self.side // 2 + LAYERS,
                scene.width,
                "reflect",
            )
        )
        with torch.random.fork_rng(devices=[]), context.steps(self.members * self.steps, "training") as step_done:
            members = [self._train(crops, context.seed * 1000 + member, step_done) for member in range(self.members)]
        network = Committee(members)
        return DefaultModel(network.eval(), calibration, self._prior_offset(crops, record), record)

    def _threshold(self, scene: Scene, context: Context, calibration: Calibration) -> float | None:
        counts = np.zeros(BINS, dtype=np.int64)
        for window, outer, view in context.walk(scene, LEVELS_HALO, "difference image"):
            level = majority(calibration.difference(view.before, view.after))
            counts += histogram(window.cut(level, outer)[window.cut(view.valid, outer)])
        return change_level(counts, calibration.noise)

    def _labels(
        self, scene: Scene, context: Context, calibration: Calibration, threshold: float, record: dict[str, Any]
    ) -> Iterator[tuple[Window, Labels]]:
        found = np.zeros(3, dtype=np.int64)
        for window, outer, view in context.walk(scene, LEVELS_HALO, "labels"):
            labels = label(calibration.difference(view.before, view.after), threshold, self.margin)
            labels[~view.valid] = NO_DATA
            labels = window.cut(labels, outer)
            found += np.bincount(labels.ravel(), minlength=256)[:3]
            yield window, labels
        names = {"unchanged": UNCHANGED, "uncertain": UNCERTAIN, "changed": CHANGED}
        record["pre_labels"] = {name: int(found[code]) for name, code in names.items()}

    def _stacks(
        self, scene: Scene, context: Context, calibration: Calibration, threshold: float
    ) -> Iterator[tuple[Window, Window, Float32]]:
        """Both dates, normalised, the target 0 or 1, and the weight: 0 where uncertain or without data."""
        reach = self.side // 2 + LAYERS
        for window, outer, view in context.walk(scene, LEVELS_HALO + reach, "samples"):
            target, weight = targets(calibration.difference(view.before, view.after), threshold, self.margin)
            images = calibration.normalised(view.before, view.after)
            yield window, outer, np.concatenate([images, target[None], (weight * view.valid)[None]])

    def _prior_offset(self, crops: Tensor, record: dict[str, Any]) -> float:
        """What to take from the logits, because changed pixels are more frequent in the crops than in the scene."""
        inner = crops[:, -2:, LAYERS:-LAYERS, LAYERS:-LAYERS]
        in_crops = float((inner[:, 0] * inner[:, 1]).sum() / inner[:, 1].sum())
        sure = record["pre_labels"]["changed"] + record["pre_labels"]["unchanged"]
        in_scene = record["pre_labels"]["changed"] / sure
        record["changed_share"] = {"crops": round(in_crops, 5), "scene": round(in_scene, 5)}
        return self.prior * (_log_odds(in_crops) - _log_odds(in_scene))

    def _train(self, crops: Tensor, seed: int, step_done: Callable[[], object]) -> nn.Module:
        """One network by Adam with one cycle of the learning rate, on crops turned and mirrored at random."""
        torch.manual_seed(seed)
        channels = crops.shape[1] - 2
        network = small_network(channels, self.width)
        optimizer = torch.optim.AdamW(network.parameters(), self.learning_rate, weight_decay=1e-4)
        schedule = one_cycle(optimizer, self.learning_rate, self.steps)
        for _ in range(self.steps):
            batch = turned(crops[torch.randint(len(crops), (self.batch,))], int(torch.randint(8, ())))
            images, labels = batch[:, :channels], batch[:, channels:, LAYERS:-LAYERS, LAYERS:-LAYERS]
            optimizer.zero_grad()
            mean_cross_entropy(network(images)[:, 0], labels[:, 0], labels[:, 1]).backward()
            optimizer.step()
            schedule.step()
            step_done()
        return network


def targets(difference: Float32, threshold: float, margin: float) -> tuple[Float32, Float32]:
    """What to learn at each pixel, 0 or 1, and with what weight: 0 where the label is uncertain; both (H, W)."""
    labels = label(difference, threshold, margin)
    return (labels == CHANGED).astype(np.float32), (labels != UNCERTAIN).astype(np.float32)


def small_network(channels: int, width: int) -> nn.Module:
    """(B, C, H, W) normalised dates -> (B, 1, H - 6, W - 6) logits of change: three 3x3 layers, so 7x7 as published."""
    layers: list[nn.Module] = []
    for inputs in (channels, *[width] * (LAYERS - 1)):
        layers += [nn.Conv2d(inputs, width, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(width, 1, 1))


def one_cycle(optimizer: Optimizer, rate: float, steps: int) -> OneCycleLR:
    """The learning rate rises over the first 15 % of the steps and falls to nothing by the last."""
    return OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.15)


def mean_cross_entropy(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Of all pixels together, by weight; a batch without weight costs nothing."""
    loss = F.binary_cross_entropy_with_logits(logits, target, weight, reduction="sum")
    return loss / weight.sum().clamp_min(1)


def turned(batch: Tensor, way: int) -> Tensor:
    """One of the 8 turns and mirrorings of squares (..., S, S), by number."""
    batch = batch.flip(-1) if way & 4 else batch
    return batch.rot90(way & 3, (-2, -1))


class Committee(nn.Module):
    """The mean of the logits of several networks."""

    def __init__(self, members: list[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([member(images) for member in self.members]).mean(dim=0)


@dataclass
class DefaultModel:
    network: nn.Module
    calibration: Calibration
    offset: float
    record: dict[str, Any]
    halo: int = LAYERS

    @property
    def shift(self) -> float:
        return self.calibration.shift

    def probability(self, before: Float32, after: Float32) -> Float32:
        images = self.calibration.normalised(before, after)
        padded = np.pad(images, ((0, 0), (LAYERS, LAYERS), (LAYERS, LAYERS)), mode="reflect")
        height, width = before.shape
        probability = np.empty((height, width), dtype=np.float32)
        rows = max(PIXELS_AT_ONCE // width, 1)
        with torch.inference_mode():
            for top in range(0, height, rows):
                strip = torch.from_numpy(padded[None, :, top : top + rows + 2 * LAYERS])
                probability[top : top + rows] = torch.sigmoid(self.network(strip)[0, 0] - self.offset).numpy()
        return probability


def _log_odds(share: float) -> float:
    share = min(max(share, 1e-6), 1 - 1e-6)
    return math.log(share / (1 - share))


def _calibration(scene: Scene, context: Context) -> Calibration:
    statistics = Statistics()
    for window, outer, view in context.walk(scene, RATIO_HALO, "calibration"):
        valid = window.cut(view.valid, outer)
        before, after, ratio = (
            window.cut(values, outer)[valid] for values in (view.before, view.after, log_ratio(view.before, view.after))
        )
        statistics.add(ratio, before, after)
    return statistics.calibration()
