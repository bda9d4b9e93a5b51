"""Random numbers that depend on a position and a seed alone, so that windows of a scene agree."""

import numpy as np
from numpy.typing import NDArray


def scramble(key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64: neighboring keys get unrelated numbers."""
    key = key ^ (key >> np.uint64(30))
    key = key * np.uint64(0xBF58476D1CE4E5B9)
    key = key ^ (key >> np.uint64(27))
    key = key * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))
