"""Arrays as images of a scene."""

import numpy as np

from lantnet.scene.source import ArraySource


def array_source(values: np.ndarray, name: str = "image") -> ArraySource:
    return ArraySource(values, name)
