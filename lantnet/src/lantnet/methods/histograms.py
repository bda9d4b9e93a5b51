"""Thresholds and clusters of one-dimensional data from its histogram; the windows of a scene just add up."""

import numpy as np

from lantnet.types import Float32, Float64, Int64

TOP = 16.0
BINS = 65536
"""Fixed edges, so that no pass over a scene is needed to find them: log-ratios of e^16 do not occur."""


def histogram(values: Float32) -> Int64:
    """Counts (BINS,) of `values` (any shape, >= 0) on the fixed bins; the last bin holds all that lies beyond."""
    index = np.clip(values * (BINS / TOP), 0, BINS - 1).astype(np.int64)
    return np.bincount(index.ravel(), minlength=BINS)


def bin_centers() -> Float64:
    return np.linspace(0, TOP, BINS, endpoint=False) + TOP / BINS / 2


def otsu(counts: Int64) -> float:
    """The threshold that separates two classes best: greatest variance between them (Otsu 1979); the middle of a gap."""
    share, mean, _ = _moments(counts.astype(np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mean[-1] * share - mean) ** 2 / (share * (1 - share))
    between = np.where(np.isfinite(between), between, -1)
    best = np.flatnonzero(between >= between.max() - 1e-12 * abs(between.max()))
    return _upper_edge(int(best[0] + best[-1]) // 2)


def kittler_illingworth(counts: Int64) -> float:
    """The threshold between two Gaussians of least error (Kittler and Illingworth 1986); classes of .1 % and more."""
    coarse = 64
    share, mean, square = _moments(counts.reshape(-1, coarse).sum(axis=1).astype(np.float64))
    rest, rest_mean, rest_square = 1 - share, mean[-1] - mean, square[-1] - square
    with np.errstate(divide="ignore", invalid="ignore"):
        low = square / share - (mean / share) ** 2
        high = rest_square / rest - (rest_mean / rest) ** 2
        error = share * np.log(low) + rest * np.log(high) - 2 * (share * np.log(share) + rest * np.log(rest))
    usable = np.isfinite(error) & (share > 0.001) & (rest > 0.001)
    if not usable.any():
        return otsu(counts)
    return _upper_edge(int(np.argmin(np.where(usable, error, np.inf))) * coarse + coarse - 1)


def _moments(counts: Float64) -> tuple[Float64, Float64, Float64]:
    """Cumulated share, mean and mean square up to each bin, in units of bins."""
    weight = counts / counts.sum()
    center = np.arange(len(counts)) + 0.5
    return np.cumsum(weight), np.cumsum(weight * center), np.cumsum(weight * center**2)


def _upper_edge(index: int) -> float:
    return (index + 1) * (TOP / BINS)
