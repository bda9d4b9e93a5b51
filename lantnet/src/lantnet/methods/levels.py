"""What a change is in a scene: the levels that tell it from speckle, robust to how much changed (our choice).

Everything is read from R, the log-ratio of the dates smoothed over a few pixels, its shift taken out:

* the *shift* is the mode of R over ground that is not clipped black in both dates;
* the *noise* is the spread of R(x) - R(x + lag): a change adds to it along its border only, however large it is;
* the *levels* of change: Otsu's threshold of |R|, and the threshold that lies half-way between what is just inside
  and just outside of its own contour. The second looks at a band along borders, where both classes are equally many,
  so it does not depend on the share of change; the first is better for areas a few pixels wide. Members of an
  ensemble learn from thresholds between the two;
* *weak* areas: what stands out compactly from the noise of a wider smoothing, away from strong change.

Rates and limits of this file are for Gaussian noise; tests hold them on gamma speckle of 1 to 20 looks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage
from scipy.stats import norm

from lantnet.methods.histograms import histogram, otsu
from lantnet.results.cleanup import erase_small_regions
from lantnet.types import Float32, Int64, Mask

FINE, WIDE = 1.5, 3.5
"""Pixels, standard deviation of the two smoothings of the log-ratio."""
LAGS = {FINE: 8, WIDE: 16}
"""Pixels after which the smoothed noise is independent."""
RATIO_HALO = 6
WIDE_HALO = 14
CLIPPED = 3.0
"""Amplitude (of 80 for the median) below which both dates count as clipped black."""
MODE_WIDTH = 0.05
"""Nepers over which the histogram of log-ratios is smoothed before its peak is taken."""
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
_RATIO_TOP, _RATIO_BINS = 8.0, 16000
_LEVEL_TOP, _LEVEL_BINS = 16.0, 16000


def log_ratio(before: Float32, after: Float32, sigma: float = FINE) -> Float32:
    """ln((after + 1)/(before + 1)) smoothed by a Gaussian of `sigma` pixels, (H, W) in nepers of amplitude."""
    ratio = np.log((after + 1) / (before + 1))
    smooth: Float32 = ndimage.gaussian_filter(ratio, sigma, mode="nearest", truncate=4.0)
    return smooth


def lagged(ratio: Float32, valid: Mask, lag: int) -> Float32:
    """|R(x) - R(x + lag)| along the columns, flat, where both are valid: a sample of noise whatever changed."""
    both = valid[:, lag:] & valid[:, :-lag]
    differences: Float32 = np.abs(ratio[:, lag:] - ratio[:, :-lag])[both]
    return differences


@dataclass
class Statistics:
    """Histograms of a scene that windows add up: log-ratios, lagged differences, log-amplitudes."""

    ratios: Int64 = field(default_factory=lambda: np.zeros(_RATIO_BINS, dtype=np.int64))
    clipped: Int64 = field(default_factory=lambda: np.zeros(_RATIO_BINS, dtype=np.int64))
    lags: dict[float, Int64] = field(
        default_factory=lambda: {sigma: histogram(np.empty(0, np.float32)) for sigma in LAGS}
    )
    levels: Int64 = field(default_factory=lambda: np.zeros(_LEVEL_BINS, dtype=np.int64))

    def add_pixels(self, ratio: Float32, before: Float32, after: Float32) -> None:
        """Measured pixels, flat: their smoothed log-ratio and the amplitudes of both dates."""
        index = ((ratio + _RATIO_TOP) * (_RATIO_BINS / (2 * _RATIO_TOP))).astype(np.int64)
        index = np.clip(index, 0, _RATIO_BINS - 1)
        dark = (before < CLIPPED) & (after < CLIPPED)
        self.ratios += np.bincount(index[~dark], minlength=_RATIO_BINS)
        self.clipped += np.bincount(index[dark], minlength=_RATIO_BINS)
        for image in (before, after):
            level = (np.log1p(image) * (_LEVEL_BINS / _LEVEL_TOP)).astype(np.int64)
            self.levels += np.bincount(np.clip(level, 0, _LEVEL_BINS - 1), minlength=_LEVEL_BINS)

    def add_lags(self, sigma: float, differences: Float32) -> None:
        self.lags[sigma] += histogram(differences)

    def calibration(self) -> "Calibration":
        width = 2 * _RATIO_TOP / _RATIO_BINS
        centres = (np.arange(_RATIO_BINS) + 0.5) * width - _RATIO_TOP
        total = int(self.ratios.sum() + self.clipped.sum())
        ratios = self.ratios if self.ratios.sum() > 0.1 * total else self.ratios + self.clipped
        smooth = ndimage.gaussian_filter1d(ratios.astype(np.float64), MODE_WIDTH / width, mode="constant")
        shift = float(centres[np.argmax(smooth)])
        levels = (np.arange(_LEVEL_BINS) + 0.5) * (_LEVEL_TOP / _LEVEL_BINS)
        mean = float(np.average(levels, weights=self.levels))
        deviation = float(np.sqrt(np.average((levels - mean) ** 2, weights=self.levels)))
        noise, wide = (_noise(self.lags[sigma]) for sigma in (FINE, WIDE))
        return Calibration(shift, noise, wide, mean, max(deviation, 1e-3), float(self.clipped.sum() / max(total, 1)))


def _noise(counts: Int64) -> float:
    """Standard deviation of R from the median of its lagged differences (which are wider by the root of 2)."""
    if not counts.sum():
        return 0.0
    middle = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
    return (middle + 0.5) * 16.0 / len(counts) * 1.4826 / math.sqrt(2)


@dataclass(frozen=True)
class Calibration:
    """`shift`: nepers that the dates differ by without change. `noise`, `wide_noise`: standard deviation of the
    log-ratio in its two smoothings. `mean`, `deviation`: of ln(amplitude + 1). `clipped`: share black in both dates."""

    shift: float
    noise: float
    wide_noise: float
    mean: float
    deviation: float
    clipped: float

    @property
    def decibel(self) -> float:
        return 20 / math.log(10) * self.shift

    @property
    def looks(self) -> float:
        """Equivalent looks of both dates, were their speckle independent by pixel and the land without texture.

        The variance of a log-amplitude ratio of L looks is 1/(2 L) (large L); FINE averages 4 pi FINE^2 pixels."""
        return 1 / (2 * max(self.noise, 1e-3) ** 2 * 4 * math.pi * FINE**2)

    def remarks(self) -> list[str]:
        """What a user should know about the calibration of the dates."""
        if abs(self.decibel) < 1:
            return []
        word = "brighter" if self.decibel > 0 else "darker"
        return [
            f"The second date is {abs(self.decibel):.1f} dB {word} almost everywhere. That counts as calibration, not "
            "as change, and was taken out; check the calibration of both dates."
        ]

    def aligned(self, after: Float32) -> Float32:
        """The second date without the shift."""
        moved: Float32 = np.maximum((after + 1) * np.float32(math.exp(-self.shift)) - 1, np.float32(0))
        return moved

    def strength(self, before: Float32, after: Float32, sigma: float = FINE) -> Float32:
        """|R| of (H, W) amplitudes, nepers."""
        strength: Float32 = np.abs(log_ratio(before, after, sigma) - np.float32(self.shift))
        return strength

    def normalised(self, before: Float32, after: Float32) -> Float32:
        """(2, H, W): ln(amplitude + 1) of the aligned dates, mean 0 and deviation 1 over the scene."""
        images = np.stack([before, self.aligned(after)])
        return ((np.log1p(images) - self.mean) / self.deviation).astype(np.float32)


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
        """One a member, at equal ratios from the lowest to the highest."""
        if self.strong is None:
            return [math.inf] * members
        low, high = self.strong
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
