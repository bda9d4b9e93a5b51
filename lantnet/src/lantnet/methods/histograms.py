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


def bin_centres() -> Float64:
    return np.linspace(0, TOP, BINS, endpoint=False) + TOP / BINS / 2


def otsu(counts: Int64) -> float:
    """The threshold that separates two classes best: greatest variance between them (Otsu 1979)."""
    share, mean, _ = _moments(counts.astype(np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mean[-1] * share - mean) ** 2 / (share * (1 - share))
    return _upper_edge(int(np.argmax(np.where(np.isfinite(between), between, -1))))


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


def two_means(counts: Int64, *, start: float, floor: float) -> float:
    """The threshold half-way between the means of its two sides, found from `start`, never below `floor`."""
    values = bin_centres()
    weights = counts.astype(np.float64)
    threshold = max(start, floor)
    for _ in range(100):
        above = values > threshold
        mass, rest = weights[above].sum(), weights[~above].sum()
        if not mass or not rest:
            break
        means = (weights[above] @ values[above] / mass, weights[~above] @ values[~above] / rest)
        moved = max(float(sum(means)) / 2, floor)
        if abs(moved - threshold) < 1e-4:
            break
        threshold = moved
    return threshold


def fuzzy_c_means(counts: Int64, clusters: int, *, iterations: int = 150, tolerance: float = 1e-5) -> Float64:
    """Sorted cluster centres (clusters,) of the values whose histogram is `counts`; fuzzifier m = 2.

    Stops when the memberships of all pixels together move by less than `tolerance` (Frobenius norm).
    The start is fixed: centres spread over the occupied range (the published start is a fixed random
    membership per pixel, which a histogram cannot repeat; both end in the same place).
    """
    occupied = np.flatnonzero(counts)
    values = bin_centres()[occupied]
    weights = counts[occupied].astype(np.float64)
    spread = (np.arange(clusters) + 0.5) / clusters
    centres = values[0] + (values[-1] - values[0]) * spread
    membership = np.zeros((clusters, len(values)))
    for _ in range(iterations):
        inverse = 1 / np.maximum((values - centres[:, None]) ** 2, 1e-30)
        moved = inverse / inverse.sum(axis=0)
        change = np.sqrt((((moved - membership) ** 2) * weights).sum())
        membership = moved
        mass = membership**2 * weights
        centres = mass @ values / mass.sum(axis=1)
        if change < tolerance:
            break
    return np.sort(centres)


def _moments(counts: Float64) -> tuple[Float64, Float64, Float64]:
    """Cumulated share, mean and mean square up to each bin, in units of bins."""
    weight = counts / counts.sum()
    centre = np.arange(len(counts)) + 0.5
    return np.cumsum(weight), np.cumsum(weight * centre), np.cumsum(weight * centre**2)


def _upper_edge(index: int) -> float:
    return (index + 1) * (TOP / BINS)
