"""What a change is in a scene: the levels that tell it from speckle, robust to how much changed (our choice).

Levels are of |R|, R the smoothed log-ratio of the dates without its shift (calibration.py):

* the *levels* of change: Otsu's threshold of |R|, and the threshold that lies half-way between what is just inside
  and just outside of its own contour. The second looks at a band along borders, where both classes are equally many,
  so it does not depend on the share of change; the first is better for areas a few pixels wide. Members of an
  ensemble learn from thresholds between the two;
* *weak* areas: what stands out compactly from the noise of a wider smoothing, away from strong change.

Rates and limits of this file are for Gaussian noise; tests hold them on gamma speckle of 1 to 20 looks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.stats import norm

from lantnet.methods.calibration import WIDE_HALO, Calibration
from lantnet.methods.histograms import otsu
from lantnet.results.cleanup import erase_small_regions
from lantnet.types import Float32, Int64, Mask

CLEARLY, FEWEST_CLEAR = 1.25, 0.3
"""Of what lies above the threshold this share at least must lie above CLEARLY times the threshold: a change has a
level of its own, while the tail of a noise dies away."""
BAND = 6
"""Pixels to either side of a contour that its threshold is measured on."""
FEWEST = 21
"""Pixels of change below which nothing counts as changed: the smallest region that is kept."""
WEAK_DEVIATIONS = 4.5
"""A weak area stands out by so many deviations of the wide noise, all over a disc of 9 pixels: by chance in one
scene of 256 x 256 out of a hundred."""
REACH = 8
"""Pixels around strong change in which nothing is called a weak change: blurred borders of the strong one."""
FEWEST_WEAK = 100
"""Pixels of weak change from which it counts."""
DISC = np.hypot(*np.mgrid[-4:5, -4:5]) <= 4.5
SMALL_DISC = np.hypot(*np.mgrid[-2:3, -2:3]) <= 2.3
SQUARE = np.ones((3, 3), dtype=bool)


def floor_of(noise: float, rate: float) -> float:
    """The |R| that noise alone exceeds at `rate` (a share of pixels, both signs)."""
    return float(norm.isf(rate / 2)) * noise


def border_threshold(blocks: Sequence[Float32], start: float, floor: float) -> float:
    """Half-way between the mean |R| just inside and just outside of its own contour, found from `start`.

    blocks: parts (H, W) of a scene; regions of fewer than FEWEST pixels have no say.
    """
    threshold = max(start, floor)
    for _ in range(30):
        sums = np.zeros(4)
        for block in blocks:
            mask = erase_small_regions(block > threshold, FEWEST)
            inner = mask & ~ndimage.binary_erosion(mask, SQUARE, BAND, border_value=1)
            outer = ~mask & ndimage.binary_dilation(mask, SQUARE, BAND)
            inner &= ndimage.binary_erosion(mask, SQUARE, border_value=1)
            outer &= ~ndimage.binary_dilation(mask, SQUARE)
            sums += [block[inner].sum(), inner.sum(), block[outer].sum(), outer.sum()]
        if sums[1] < FEWEST or not sums[3]:
            break
        moved = max((sums[0] / sums[1] + sums[2] / sums[3]) / 2, floor)
        if abs(moved - threshold) < 1e-3:
            break
        threshold = moved
    return float(threshold)


@dataclass(frozen=True)
class Levels:
    """Thresholds on |R|, nepers. `strong`: the lowest and highest that members learn from, or None; `weak`: that of
    weak areas in the wide smoothing, or None; `floor`: below it everything counts as noise."""

    strong: tuple[float, float] | None
    weak: float | None
    floor: float

    def thresholds(self, members: int) -> list[float]:
        """One a member, at equal ratios from the lowest to the highest; the middle for a single one."""
        if self.strong is None:
            return [math.inf] * members
        low, high = self.strong
        if members == 1:
            return [math.sqrt(low * high)]
        return [float(value) for value in np.geomspace(low, high, members)]


def measure_levels(
    blocks: Sequence[tuple[Float32, Float32]], counts: Int64, calibration: Calibration, rate: float, weak_share: float
) -> Levels:
    """The levels of change of a scene.

    blocks: |R| in the fine and the wide smoothing of parts of the scene; counts: histogram of the fine |R| over all
    of it. rate: of false alarms. weak_share: area of weak change, as a share of the strong one, from which it counts.
    """
    floor = floor_of(calibration.noise, rate)
    fine = [block for block, _ in blocks]
    low = max(otsu(counts), floor)
    high = border_threshold(fine, low, floor)
    middle = math.sqrt(low * high)
    above, clear = (sum(int((block > t).sum()) for block in fine) for t in (middle, CLEARLY * middle))
    strong = (min(low, high), max(low, high)) if clear > max(FEWEST_CLEAR * above, FEWEST) else None
    weak = max(WEAK_DEVIATIONS, float(norm.isf(rate / 2))) * calibration.wide_noise
    if high <= floor and _areas(blocks, None, weak)[1] > FEWEST_WEAK and weak_share < math.inf:
        return Levels(None, weak, floor)  # the change lies at the floor of the noise: the wide smoothing sees it better
    strong_area, area = _areas(blocks, strong, weak)
    return Levels(strong, weak if area > max(weak_share * strong_area, FEWEST_WEAK) else None, floor)


def _areas(
    blocks: Sequence[tuple[Float32, Float32]], strong: tuple[float, float] | None, weak: float
) -> tuple[int, int]:
    """Pixels of strong and of weak change."""
    strong_area = area = 0
    for block, wide in blocks:
        near, solid = strong_ground(block, strong)
        strong_area += int(solid.sum())
        area += int(weak_ground(wide, weak, near).sum())
    return strong_area, area


def strong_ground(fine: Float32, strong: tuple[float, float] | None) -> tuple[Mask, Mask]:
    """What lies within REACH pixels of strong change, and that change itself without grains; both (H, W)."""
    if strong is None:
        nothing = np.zeros(fine.shape, dtype=bool)
        return nothing, nothing
    solid = ndimage.binary_opening(fine > strong[0], SMALL_DISC)
    return ndimage.binary_dilation(solid, SQUARE, REACH), solid


def weak_ground(wide: Float32, threshold: float, near: Mask) -> Mask:
    """Compact areas (they hold a disc of 9 pixels) that stand out in the wide smoothing, away from strong change."""
    found: Mask = ndimage.binary_opening((wide > threshold) & ~near, DISC)
    return found


LABEL_HALO = WIDE_HALO + 2 * 4 + REACH + 2
"""Context of a label: the smoothing, the disc's opening, and the strong change nearby."""


