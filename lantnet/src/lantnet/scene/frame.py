"""The frame around a scene that holds no ground."""

from dataclasses import dataclass

import numpy as np

from lantnet.scene.windows import Window
from lantnet.types import Int64, Mask


@dataclass(frozen=True)
class Frame:
    """How many pixels of border noise each row has from the left and right, each column from the top and bottom."""

    left: Int64
    right: Int64
    top: Int64
    bottom: Int64

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.left), len(self.top)

    def inside(self, window: Window) -> Mask:
        """(H, W) of a window: True where it is not border noise."""
        height, width = self.shape
        rows, columns = window.slices
        y, x = np.arange(height)[rows, None], np.arange(width)[None, columns]
        level = (x >= self.left[rows, None]) & (x < width - self.right[rows, None])
        upright = (y >= self.top[None, columns]) & (y < height - self.bottom[None, columns])
        found: Mask = level & upright
        return found
