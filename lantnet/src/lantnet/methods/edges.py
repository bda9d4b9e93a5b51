"""What a registration error makes of edges: log-ratio without change (our choice).

Where one date lies s pixels off the other, their log-ratio holds s times the gradient of the log-amplitude. Only an
edge that both dates show can do that, so the gradient is the smaller of theirs: the border of a change is in one date
only.
"""

import numpy as np
from scipy import ndimage

from lantnet.methods.calibration import WIDE_HALO
from lantnet.types import Float32

LEAST_ERROR, MOST_ERROR = 1.0, 4.0
"""Pixels: what co-registered dates may lie off each other; and from where on a gradient says nothing of a shift."""
BEYOND = 1.35
"""Times the measured shift: a gradient of smoothed edges tells too little of a shift as wide as the smoothing."""
OF_SPECKLE = 2.0
"""Mean squares of the gradient that speckle makes, taken off: it exceeds them in both dates in one pixel of 100."""
EDGE_HALO = WIDE_HALO + 1


def registration_error(shift: tuple[float, float] | None) -> float:
    """Pixels that edges are excused for. shift: (rows, columns), pixels, as measured between the dates, or None."""
    measured = 0.0 if shift is None else float(np.hypot(*shift))
    return max(LEAST_ERROR, min(BEYOND * measured, MOST_ERROR))


def explained(before: Float32, after: Float32, error: float, sigma: float, noise: float) -> Float32:
    """|log-ratio| that a registration error of `error` pixels may cause, (H, W), nepers.

    before, after: amplitudes (H, W). sigma: pixels, standard deviation of the log-ratio's smoothing; noise: nepers, its
    standard deviation. Of a date it is smaller by the root of 2, and that of a derivative by sigma and the root of 2.
    """
    squares = np.minimum(*(_squared_gradient(np.log(image + 1), sigma) for image in (before, after)))
    speckle = OF_SPECKLE * noise**2 / (2 * sigma**2)
    found: Float32 = np.float32(error) * np.sqrt(np.maximum(squares - np.float32(speckle), np.float32(0)))
    return found


def _squared_gradient(levels: Float32, sigma: float) -> Float32:
    smooth = ndimage.gaussian_filter(levels, sigma, mode="nearest", truncate=4.0)
    down, right = np.gradient(smooth)
    squares: Float32 = down**2 + right**2
    return squares
