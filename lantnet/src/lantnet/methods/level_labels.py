"""Labels from levels of change: several labellings of one scene, from which the members of an ensemble learn."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from lantnet.methods.calibration import FINE, WIDE, WIDE_HALO, Calibration
from lantnet.methods.histograms import BINS, histogram
from lantnet.methods.levels import FEWEST, LABEL_HALO, Levels, evidence, measure_levels, member_labels
from lantnet.methods.recipe import Context
from lantnet.published.prelabels import CHANGED, UNCERTAIN, UNCHANGED
from lantnet.scene.scene import FILL, Scene, View
from lantnet.scene.windows import Window, tiles
from lantnet.types import Float32, Int64, Labels, Mask

WHOLE = 4_194_304
"""Pixels up to which levels are measured on the whole scene; above, on BLOCKS squares of BLOCK pixels a side."""
BLOCK, BLOCKS = 512, 16
WEAK = "Beside a strong change there is a weaker one; both are in the result."


@dataclass(frozen=True)
class LevelLabels:
    """spread: members learn from thresholds between the two that are measured (False: all from their middle).
    margin: pixels within this share of the threshold are uncertain. weak_share: area of weak change, relative to
    that of strong change, from which it counts; infinite: never. false_alarm: share of pixels that may be called
    changed by speckle alone."""

    spread: bool = True
    margin: float = 0.2
    weak_share: float = 0.3
    false_alarm: float = 1e-3

    def measure(self, scene: Scene, context: Context, calibration: Calibration, members: int) -> "Levelled":
        stage = self if context.false_alarm is None else replace(self, false_alarm=context.false_alarm)
        levels = stage._levels(scene, context, calibration)
        every = levels.thresholds(members)
        if not self.spread and levels.strong is not None:
            every = [math.sqrt(math.prod(levels.strong))] * members
        return Levelled(calibration, levels, tuple(every), self.margin)

    def _levels(self, scene: Scene, context: Context, calibration: Calibration) -> Levels:
        counts = np.zeros(BINS, dtype=np.int64)
        busy: list[tuple[int, Window]] = []
        floor = 3.3 * calibration.noise
        survey = _Survey(calibration, floor)
        windows = tiles(scene.height, scene.width, BLOCK)
        for window, (found, above) in context.plan.each(scene, survey, halo=WIDE_HALO, name="levels", windows=windows):
            counts += found
            busy.append((above, window))
        if scene.height * scene.width <= WHOLE:
            chosen = [Window(0, 0, scene.height, scene.width)]
        else:
            chosen = [window for _, window in sorted(busy, key=lambda pair: -pair[0])[:BLOCKS]]
        strengths = _Strengths(calibration)
        blocks = [strengths(scene.read(outer), window, outer) for window, outer in _with_halo(scene, chosen)]
        return measure_levels(blocks, counts, calibration, self.false_alarm, self.weak_share)


@dataclass(frozen=True)
class Levelled:
    """The labellings of a scene, one a threshold."""

    calibration: Calibration
    levels: Levels
    thresholds: tuple[float, ...]
    margin: float
    halo: int = LABEL_HALO
    fewest: int = FEWEST

    @property
    def shift(self) -> float:
        return self.calibration.shift

    @property
    def empty(self) -> bool:
        return self.levels.strong is None and self.levels.weak is None

    @property
    def record(self) -> dict[str, Any]:
        return {"levels": asdict(self.levels)}

    @property
    def notes(self) -> list[str]:
        return [WEAK] if self.levels.strong is not None and self.levels.weak is not None else []

    def classes(self, view: View) -> Labels:
        """What the middle member is sure of, (H, W): where crops are drawn around."""
        middle = self.thresholds[len(self.thresholds) // 2]
        target, weight = member_labels(*self._strength(view), self.levels, middle, self.margin)
        return np.where(weight > 0, np.where(target > 0, CHANGED, UNCHANGED), UNCERTAIN).astype(np.uint8)

    def targets(self, view: View) -> Float32:
        """(2 members, H, W): target and weight of each."""
        strength = self._strength(view)
        return np.concatenate([member_labels(*strength, self.levels, t, self.margin) for t in self.thresholds])

    def evidence(self, view: View) -> Mask:
        """Where something stands out from the noise at the chosen rate of false alarms, (H, W)."""
        return evidence(*self._strength(view), self.levels)

    def _strength(self, view: View) -> tuple[Float32, Float32]:
        return self.calibration.strength(view, FINE), self.calibration.strength(view, WIDE)


@dataclass(frozen=True)
class _Strengths:
    """|R| of a window in both smoothings, 0 without data."""

    calibration: Calibration

    def __call__(self, view: View, window: Window, outer: Window) -> tuple[Float32, Float32]:
        fine, wide = (self._one(view, window, outer, sigma) for sigma in (FINE, WIDE))
        return fine, wide

    def _one(self, view: View, window: Window, outer: Window, sigma: float) -> Float32:
        strength = self.calibration.strength(view, sigma)
        cut: Float32 = window.cut(np.where(view.valid, strength, np.float32(0)), outer)
        return cut


@dataclass(frozen=True)
class _Survey:
    """Histogram of the fine |R| of a window, and how many of its pixels lie above the floor."""

    calibration: Calibration
    floor: float

    def __call__(self, view: View, window: Window, outer: Window) -> tuple[Int64, int]:
        fine, _ = _Strengths(self.calibration)(view, window, outer)
        return histogram(fine[fine > 0]), int((fine > self.floor).sum())


def _with_halo(scene: Scene, windows: list[Window]) -> list[tuple[Window, Window]]:
    return [(window, window.grow(WIDE_HALO + FILL, scene.height, scene.width)) for window in windows]
