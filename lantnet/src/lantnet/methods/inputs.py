"""What the networks see of a pair: stages of a recipe."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from lantnet.methods.calibration import Calibration
from lantnet.published.prelabels import difference_image
from lantnet.published.srad import RADIUS as SRAD_RADIUS
from lantnet.types import Float32

DIFFERENCE_HALO = 2 * SRAD_RADIUS
"""The difference image reads images that were smoothed, and is smoothed itself."""


@dataclass(frozen=True)
class PublishedInputs:
    """Both images as they are, and their difference image; zeros beyond the scene (arXiv 2208.04481)."""

    channels: ClassVar[int] = 3
    halo: ClassVar[int] = DIFFERENCE_HALO
    border: ClassVar[Literal["constant", "reflect"]] = "constant"

    def images(self, before: Float32, after: Float32, calibration: Calibration) -> Float32:
        """(3, H, W)."""
        return np.stack([before, after, difference_image(before, after)])


@dataclass(frozen=True)
class Dates:
    """Both dates, the shift between them taken out: log-amplitudes of mean 0 and deviation 1, or plain amplitudes.

    Not the difference image: labels come from it, and a network that saw it would only learn their threshold.
    """

    normalised: bool = True
    channels: ClassVar[int] = 2
    halo: ClassVar[int] = 0
    border: ClassVar[Literal["constant", "reflect"]] = "reflect"

    def images(self, before: Float32, after: Float32, calibration: Calibration) -> Float32:
        """(2, H, W)."""
        if self.normalised:
            return calibration.normalised(before, after)
        return np.stack([before, calibration.aligned(after)])
