"""Bootstrap intervals of means."""

import numpy as np
from numpy.typing import NDArray


def bootstrap_interval(
    values: NDArray[np.float64], *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Percentile interval of the mean of each column (Efron 1979): lower and upper ends, [M] each.

    `values` as in `bootstrap_means`. Same seed, same interval.
    """
    return interval_of(bootstrap_means(values, resamples, np.random.default_rng(seed)), level=level)


def interval_of(means: NDArray[np.float64], *, level: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper ends of what was drawn, [M] each, for `means` [resamples, M]."""
    tail = (1 - level) / 2
    low, high = np.nanquantile(means, [tail, 1 - tail], axis=0)
    return low, high


def bootstrap_means(values: NDArray[np.float64], resamples: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Means of each column over samples drawn with replacement, [resamples, M].

    values: [N samples, M metrics]; NaN: the metric does not apply to the sample, and its mean is over the others.
    The draw is the same for all columns; one without a sample that a metric applies to says nothing about it (NaN).
    Questions about one video count as independent (our choice).
    """
    count = len(values)
    applies = np.ascontiguousarray(~np.isnan(values.T), dtype=np.float64)
    columns = np.ascontiguousarray(np.nan_to_num(values.T))
    everywhere = bool(applies.all())
    means = np.empty((resamples, values.shape[1]))
    for index in range(resamples):
        drawn = generator.integers(0, count, count, dtype=np.uint32)
        times = np.bincount(drawn, minlength=count).astype(np.float64)
        # Not columns @ times: the threads that BLAS takes for it cost more than the sum, far more on a busy machine.
        own = count if everywhere else np.einsum("mn,n->m", applies, times)
        with np.errstate(invalid="ignore"):
            means[index] = np.einsum("mn,n->m", columns, times) / own
    return means