def member_labels(
    fine: Float32, wide: Float32, levels: Levels, threshold: float, margin: float
) -> tuple[Float32, Float32]:
    """What one member learns: target 0 or 1, and weight 0 where uncertain, 1 elsewhere; both (H, W).

    Uncertain is what lies within `margin` (a share) of the threshold and, where there are weak areas, what stands
    out half as much as they do.
    """
    changed = fine > threshold
    sure = np.abs(fine - threshold) > margin * threshold if math.isfinite(threshold) else np.ones(fine.shape, bool)
    if levels.weak is not None:
        near, _ = strong_ground(fine, levels.strong)
        weak = weak_ground(wide, levels.weak, near)
        sure &= ~((wide > 0.5 * levels.weak) & ~changed)
        sure |= weak
        changed = changed | weak
    return changed.astype(np.float32), sure.astype(np.float32)


def evidence(fine: Float32, wide: Float32, levels: Levels) -> Mask:
    """Where a change may be at all, (H, W): near something above the floor of the noise, or in a weak area."""
    found = fine > levels.floor if levels.strong is not None else np.zeros(fine.shape, dtype=bool)
    if levels.weak is not None:
        found |= ndimage.binary_dilation(ndimage.binary_opening(wide > levels.weak, DISC), SQUARE, 4)
    grown: Mask = ndimage.binary_dilation(found, SQUARE, 4)
    return grown
