"""Pre-labels of the default recipe: what differs from the bulk of a scene, found on histograms alone (our choice).

Three things trouble the published clustering: dates of different calibration or number of looks (all log-ratios
are shifted), scarce change (two clusters then split the noise), and heavy speckle. So the shift is removed, no
threshold lies within the noise, and the two means are sought in what a majority of a neighbourhood shares.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from lantnet.methods.histograms import bin_centres, otsu, two_means
from lantnet.published.prelabels import CHANGED, UNCERTAIN, UNCHANGED, difference_image
from lantnet.published.srad import RADIUS as SRAD_RADIUS
from lantnet.types import Float32, Int64, Labels

RATIO_SIGMA = 1.5
"""Pixels of the Gaussian over the log-ratio whose mode is the shift and whose spread is the noise."""
RATIO_HALO = 6
DIFFERENCE_SIGMA = 0.7
"""Pixels of the Gaussian over the difference image: SRAD leaves single grains."""
DIFFERENCE_HALO = 2 * SRAD_RADIUS + 3
NEIGHBOURHOOD = 5
"""Side of the median window: a bright grain has no majority in it, a changed area has."""
LEVELS_HALO = DIFFERENCE_HALO + NEIGHBOURHOOD // 2
NOISE_MARGIN = 2.5
"""The threshold stays above so many standard deviations of the smoothed log-ratio of unchanged ground."""
CLEARLY, FEWEST_CLEAR = 1.25, 0.3
"""Of what lies above the threshold, this share at least must lie above CLEARLY times the threshold. Measured on 17
pairs with change .47 to .94, on 5 pairs of speckle alone 0 to .09."""
MODE_WIDTH = 0.05
"""Nepers over which the histogram of log-ratios is smoothed before its peak is taken."""

_RATIO_TOP, _RATIO_BINS = 8.0, 16000
_LEVEL_TOP, _LEVEL_BINS = 16.0, 16000


def log_ratio(before: Float32, after: Float32) -> Float32:
    """Smoothed ln((after + 1)/(before + 1)), (H, W) in nepers of amplitude."""
    ratio = np.log((after + 1) / (before + 1))
    smooth: Float32 = ndimage.gaussian_filter(ratio, RATIO_SIGMA, mode="nearest", truncate=4.0)
    return smooth


@dataclass
class Statistics:
    """Histograms of a scene's log-ratios and log-amplitudes; windows add up exactly."""

    ratios: Int64 = field(default_factory=lambda: np.zeros(_RATIO_BINS, dtype=np.int64))
    levels: Int64 = field(default_factory=lambda: np.zeros(_LEVEL_BINS, dtype=np.int64))

    def add(self, ratio: Float32, before: Float32, after: Float32) -> None:
        """Measured pixels, flat: their smoothed log-ratio and the amplitudes of both dates."""
        index = ((ratio + _RATIO_TOP) * (_RATIO_BINS / (2 * _RATIO_TOP))).astype(np.int64)
        self.ratios += np.bincount(np.clip(index, 0, _RATIO_BINS - 1), minlength=_RATIO_BINS)
        for image in (before, after):
            index = (np.log1p(image) * (_LEVEL_BINS / _LEVEL_TOP)).astype(np.int64)
            self.levels += np.bincount(np.clip(index, 0, _LEVEL_BINS - 1), minlength=_LEVEL_BINS)

    def calibration(self) -> "Calibration":
        width = 2 * _RATIO_TOP / _RATIO_BINS
        centres = (np.arange(_RATIO_BINS) + 0.5) * width - _RATIO_TOP
        smooth = ndimage.gaussian_filter1d(self.ratios.astype(np.float64), MODE_WIDTH / width, mode="constant")
        shift = float(centres[np.argmax(smooth)])
        away = np.abs(centres - shift)
        order = np.argsort(away, kind="stable")
        below = np.cumsum(self.ratios[order])
        median = away[order][np.searchsorted(below, below[-1] / 2)]
        levels = (np.arange(_LEVEL_BINS) + 0.5) * (_LEVEL_TOP / _LEVEL_BINS)
        mean = float(np.average(levels, weights=self.levels))
        deviation = float(np.sqrt(np.average((levels - mean) ** 2, weights=self.levels)))
        return Calibration(shift, float(1.4826 * median), mean, max(deviation, 1e-3))


@dataclass(frozen=True)
class Calibration:
    """`shift`: mode of the log-ratios, nepers; where most ground is unchanged, what the dates differ by without
    change. `noise`: robust standard deviation about it. `mean`, `deviation`: of ln(amplitude + 1)."""

    shift: float
    noise: float
    mean: float
    deviation: float

    @property
    def decibel(self) -> float:
        return 20 / math.log(10) * self.shift

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

    def difference(self, before: Float32, after: Float32) -> Float32:
        """The published difference image of the aligned dates, lightly smoothed, (H, W) in nepers."""
        difference = difference_image(before, self.aligned(after))
        smooth: Float32 = ndimage.gaussian_filter(difference, DIFFERENCE_SIGMA, mode="nearest", truncate=4.0)
        return smooth

    def normalised(self, before: Float32, after: Float32) -> Float32:
        """(2, H, W): ln(amplitude + 1) of the aligned dates, mean 0 and deviation 1 over the scene."""
        images = np.stack([before, self.aligned(after)])
        return ((np.log1p(images) - self.mean) / self.deviation).astype(np.float32)


def majority(difference: Float32) -> Float32:
    """The median of each pixel's neighbourhood, (H, W): above a threshold exactly where most of it is."""
    result: Float32 = ndimage.median_filter(difference, NEIGHBOURHOOD, mode="nearest")
    return result


def change_level(counts: Int64, noise: float) -> float | None:
    """The threshold between unchanged and changed, nepers, from the histogram of a `majority` image.

    None where nothing changed. Two means from Otsu's threshold, kept above the noise. A change has a level of
    its own, so most of what lies above the threshold lies well above it; where it does not, that is the tail of
    the noise.
    """
    threshold = two_means(counts, start=otsu(counts), floor=NOISE_MARGIN * noise)
    values = bin_centres()
    above = counts[values > threshold].sum()
    well_above = counts[values > CLEARLY * threshold].sum()
    return threshold if well_above > FEWEST_CLEAR * above else None


def label(difference: Float32, threshold: float, margin: float) -> Labels:
    """UNCHANGED below the threshold by more than `margin` (a share of it); CHANGED above by more than that where most
    of the neighbourhood is above the threshold too; UNCERTAIN otherwise."""
    labels = np.full(difference.shape, UNCERTAIN, dtype=np.uint8)
    labels[difference < threshold * (1 - margin)] = UNCHANGED
    labels[(difference > threshold * (1 + margin)) & (majority(difference) > threshold)] = CHANGED
    return labels
