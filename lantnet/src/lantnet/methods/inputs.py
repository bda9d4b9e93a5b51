"""What the networks see of a pair: stages of a recipe."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from lantnet.methods.calibration import Calibration
from lantnet.published.prelabels import difference_image
from lantnet.published.srad import RADIUS as SRAD_RADIUS
from lantnet.scene.scene import View
from lantnet.types import Float32

DIFFERENCE_HALO = 2 * SRAD_RADIUS
"""The difference image reads images that were smoothed, and is smoothed itself."""


DIFFERENCE = "difference image"
"""What it is kept as."""


def difference_of(view: View) -> Float32:
    """The published difference image of a view: kept, where it was, else computed."""
    kept = view.kept.get(DIFFERENCE)
    return difference_image(view.before, view.after) if kept is None else kept


@dataclass(frozen=True)
class PublishedInputs:
    """Both images as they are, and their difference image; zeros beyond the scene (arXiv 2208.04481)."""

    channels: ClassVar[int] = 3
    halo: ClassVar[int] = DIFFERENCE_HALO
    border: ClassVar[Literal["constant", "reflect"]] = "constant"

    def images(self, view: View, calibration: Calibration) -> Float32:
        """(3, H, W)."""
        return np.stack([view.before, view.after, difference_of(view)])


@dataclass(frozen=True)
class Dates:
    """Both dates, the shift between them taken out: log-amplitudes of mean 0 and deviation 1, or plain amplitudes.

    Not the difference image: labels come from it, and a network that saw it would only learn their threshold.
    """

    normalized: bool = True
    channels: ClassVar[int] = 2
    halo: ClassVar[int] = 0
    border: ClassVar[Literal["constant", "reflect"]] = "reflect"

    def images(self, view: View, calibration: Calibration) -> Float32:
        """(2, H, W)."""
        if self.normalized:
            return calibration.normalized(view.before, view.after)
        return np.stack([view.before, calibration.aligned(view.after)])
