"""The default recipe: a LANTNet that learns from several labellings at once (our choice).

Stages are values: `RECIPES` and every row of the ablation are `DefaultRecipe`s that differ in a value. Each member of
the ensemble learns from a labelling of its own, with layer attention and the noise-tolerant loss; levels.py says how
the labels are found. The networks see both dates, not the difference that the labels come from.
What each part is worth is measured in docs/accuracy.md.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR

from lantnet.methods.histograms import BINS, histogram
from lantnet.methods.levels import (
    FEWEST,
    FINE,
    LABEL_HALO,
    LAGS,
    WIDE,
    WIDE_HALO,
    Calibration,
    Levels,
    Statistics,
    evidence,
    lagged,
    log_ratio,
    measure_levels,
    member_labels,
)  # fmt: skip
from lantnet.methods.networks import LAYERS, Ensemble, LossStage, NetworkStage
from lantnet.methods.recipe import Context, Model, NoChange
from lantnet.methods.sampling import draw, gather
from lantnet.published.prelabels import CHANGED, UNCERTAIN, UNCHANGED
from lantnet.scene.scene import FILL, Scene
from lantnet.scene.windows import Window, tiles
from lantnet.types import Float32, Labels

NO_DATA = 255
PIXELS_AT_ONCE = 32_768
"""Per forward pass: what lies between the layers then fits the processor's cache, which is 7 times faster."""
WHOLE = 4_194_304
"""Pixels up to which levels are measured on the whole scene; above, on BLOCKS squares of BLOCK pixels a side."""
BLOCK, BLOCKS = 512, 16
NOTHING = "Nothing stands out from the speckle, so nothing counts as changed."
WEAK = "Beside a strong change there is a weaker one; both are in the result."


@dataclass(frozen=True)
class LabelStage:
    """spread: members learn from thresholds between the two that are measured (False: all from their middle).
    margin: pixels within this share of the threshold are uncertain. weak_share: area of weak change, relative to
    that of strong change, from which it counts; infinite: never."""

    spread: bool = True
    margin: float = 0.2
    weak_share: float = 0.3

    def thresholds(self, levels: Levels, members: int) -> list[float]:
        every = levels.thresholds(members)
        return every if self.spread or levels.strong is None else [math.sqrt(math.prod(levels.strong))] * members


@dataclass(frozen=True)
class TrainingStage:
    """crops: squares of `side` labelled pixels a class that members draw from. prior: how much of the excess of
    changed pixels in them is taken back from the logits. schedule: "one-cycle" or "constant" learning rate."""

    crops: int = 2048
    side: int = 13
    prior: float = 0.25
    members: int = 5
    steps: int = 110
    batch: int = 32
    learning_rate: float = 3e-3
    schedule: str = "one-cycle"
    normalised: bool = True


