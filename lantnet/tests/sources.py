"""Arrays as images of a scene."""

import numpy as np

from lantnet.scene.bands import ArrayBand


def array_source(values: np.ndarray, name: str = "image") -> ArrayBand:
    return ArrayBand(values, name)
