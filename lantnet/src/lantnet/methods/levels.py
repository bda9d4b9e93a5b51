"""What a change is in a scene: the levels that tell it from speckle, robust to how much changed (our choice).

Levels are of |R|, R the log-ratio of the dates without its shift, in several smoothings (`Strengths`): a Gaussian one,
which follows blurred borders, and two of total variation, which keep sharp ones and see weaker change.

* In each smoothing the *threshold* is the geometric mean of Otsu's, and of the one that lies half-way between what is
  just inside and just outside of its own contour. The second looks at a band along borders, where both classes are
  equally many, so it does not depend on the share of change; the first is better for areas a few pixels wide. The
  lower of the two in the Gaussian smoothing makes a labeling of its own (`Seen`).
* *Evidence* is what noise alone shows at the rate of false alarms only, beyond what a registration error makes of
  edges: solid spots of the Gaussian smoothing, compact areas of a wider one. Without any nothing changed; far from it
  nothing counts as changed, wherever thresholds lie.
* *Weak* areas: evidence of the wide smoothing away from strong change, where it covers enough ground.

Rates and limits of this file are for Gaussian noise; tests hold them on gamma speckle of 1 to 20 looks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import ndimage
from scipy.stats import norm

from lantnet.methods.calibration import Calibration
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
WEAK_DEVIATIONS = 4.0
"""A compact area stands out by so many deviations of the wide noise, all over a disc of 9 pixels: by chance in one
scene of 256 x 256 out of a hundred."""
REACH = 8
"""Pixels around strong change in which nothing is called a weak change: blurred borders of the strong one."""
NEAR = 4
"""Pixels around evidence that it speaks for."""
LEAST_LEVEL = 0.25
"""Nepers, 2.2 dB: weaker areas are what fields gain and lose between any two dates."""
WEAKEST = 0.2
"""Of the strong change's level, below which a weak one is passed over, in words: land beside a flood changes too."""
QUIET = 1.1 * 1.4826
"""From the median |R| of unchanged ground to its deviation; more by a tenth, as ground above the threshold, noise or
not, is not among it."""
FEWEST_WEAK = 100
"""Pixels of compact areas from which they count."""
DISC = np.hypot(*np.mgrid[-4:5, -4:5]) <= 4.5
SMALL_DISC = np.hypot(*np.mgrid[-2:3, -2:3]) <= 2.3
SQUARE = np.ones((3, 3), dtype=bool)
LABEL_HALO = 2 * 4 + REACH + 2 * 2 + NEAR
"""Context of a label: the discs' openings, the strong change nearby, and what evidence speaks for."""


Seen = Literal["together", "gaussian", "gaussian, low", "denoised", "denoised twice"]
"""What a labeling is of: the mean of the smoothings, or one of them; "low": by the lower of its two thresholds."""
SMOOTHINGS: tuple[Seen, ...] = ("gaussian", "denoised", "denoised twice")


@dataclass(frozen=True)
class Strengths:
    """|R| of a part of a scene, nepers. smoothed: (N, H, W), the Gaussian smoothing, then those of total variation,
    the strongest last; wide: (H, W), a wider Gaussian one; valid: (H, W), where both dates hold data; explained:
    (2, H, W), what a registration error may make of edges in the Gaussian and in the wide smoothing."""

    smoothed: Float32
    wide: Float32
    valid: Mask
    explained: Float32

    @property
    def unexplained(self) -> tuple[Float32, Float32]:
        """The Gaussian and the wide smoothing without what a registration error explains, both (H, W)."""
        return self.smoothed[0] - self.explained[0], self.wide - self.explained[1]


@dataclass(frozen=True)
class Levels:
    """Thresholds on |R|, nepers: one a smoothing, or None where nothing changed. `low`: the lower one of the Gaussian
    smoothing. `weak`: that of weak areas in the last smoothing, or None. `floor`, `wide_floor`: of evidence in the
    Gaussian and in the wide smoothing. `passed_over`: the |R| of weaker areas that do not count."""

    thresholds: tuple[float, ...] | None
    low: float
    weak: float | None
    floor: float
    wide_floor: float
    passed_over: float | None = None


