"""Bootstrap intervals of means."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray


def bootstrap_interval(
    values: NDArray[np.float64],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    clusters: Sequence[Hashable] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Percentile interval of the mean of each column (Efron 1979): lower and upper ends, [M] each.

    `values` and `clusters` as in `bootstrap_means`. Same seed, same interval.
    """
    return interval_of(bootstrap_means(values, resamples, np.random.default_rng(seed), clusters), level=level)


def interval_of(means: NDArray[np.float64], *, level: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper ends of what was drawn, [M] each, for `means` [resamples, M]."""
    tail = (1 - level) / 2
    low, high = np.nanquantile(means, [tail, 1 - tail], axis=0)
    return low, high


def bootstrap_means(
    values: NDArray[np.float64],
    resamples: int,
    generator: np.random.Generator,
    clusters: Sequence[Hashable] | None = None,
) -> NDArray[np.float64]:
    """Means of each column over clusters of samples drawn with replacement, [resamples, M].

    values: [N samples, M metrics]; NaN: the metric does not apply to the sample, and its mean is over the others.
    clusters: what each sample belongs to, such as its video; whole clusters are drawn (Field and Welsh 2007), since
    answers about one video go wrong together. None: every sample by itself.
    The draw is the same for all columns; one without a sample that a metric applies to says nothing about it (NaN).
    """
    applies = np.ascontiguousarray(~np.isnan(values.T), dtype=np.float64)
    columns = np.ascontiguousarray(np.nan_to_num(values.T))
    if clusters is not None:
        codes = {name: code for code, name in enumerate(dict.fromkeys(clusters))}
        of_sample = np.array([codes[name] for name in clusters])
        columns, applies = _summed(columns, of_sample, len(codes)), _summed(applies, of_sample, len(codes))
    count = columns.shape[1]
    means = np.empty((resamples, values.shape[1]))
    everywhere = clusters is None and bool(applies.all())
    for index in range(resamples):
        drawn = generator.integers(0, count, count, dtype=np.uint32)
        times = np.bincount(drawn, minlength=count).astype(np.float64)
        # Not columns @ times: the threads that BLAS takes for it cost more than the sum, far more on a busy machine.
        own = count if everywhere else np.einsum("mn,n->m", applies, times)
        with np.errstate(invalid="ignore"):
            means[index] = np.einsum("mn,n->m", columns, times) / own
    return means


def _summed(rows: NDArray[np.float64], codes: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """[M, N] -> [M, clusters]."""
    return np.stack([np.bincount(codes, weights=row, minlength=count) for row in rows])
