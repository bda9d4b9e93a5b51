"""Fuzzy c-means of single numbers, pixel by pixel, from the published start (arXiv 2208.04481, section II-A).

The start is one random membership a pixel, of a fixed seed. It puts all centers beside the mean of the image, where a
difference of a thousandth decides which optimum they fall into; so neither another start nor a histogram is the same
method: on some scenes both end elsewhere (the tests hold such a pair).
"""

from collections.abc import Iterator

import numpy as np

from lantnet.types import Float32, Float64, Mask

ITERATIONS = 150
TOLERANCE = 1e-5
SEED = 42
AT_ONCE = 1 << 18
"""Pixels worked on together; bounds the memory, and does not change the result but for rounding."""


def fuzzy_c_means(values: Float32, clusters: int) -> Float64:
    """Sorted centers (clusters,) of `values` (N,), in the order of the image's rows; fuzzifier 2.

    NaN is no data: it takes a random number like every pixel, and no part after that. Stops when the memberships of all
    pixels together moved by less than TOLERANCE (Frobenius norm), or after ITERATIONS.
    """
    random = np.random.RandomState(SEED)
    weight, total = np.zeros(clusters), np.zeros(clusters)
    for part, valid in _parts(values):
        squared = _start(random, len(valid), clusters)[:, valid] ** 2
        weight += squared.sum(axis=1)
        total += squared @ part
    centers, before = total / weight, None
    for _ in range(ITERATIONS - 1):
        moved, weight, total = _step(values, centers, before)
        if moved < TOLERANCE:
            break
        centers, before = total / weight, centers
    return np.sort(centers)


def _step(values: Float32, centers: Float64, before: Float64 | None) -> tuple[float, Float64, Float64]:
    """How far memberships moved from those of the centers `before` (None: from the start), then the sums of squared
    memberships and of these times the values, both (clusters,)."""
    clusters = len(centers)
    random = np.random.RandomState(SEED)
    moved, weight, total = 0.0, np.zeros(clusters), np.zeros(clusters)
    for part, valid in _parts(values):
        new = _memberships(part, centers)
        old = _start(random, len(valid), clusters)[:, valid] if before is None else _memberships(part, before)
        moved += float(((new - old) ** 2).sum())
        new *= new
        weight += new.sum(axis=1)
        total += new @ part
    return moved**0.5, weight, total


def _parts(values: Float32) -> Iterator[tuple[Float64, Mask]]:
    for first in range(0, len(values), AT_ONCE):
        part = values[first : first + AT_ONCE].astype(np.float64)
        valid = ~np.isnan(part)
        yield part[valid], valid


def _start(random: np.random.RandomState, pixels: int, clusters: int) -> Float64:
    """(clusters, pixels): the published random memberships of the next pixels."""
    drawn = random.rand(pixels, clusters)
    memberships: Float64 = (drawn / drawn.sum(axis=1, keepdims=True)).T
    return memberships


def _memberships(values: Float64, centers: Float64) -> Float64:
    """(clusters, N) for N values: inverse squared distances, as shares of 1."""
    inverse: Float64 = values - centers[:, None]
    inverse *= inverse
    np.maximum(inverse, 1e-30, out=inverse)
    np.reciprocal(inverse, out=inverse)
    inverse /= inverse.sum(axis=0)
    return inverse
