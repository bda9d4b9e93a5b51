"""Array types, so that a signature says what flows through it."""

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Labels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
