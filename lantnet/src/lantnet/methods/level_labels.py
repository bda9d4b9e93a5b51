"""Labels from levels of change: several labelings of one scene, from which the members of an ensemble learn."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from lantnet.methods.calibration import FINE, WIDE, Calibration, log_ratio_of, ratio_of
from lantnet.methods.denoising import STEPS, total_variation
from lantnet.methods.edges import EDGE_HALO, explained, registration_error
from lantnet.methods.histograms import BINS, histogram
from lantnet.methods.levels import (
    FEWEST,
    LABEL_HALO,
    Levels,
    Seen,
    Strengths,
    evidence,
    measure_levels,
    member_labels,
    support,
)
from lantnet.methods.recipe import Context
from lantnet.published.prelabels import CHANGED, UNCERTAIN, UNCHANGED
from lantnet.scene.scene import FILL, Scene, View
from lantnet.scene.windows import Window, tiles
from lantnet.types import Float32, Int64, Labels, Mask

WHOLE = 4_194_304
"""Pixels up to which levels are measured on the whole scene; above, on BLOCKS squares of BLOCK pixels a side."""
BLOCK, BLOCKS = 512, 16
DENOISED, EXPLAINED = ("denoised", "denoised twice"), ("explained", "explained, wide")
DENOISING = (1.0, 2.0)
"""Weights of the total variation, in deviations of the speckle of single pixels."""
WEAK = "There is a weaker change next to a strong one; both are in the result."
PASSED_OVER = (
    "In addition to the reported change, some areas differ by about {:.1f} dB; so small a difference next to "
    "a strong change is reported as unchanged."
)


@dataclass(frozen=True)
class LevelLabels:
    """learned: what the members of the ensemble learn from, in turn. margin: pixels
    within this share of the threshold are uncertain. weak_share: area of weak change, relative to the strong, from
    which it counts; infinite: never. trust: log-odds of change that a neper above the threshold adds to those of the
    networks. false_alarm: share of pixels that may be called changed by speckle alone."""

    learned: tuple[Seen, ...] = ("gaussian, low", "gaussian")
    margin: float = 0.2
    weak_share: float = 0.3
    trust: float = 2.0
    false_alarm: float = 1e-3

    def measure(self, scene: Scene, context: Context, calibration: Calibration, members: int) -> "Leveled":
        stage = self if context.false_alarm is None else replace(self, false_alarm=context.false_alarm)
        error = registration_error(scene.shift)
        halo = max(STEPS, EDGE_HALO)
        context.plan.keep(scene, _Smoothings(calibration, error), (*DENOISED, *EXPLAINED), halo=halo, name="denoising")
        learned = tuple(self.learned[member % len(self.learned)] for member in range(members))
        levels = stage._levels(scene, context, calibration)
        return Leveled(calibration, levels, learned, self.margin, self.trust, error)

    def _levels(self, scene: Scene, context: Context, calibration: Calibration) -> Levels:
        counts = np.zeros((1 + len(DENOISED), BINS), dtype=np.int64)
        busy: list[tuple[int, Window]] = []
        survey = _Survey(calibration, 3.3 * calibration.noise)
        windows = tiles(scene.height, scene.width, BLOCK)
        for window, (found, above) in context.plan.each(scene, survey, halo=0, name="levels", windows=windows):
            counts += found
            busy.append((above, window))
        if scene.height * scene.width <= WHOLE:
            chosen = [Window(0, 0, scene.height, scene.width)]
        else:
            chosen = [window for _, window in sorted(busy, key=lambda pair: -pair[0])[:BLOCKS]]
        blocks = []
        for window in chosen:
            outer = window.grow(FILL, scene.height, scene.width)
            blocks.append(_measured(scene.read(outer), calibration, window, outer))
        return measure_levels(blocks, list(counts), calibration, self.false_alarm, self.weak_share)


@dataclass(frozen=True)
class Leveled:
    """The labelings of a scene. learned: that of each member. registration_error: pixels that edges are excused for."""

    calibration: Calibration
    levels: Levels
    learned: tuple[Seen, ...]
    margin: float
    trust: float
    registration_error: float
    halo: int = LABEL_HALO
    fewest: int = FEWEST

    @property
    def shift(self) -> float:
        return self.calibration.shift

    @property
    def empty(self) -> bool:
        return self.levels.thresholds is None

    @property
    def record(self) -> dict[str, Any]:
        return {"levels": asdict(self.levels), "registration_error": round(self.registration_error, 3)}

    @property
    def notes(self) -> list[str]:
        if self.levels.weak is not None:
            return [WEAK]
        if self.levels.passed_over is not None:
            return [PASSED_OVER.format(20 / math.log(10) * self.levels.passed_over)]
        return []

    def classes(self, view: View) -> Labels:
        """What the smoothings together are sure of, (H, W): where crops are drawn around."""
        target, weight = member_labels(strengths(view, self.calibration), self.levels, "together", self.margin)
        return np.where(weight > 0, np.where(target > 0, CHANGED, UNCHANGED), UNCERTAIN).astype(np.uint8)

    def targets(self, view: View) -> Float32:
        """(2 members, H, W): target and weight of each."""
        seen = strengths(view, self.calibration)
        labels = {name: member_labels(seen, self.levels, name, self.margin) for name in set(self.learned)}
        return np.concatenate([np.stack(labels[name]) for name in self.learned])

    def support(self, view: View) -> Float32:
        """Log-odds of change that the levels add to those of the networks, (H, W)."""
        return np.float32(self.trust) * support(strengths(view, self.calibration), self.levels)

    def evidence(self, view: View) -> Mask:
        """Where something stands out from the noise at the chosen rate of false alarms, (H, W)."""
        return evidence(strengths(view, self.calibration), self.levels)


def strengths(view: View, calibration: Calibration) -> Strengths:
    """|R| of a view of which the smoothings are kept."""
    smoothed = [ratio_of(view, FINE), *(view.kept[name] for name in DENOISED)]
    shift = np.float32(calibration.shift)
    explained = np.stack([view.kept[name] for name in EXPLAINED])
    return Strengths(np.abs(np.stack(smoothed) - shift), calibration.strength(view, WIDE), view.valid, explained)


def _measured(view: View, calibration: Calibration, window: Window, outer: Window) -> Strengths:
    """Of a window, 0 without data."""
    seen = strengths(view, calibration)

    def measured(values: Float32) -> Float32:
        return window.cut(np.where(view.valid, values, np.float32(0)), outer)

    smoothed, explained = (np.stack([measured(part) for part in parts]) for parts in (seen.smoothed, seen.explained))
    return Strengths(smoothed, measured(seen.wide), window.cut(view.valid, outer), explained)


@dataclass(frozen=True)
class _Smoothings:
    """(4, H, W) of a window: the log-ratio without its speckle by total variation of both weights, and what a
    registration error (pixels) explains of the Gaussian and of the wide smoothing."""

    calibration: Calibration
    error: float

    def __call__(self, view: View, window: Window, outer: Window) -> Float32:
        ratio = log_ratio_of(view)
        noises = ((FINE, self.calibration.noise), (WIDE, self.calibration.wide_noise))
        found = [total_variation(ratio, weight * self.calibration.speckle) for weight in DENOISING]
        found += [explained(view.before, view.after, self.error, *each) for each in noises]
        return np.stack([window.cut(values, outer) for values in found])


@dataclass(frozen=True)
class _Survey:
    """Histograms of |R| of a window, one a smoothing, and how many of its pixels lie above the floor."""

    calibration: Calibration
    floor: float

    def __call__(self, view: View, window: Window, outer: Window) -> tuple[Int64, int]:
        seen = _measured(view, self.calibration, window, outer)
        smoothed, valid = seen.smoothed, seen.valid
        counts = np.stack([histogram(part[valid]) for part in smoothed])
        return counts, int((smoothed[0] > self.floor).sum())