@dataclass(frozen=True)
class DefaultRecipe:
    """One fixed setting for all scenes; `false_alarm`: share of pixels that may be called changed by speckle alone."""

    name: str = "default"
    false_alarm: float = 1e-3
    labels: LabelStage = field(default_factory=LabelStage)
    network: NetworkStage = field(default_factory=NetworkStage)
    loss: LossStage = field(default_factory=LossStage)
    training: TrainingStage = field(default_factory=TrainingStage)

    def learn(self, scene: Scene, context: Context) -> Model:
        if context.false_alarm is not None:
            return replace(self, false_alarm=context.false_alarm)._learn(scene, context)
        return self._learn(scene, context)

    def _learn(self, scene: Scene, context: Context) -> Model:
        calibration = _calibration(scene, context)
        levels = self._levels(scene, context, calibration)
        notes = calibration.remarks()
        record: dict[str, Any] = {
            "settings": asdict(self),
            "calibration": asdict(calibration) | {"shift_db": round(calibration.decibel, 3)},
            "looks": round(calibration.looks, 2),
            "levels": asdict(levels),
            "notes": notes,
        }
        if levels.strong is None and levels.weak is None:
            return NoChange(record | {"notes": [*notes, NOTHING]})
        if levels.strong is not None and levels.weak is not None:
            notes.append(WEAK)
        thresholds = self.labels.thresholds(levels, self.training.members)
        chosen = draw(
            self._classes(scene, context, calibration, levels, thresholds, record),
            {UNCHANGED: self.training.crops // 2, CHANGED: self.training.crops // 2},
            context.seed,
            scene.width,
        )
        if record["pre_labels"]["changed"] < FEWEST or not len(chosen[UNCHANGED]):
            return NoChange(record | {"notes": [*notes, NOTHING]})
        index = np.concatenate([chosen[UNCHANGED], chosen[CHANGED]])
        stacks = self._stacks(scene, context, calibration, levels, thresholds)
        crops = torch.from_numpy(gather(stacks, index, self.training.side // 2 + LAYERS, scene.width, "reflect"))
        return DefaultModel(self._ensemble(crops, record, context), calibration, levels, record)

    def _levels(self, scene: Scene, context: Context, calibration: Calibration) -> Levels:
        counts = np.zeros(BINS, dtype=np.int64)
        busy: list[tuple[int, Window]] = []
        floor = 3.3 * calibration.noise
        for window in context.track(tiles(scene.height, scene.width, BLOCK), "levels"):
            fine, _ = _strengths(scene, calibration, window)
            counts += histogram(fine[fine > 0])
            busy.append((int((fine > floor).sum()), window))
        if scene.height * scene.width <= WHOLE:
            chosen = [Window(0, 0, scene.height, scene.width)]
        else:
            chosen = [window for _, window in sorted(busy, key=lambda pair: -pair[0])[:BLOCKS]]
        blocks = [_strengths(scene, calibration, window) for window in chosen]
        return measure_levels(blocks, counts, calibration, self.false_alarm, self.labels.weak_share)

    def _classes(
        self,
        scene: Scene,
        context: Context,
        calibration: Calibration,
        levels: Levels,
        thresholds: list[float],
        record: dict[str, Any],
    ) -> Iterator[tuple[Window, Labels]]:
        """What the middle member is sure of: where crops are drawn around."""
        found = np.zeros(3, dtype=np.int64)
        middle = thresholds[len(thresholds) // 2]
        for window, outer, view in context.walk(scene, LABEL_HALO, "labels"):
            fine, wide = (calibration.strength(view.before, view.after, sigma) for sigma in (FINE, WIDE))
            target, weight = member_labels(fine, wide, levels, middle, self.labels.margin)
            classes = np.where(weight > 0, np.where(target > 0, CHANGED, UNCHANGED), UNCERTAIN).astype(np.uint8)
            classes[~view.valid] = NO_DATA
            classes = window.cut(classes, outer)
            found += np.bincount(classes.ravel(), minlength=256)[:3]
            yield window, classes
        names = {"unchanged": UNCHANGED, "uncertain": UNCERTAIN, "changed": CHANGED}
        record["pre_labels"] = {name: int(found[code]) for name, code in names.items()}

    def _stacks(
        self, scene: Scene, context: Context, calibration: Calibration, levels: Levels, thresholds: list[float]
    ) -> Iterator[tuple[Window, Window, Float32]]:
        """Both dates, normalised, then target and weight of every member."""
        reach = self.training.side // 2 + LAYERS
        for window, outer, view in context.walk(scene, LABEL_HALO + reach, "samples"):
            fine, wide = (calibration.strength(view.before, view.after, sigma) for sigma in (FINE, WIDE))
            channels = [_images(calibration, view.before, view.after, self.training.normalised)]
            for threshold in thresholds:
                target, weight = member_labels(fine, wide, levels, threshold, self.labels.margin)
                channels.append(np.stack([target, weight * view.valid]))
            yield window, outer, np.concatenate(channels).astype(np.float32)

    def _ensemble(self, crops: Tensor, record: dict[str, Any], context: Context) -> Ensemble:
        """Every member learns from its own labels; its offset takes back that change is more frequent in the crops."""
        training = self.training
        members: list[nn.Module] = []
        offsets = []
        sure = record["pre_labels"]["changed"] + record["pre_labels"]["unchanged"]
        in_scene = record["pre_labels"]["changed"] / sure
        with torch.random.fork_rng(devices=[]), context.steps(training.members * training.steps, "training") as done:
            for member in range(training.members):
                own = torch.cat([crops[:, :2], crops[:, 2 + 2 * member : 4 + 2 * member]], dim=1)
                members.append(self._train(own, context.seed * 1000 + member, done))
                inner = own[:, 2:, LAYERS:-LAYERS, LAYERS:-LAYERS]
                in_crops = float((inner[:, 0] * inner[:, 1]).sum() / inner[:, 1].sum())
                offsets.append(training.prior * (_log_odds(in_crops) - _log_odds(in_scene)))
        return Ensemble(members, offsets).eval()

    def _train(self, crops: Tensor, seed: int, step_done: Callable[[], object]) -> nn.Module:
        """One network, on crops turned and mirrored at random."""
        torch.manual_seed(seed)
        training = self.training
        network = self.network.build(2)
        optimizer = torch.optim.AdamW(network.parameters(), training.learning_rate, weight_decay=1e-4)
        schedule: LRScheduler
        if training.schedule == "constant":
            schedule = ConstantLR(optimizer, factor=1.0, total_iters=training.steps)
        else:
            schedule = OneCycleLR(optimizer, training.learning_rate, total_steps=training.steps, pct_start=0.15)
        for _ in range(training.steps):
            batch = turned(crops[torch.randint(len(crops), (training.batch,))], int(torch.randint(8, ())))
            images, labels = batch[:, :2], batch[:, 2:, LAYERS:-LAYERS, LAYERS:-LAYERS]
            optimizer.zero_grad()
            self.loss(network(images)[:, 0], labels[:, 0], labels[:, 1]).backward()
            optimizer.step()
            schedule.step()
            step_done()
        return network


@dataclass
class DefaultModel:
    network: nn.Module
    calibration: Calibration
    levels: Levels
    record: dict[str, Any]
    halo: int = LABEL_HALO

    @property
    def shift(self) -> float:
        return self.calibration.shift

    def probability(self, before: Float32, after: Float32) -> Float32:
        """The ensemble's, and 0 where nothing stands out from the noise at the chosen rate of false alarms."""
        images = _images(self.calibration, before, after, self.record["settings"]["training"]["normalised"])
        padded = np.pad(images, ((0, 0), (LAYERS, LAYERS), (LAYERS, LAYERS)), mode="reflect")
        height, width = before.shape
        probability = np.empty((height, width), dtype=np.float32)
        rows = max(PIXELS_AT_ONCE // width, 1)
        with torch.inference_mode():
            for top in range(0, height, rows):
                strip = torch.from_numpy(padded[None, :, top : top + rows + 2 * LAYERS])
                probability[top : top + rows] = torch.sigmoid(self.network(strip)[0, 0]).numpy()
        fine, wide = (self.calibration.strength(before, after, sigma) for sigma in (FINE, WIDE))
        return np.where(evidence(fine, wide, self.levels), probability, np.float32(0))


def turned(batch: Tensor, way: int) -> Tensor:
    """One of the 8 turns and mirrorings of squares (..., S, S), by number."""
    batch = batch.flip(-1) if way & 4 else batch
    return batch.rot90(way & 3, (-2, -1))


def _log_odds(share: float) -> float:
    share = min(max(share, 1e-6), 1 - 1e-6)
    return math.log(share / (1 - share))


def _images(calibration: Calibration, before: Float32, after: Float32, normalised: bool) -> Float32:
    """(2, H, W): what the networks see."""
    if normalised:
        return calibration.normalised(before, after)
    return np.stack([before, calibration.aligned(after)])


def _strengths(scene: Scene, calibration: Calibration, window: Window) -> tuple[Float32, Float32]:
    """|R| of a window in both smoothings, 0 without data."""
    outer = window.grow(WIDE_HALO + FILL, scene.height, scene.width)
    view = scene.read(outer)
    fine, wide = (
        window.cut(np.where(view.valid, calibration.strength(view.before, view.after, sigma), np.float32(0)), outer)
        for sigma in (FINE, WIDE)
    )
    return fine, wide


def _calibration(scene: Scene, context: Context) -> Calibration:
    statistics = Statistics()
    for window, outer, view in context.walk(scene, WIDE_HALO + max(LAGS.values()), "calibration"):
        ratio = log_ratio(view.before, view.after)
        valid = window.cut(view.valid, outer)
        pixels = (window.cut(values, outer)[valid] for values in (ratio, view.before, view.after))
        statistics.add_pixels(*pixels)
        for sigma, lag in LAGS.items():
            # Columns to the right of the window belong to its own pixels' differences.
            reach = Window(window.top, window.left, window.height, min(window.width + lag, scene.width - window.left))
            smooth = ratio if sigma == FINE else log_ratio(view.before, view.after, sigma)
            statistics.add_lags(sigma, lagged(reach.cut(smooth, outer), reach.cut(view.valid, outer), lag))
    return statistics.calibration()
