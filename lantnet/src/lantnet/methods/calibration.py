"""How two dates compare where nothing changed: their shift, their noise, what black hides (our choice).

Everything is read from R, the log-ratio of the dates smoothed over a few pixels:

* the *shift* is the mode of R over ground that is not clipped black in both dates;
* the *noise* is the spread of R(x) - R(x + lag): a change adds to it along its border only, however large it is.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage
from scipy.optimize import brentq
from scipy.special import polygamma

from lantnet.methods.recipe import Context
from lantnet.scene.scene import Scene, View
from lantnet.scene.windows import Window
from lantnet.types import Float32, Int64, Mask

SINGLE, FINE, WIDE = 0.0, 1.5, 3.5
"""Pixels, standard deviation of the smoothings of the log-ratio: none, and two."""
LAGS = {SINGLE: 8, FINE: 8, WIDE: 16}
"""Pixels after which the smoothed noise is independent."""
RATIO_HALO = 6
WIDE_HALO = 14
CLIPPED = 3.0
"""Amplitude (of 80 for the median) below which both dates count as clipped black."""
MODE_WIDTH = 0.05
"""Nepers over which the histogram of log-ratios is smoothed before its peak is taken."""
MOST_LOOKS = 1000.0
"""What images without speckle count as."""
_RATIO_TOP, _RATIO_BINS = 8.0, 16000
_LEVEL_TOP, _LEVEL_BINS = 16.0, 16000
_LAG_TOP, _LAG_BINS = 16.0, 65536


def log_ratio(before: Float32, after: Float32, sigma: float = FINE) -> Float32:
    """ln((after + 1)/(before + 1)) smoothed by a Gaussian of `sigma` pixels, (H, W) in nepers of amplitude."""
    ratio = np.log((after + 1) / (before + 1))
    smooth: Float32 = ndimage.gaussian_filter(ratio, sigma, mode="nearest", truncate=4.0)
    return smooth


def log_ratio_of(view: View) -> Float32:
    """ln((after + 1)/(before + 1)) of a view, (H, W), as it is."""
    ratio: Float32 = np.log((view.after + 1) / (view.before + 1))
    return ratio


def ratio_name(sigma: float) -> str:
    return f"log-ratio {sigma:g}"


def ratio_of(view: View, sigma: float = FINE) -> Float32:
    """`log_ratio` of a view: kept, where it was, else computed."""
    kept = view.kept.get(ratio_name(sigma))
    return log_ratio(view.before, view.after, sigma) if kept is None else kept


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
        default_factory=lambda: {sigma: np.zeros(_LAG_BINS, dtype=np.int64) for sigma in LAGS}
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
        index = np.clip(differences * (_LAG_BINS / _LAG_TOP), 0, _LAG_BINS - 1).astype(np.int64)
        self.lags[sigma] += np.bincount(index, minlength=_LAG_BINS)

    def join(self, other: "Statistics") -> None:
        """What another window of the same scene showed."""
        self.ratios += other.ratios
        self.clipped += other.clipped
        self.levels += other.levels
        for sigma, counts in other.lags.items():
            self.lags[sigma] += counts

    def calibration(self) -> "Calibration":
        width = 2 * _RATIO_TOP / _RATIO_BINS
        centers = (np.arange(_RATIO_BINS) + 0.5) * width - _RATIO_TOP
        total = int(self.ratios.sum() + self.clipped.sum())
        ratios = self.ratios if self.ratios.sum() > 0.1 * total else self.ratios + self.clipped
        smooth = ndimage.gaussian_filter1d(ratios.astype(np.float64), MODE_WIDTH / width, mode="constant")
        shift = float(centers[np.argmax(smooth)])
        levels = (np.arange(_LEVEL_BINS) + 0.5) * (_LEVEL_TOP / _LEVEL_BINS)
        mean = float(np.average(levels, weights=self.levels))
        deviation = float(np.sqrt(np.average((levels - mean) ** 2, weights=self.levels)))
        speckle, noise, wide = (_noise(self.lags[sigma]) for sigma in (SINGLE, FINE, WIDE))
        clipped = float(self.clipped.sum() / max(total, 1))
        return Calibration(shift, noise, wide, speckle, mean, max(deviation, 1e-3), clipped)


def _noise(counts: Int64) -> float:
    """Standard deviation of R from the median of its lagged differences (which are wider by the root of 2)."""
    if not counts.sum():
        return 0.0
    middle = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
    return (middle + 0.5) * _LAG_TOP / _LAG_BINS * 1.4826 / math.sqrt(2)


@dataclass(frozen=True)
class Calibration:
    """`shift`: nepers that the dates differ by without change. `noise`, `wide_noise`, `speckle`: standard deviation of
    the log-ratio in its two smoothings and without one. `mean`, `deviation`: of ln(amplitude + 1). `clipped`: share
    black in both dates."""

    shift: float
    noise: float
    wide_noise: float
    speckle: float
    mean: float
    deviation: float
    clipped: float

    @property
    def decibel(self) -> float:
        return 20 / math.log(10) * self.shift

    @property
    def looks(self) -> float:
        """Equivalent looks of single pixels, as if both dates had the same: the variance of the log-ratio of two
        amplitudes of L looks is psi_1(L) / 2 (psi_1 the trigamma function)."""
        variance = 2 * self.speckle**2
        if variance <= float(polygamma(1, MOST_LOOKS)):
            return MOST_LOOKS
        return float(brentq(lambda looks: float(polygamma(1, looks)) - variance, 1e-2, MOST_LOOKS))

    def remarks(self) -> list[str]:
        """What a user should know about the calibration of the dates."""
        if abs(self.decibel) < 1:
            return []
        word = "brighter" if self.decibel > 0 else "darker"
        return [
            f"The second date is {abs(self.decibel):.1f} dB {word} almost everywhere. This was treated as a "
            "calibration difference, not as change, and was removed; check the calibration of both dates."
        ]

    def aligned(self, after: Float32) -> Float32:
        """The second date without the shift."""
        moved: Float32 = np.maximum((after + 1) * np.float32(math.exp(-self.shift)) - 1, np.float32(0))
        return moved

    def strength(self, view: View, sigma: float = FINE) -> Float32:
        """|R| of a view, (H, W), nepers."""
        strength: Float32 = np.abs(ratio_of(view, sigma) - np.float32(self.shift))
        return strength

    def normalized(self, before: Float32, after: Float32) -> Float32:
        """(2, H, W): ln(amplitude + 1) of the aligned dates, mean 0 and deviation 1 over the scene."""
        images = np.stack([before, self.aligned(after)])
        return ((np.log1p(images) - self.mean) / self.deviation).astype(np.float32)


def calibrate(scene: Scene, context: Context) -> Calibration:
    """One pass over a scene for its smoothed log-ratios, which are kept, and one for what they add up to."""
    statistics = Statistics()
    names = [ratio_name(sigma) for sigma in (FINE, WIDE)]
    context.plan.keep(scene, _ratios, names, halo=WIDE_HALO, name="log-ratio")
    for _, part in context.plan.each(scene, _statistics, halo=max(LAGS.values()), name="calibration"):
        statistics.join(part)
    return statistics.calibration()


def _ratios(view: View, window: Window, outer: Window) -> Float32:
    """(2, H, W): both smoothings."""
    return np.stack([window.cut(log_ratio(view.before, view.after, sigma), outer) for sigma in (FINE, WIDE)])


def _statistics(view: View, window: Window, outer: Window) -> Statistics:
    """Of one window of a scene."""
    statistics = Statistics()
    ratio = ratio_of(view)
    valid = window.cut(view.valid, outer)
    statistics.add_pixels(*(window.cut(values, outer)[valid] for values in (ratio, view.before, view.after)))
    for sigma, lag in LAGS.items():
        # Columns to the right of the window belong to its own pixels' differences.
        reach = Window(window.top, window.left, window.height, min(window.width + lag, outer.right - window.left))
        statistics.add_lags(sigma, lagged(reach.cut(ratio_of(view, sigma), outer), reach.cut(view.valid, outer), lag))
    return statistics