def border_threshold(blocks: Sequence[Float32], start: float) -> float:
    """Half-way between the mean |R| just inside and just outside of its own contour, found from `start`.

    blocks: parts (H, W) of a scene; regions of fewer than FEWEST pixels have no say.
    """
    threshold = start
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
        moved = (sums[0] / sums[1] + sums[2] / sums[3]) / 2
        if abs(moved - threshold) < 1e-3:
            break
        threshold = moved
    return float(threshold)


def measure_levels(
    blocks: Sequence[Strengths], counts: Sequence[Int64], calibration: Calibration, rate: float, weak_share: float
) -> Levels:
    """The levels of change of a scene.

    blocks: parts of the scene; counts: a histogram of |R| a smoothing over all of it. rate: of false alarms.
    weak_share: area of weak change, as a share of the strong one, from which it counts.
    """
    starts = [otsu(count) for count in counts]
    borders = [border_threshold([block.smoothed[n] for block in blocks], start) for n, start in enumerate(starts)]
    thresholds = [math.sqrt(start * border) for start, border in zip(starts, borders, strict=True)]
    found = Levels(tuple(thresholds), min(starts[0], borders[0]), None, 0.0, 0.0)
    levels = _with_floors(found, blocks, calibration, rate)
    if levels.thresholds is None:
        return levels
    if thresholds[-1] < LEAST_LEVEL / 2 or not _stands_out(blocks, levels, max(thresholds[0], levels.floor)):
        return replace(levels, thresholds=None)
    strong = [strong_ground(block, levels) for block in blocks]
    weak = [weak_ground(block, levels, near) for block, (near, _) in zip(blocks, strong, strict=True)]
    if sum(int(ground.sum()) for ground in weak) <= FEWEST_WEAK:
        return levels
    inside = np.concatenate([block.smoothed[-1][ground] for block, ground in zip(blocks, weak, strict=True)])
    level = float(np.median(inside))
    # What it would count as changed: of a weak area at few looks only the core exceeds the noise.
    area = sum(
        int((around(ground) & (block.smoothed[-1] > level / 2)).sum())
        for block, ground in zip(blocks, weak, strict=True)
    )
    if area <= weak_share * sum(int(ground.sum()) for _, ground in strong):
        return levels
    if level < max(LEAST_LEVEL, WEAKEST * 2 * levels.thresholds[-1]):
        return replace(levels, passed_over=level)
    return replace(levels, weak=level / 2)


def _stands_out(blocks: Sequence[Strengths], levels: Levels, least: float) -> bool:
    """Whether what exceeds the noise is a change and not its tail: it has a level of its own, or is compact."""
    above = clear = compact = 0
    for block in blocks:
        seen, _ = block.unexplained
        solid = ndimage.binary_opening(seen > least, SQUARE)
        above += int(solid.sum())
        clear += int((seen[solid] > CLEARLY * least).sum())
        compact += int(compact_ground(block, levels).sum())
    return clear > max(FEWEST_CLEAR * above, FEWEST) or compact > FEWEST_WEAK


def _with_floors(levels: Levels, blocks: Sequence[Strengths], calibration: Calibration, rate: float) -> Levels:
    """Floors of evidence: from the noise all over the scene, or from |R| on unchanged ground where that is more."""
    quiet = [block.valid & ~(strong_ground(block, levels)[0] | (relative(block, levels) > 1)) for block in blocks]
    if not any(mask.any() for mask in quiet):
        return replace(levels, thresholds=None)
    noise = [
        max(lagged, QUIET * float(np.median(np.concatenate([a[mask] for a, mask in zip(images, quiet, strict=True)]))))
        for lagged, images in (
            (calibration.noise, [block.smoothed[0] for block in blocks]),
            (calibration.wide_noise, [block.wide for block in blocks]),
        )
    ]
    deviations = float(norm.isf(rate / 2))
    return replace(levels, floor=deviations * noise[0], wide_floor=max(WEAK_DEVIATIONS, deviations) * noise[1])


