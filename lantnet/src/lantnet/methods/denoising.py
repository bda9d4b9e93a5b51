"""Total-variation denoising: areas become flat, their borders stay sharp (Rudin, Osher and Fatemi 1992).

Solved by the dual projection of Chambolle (2004), in a fixed number of steps, each of which reads the next pixel: so
windows with a halo of STEPS pixels give what the whole scene gives.
"""

import numpy as np

from lantnet.types import Float32

STEPS = 30
TAU = np.float32(0.24)
"""Step of the dual ascent: below 1/4 it converges."""


def total_variation(image: Float32, weight: float) -> Float32:
    """The (H, W) image u that makes |u - image|^2 / 2 + weight * sum |gradient of u| small; unit of the image."""
    weight32 = np.float32(weight)
    rows, columns = np.zeros_like(image), np.zeros_like(image)
    if weight <= 0:
        return image
    target = image / weight32
    down, right = np.zeros_like(image), np.zeros_like(image)
    for _ in range(STEPS):
        residual = _divergence(rows, columns)
        residual -= target
        np.subtract(residual[1:], residual[:-1], out=down[:-1])
        np.subtract(residual[:, 1:], residual[:, :-1], out=right[:, :-1])
        length = np.sqrt(down * down + right * right)
        length *= TAU
        length += 1
        for dual, gradient in ((rows, down), (columns, right)):
            dual += TAU * gradient
            dual /= length
    smooth: Float32 = image - weight32 * _divergence(rows, columns)
    return smooth


def _divergence(rows: Float32, columns: Float32) -> Float32:
    """Of a field of vectors (backward differences, nothing flows in over the border)."""
    total = rows + columns
    total[1:] -= rows[:-1]
    total[:, 1:] -= columns[:, :-1]
    return total
