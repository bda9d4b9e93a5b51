"""Bootstrap intervals of means."""

import numpy as np
from numpy.typing import NDArray


def bootstrap_interval(
    values: NDArray[np.float64], *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Percentile interval of the mean of each column (Efron 1979).

    values: [N samples, M metrics]. Returns lower and upper ends, [M] each. Samples are drawn with replacement,
    the same draw for all columns; questions about one video count as independent (our choice). Same seed, same
    interval.
    """
    count = len(values)
    columns = np.ascontiguousarray(values.T)
    generator = np.random.default_rng(seed)
    means = np.empty((resamples, values.shape[1]))
    for index in range(resamples):
        drawn = generator.integers(0, count, count, dtype=np.uint32)
        times = np.bincount(drawn, minlength=count).astype(np.float64)
        # Not columns @ times: the threads that BLAS takes for it cost more than the sum, far more on a busy machine.
        means[index] = np.einsum("mn,n->m", columns, times) / count
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return low, high