def relative(strengths: Strengths, levels: Levels, seen: Seen = "together") -> Float32:
    """|R| over its threshold, (H, W)."""
    if levels.thresholds is None:
        raise ValueError("there is no level of change")
    if seen == "gaussian, low":
        low: Float32 = strengths.smoothed[0] / np.float32(levels.low)
        return low
    if seen != "together":
        number = SMOOTHINGS.index(seen)
        one: Float32 = strengths.smoothed[number] / np.float32(levels.thresholds[number])
        return one
    total = np.zeros(strengths.wide.shape, dtype=np.float32)
    for smoothed, threshold in zip(strengths.smoothed, levels.thresholds, strict=True):
        total += smoothed / np.float32(threshold * len(levels.thresholds))
    return total


def compact_ground(strengths: Strengths, levels: Levels) -> Mask:
    """Areas that hold a disc of 9 pixels and stand out in the wide smoothing."""
    found: Mask = ndimage.binary_opening(strengths.unexplained[1] > levels.wide_floor, DISC)
    return found


def weak_ground(strengths: Strengths, levels: Levels, near: Mask) -> Mask:
    """Compact areas away from strong change."""
    found: Mask = ndimage.binary_opening(compact_ground(strengths, levels) & ~near, DISC)
    return found


def strong_ground(strengths: Strengths, levels: Levels) -> tuple[Mask, Mask]:
    """What lies within REACH pixels of strong change, and that change itself without grains; both (H, W)."""
    solid = ndimage.binary_opening(relative(strengths, levels) > 1, SMALL_DISC)
    return ndimage.binary_dilation(solid, SQUARE, REACH), solid


def weak_surroundings(strengths: Strengths, levels: Levels) -> Mask:
    """What lies in weak areas or within NEAR pixels of them, (H, W)."""
    near, _ = strong_ground(strengths, levels)
    return around(weak_ground(strengths, levels, near))


def around(ground: Mask) -> Mask:
    """What lies within NEAR pixels of it, (H, W)."""
    grown: Mask = ndimage.binary_dilation(ground, SQUARE, NEAR)
    return grown


def support(strengths: Strengths, levels: Levels) -> Float32:
    """ln of |R| over the threshold that holds for a pixel, that of weak areas where there are any; (H, W)."""
    share = relative(strengths, levels)
    if levels.weak is not None:
        nearby = weak_surroundings(strengths, levels)
        share = np.where(nearby, np.maximum(share, strengths.smoothed[-1] / np.float32(levels.weak)), share)
    logarithm: Float32 = np.log(np.maximum(share, np.float32(0.01)))
    return logarithm


def evidence(strengths: Strengths, levels: Levels) -> Mask:
    """Where a change may be at all, (H, W): near solid spots above the floor of the noise, and near compact areas."""
    found = ndimage.binary_opening(strengths.unexplained[0] > levels.floor, SQUARE)
    found |= compact_ground(strengths, levels)
    return around(found)


def member_labels(strengths: Strengths, levels: Levels, seen: Seen, margin: float) -> tuple[Float32, Float32]:
    """What one member learns: target 0 or 1, and weight 0 where uncertain, 1 elsewhere; both (H, W).

    Uncertain is what lies within `margin` (a share) of the threshold, what lies above it without evidence and, where
    there are weak areas, what stands out half as much as they must.
    """
    share = relative(strengths, levels, seen)
    changed = share > 1
    sure = np.abs(share - 1) > margin
    if levels.weak is not None:
        nearby = weak_surroundings(strengths, levels)
        weak = strengths.smoothed[-1] / np.float32(levels.weak)
        sure &= changed | nearby | ~(strengths.wide > 0.5 * levels.wide_floor)
        sure &= changed | ~nearby | (np.abs(weak - 1) > margin)
        changed = changed | (nearby & (weak > 1))
    sure &= ~changed | evidence(strengths, levels)
    return changed.astype(np.float32), sure.astype(np.float32)
