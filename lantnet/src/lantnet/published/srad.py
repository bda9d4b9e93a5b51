"""Speckle-reducing anisotropic diffusion (SRAD): Yu and Acton 2002, in the discrete form that LANTNet publishes."""

import math

import numpy as np

from lantnet.types import Float32

ITERATIONS = 5
STEP = 0.15
RADIUS = 2 * ITERATIONS
"""Pixels of context that one output pixel depends on: each iteration reads a neighbor's coefficient,
which reads that neighbor's neighbors."""


def srad(image: Float32, *, iterations: int = ITERATIONS, step: float = STEP) -> Float32:
    """Smooth speckle, keep edges.

    image: (H, W), any unit that is >= 0 (amplitude, or a ratio); returns (H, W) in the same unit.
    Beyond its border the image is continued with its edge values. Where the published radicand is
    negative (it gives NaN there) it counts as 0.
    Source: arXiv 2208.04481, section II-A; constants from the authors' code.
    """
    speckle_scale = 1.0
    for _ in range(iterations):
        speckle_scale *= math.exp(-step)
        image = _diffuse(image, speckle_scale * speckle_scale, step)
    return image


def _diffuse(image: Float32, speckle_scale_squared: float, step: float) -> Float32:
    padded = np.pad(image, 2, mode="edge")
    center = padded[1:-1, 1:-1]
    left = padded[1:-1, :-2] - center
    right = padded[1:-1, 2:] - center
    up = padded[:-2, 1:-1] - center
    down = padded[2:, 1:-1] - center
    coefficient = _coefficient(center, (left, right, up, down), speckle_scale_squared)
    inner = (slice(1, -1), slice(1, -1))
    here = coefficient[inner]
    flow = coefficient[1:-1, :-2] * left[inner]
    flow += here * right[inner]
    flow += coefficient[2:, 1:-1] * down[inner]
    flow += here * up[inner]
    flow *= step / 4
    flow += image
    return flow


def _coefficient(
    center: Float32, differences: tuple[Float32, Float32, Float32, Float32], scale_squared: float
) -> Float32:
    """Diffusion coefficient from the local coefficient of variation, on the image with a frame of one pixel."""
    left, right, up, down = differences
    level = center + np.float32(1e-4)
    laplacian = np.zeros_like(center)
    laplacian[1:-1, 1:-1] = ((left + right) + (up + down))[1:-1, 1:-1]
    laplacian /= level
    variation = left * left
    for difference in (right, up, down):
        variation += difference * difference
    variation /= level * level
    variation *= 0.5
    variation -= laplacian * laplacian / 16
    np.maximum(variation, 0, out=variation)
    laplacian /= 4
    laplacian += 1
    laplacian *= laplacian
    laplacian += np.float32(0.01)
    variation /= laplacian
    variation -= scale_squared
    variation /= scale_squared * (1 + scale_squared)
    variation += 1
    coefficient: Float32 = np.reciprocal(variation, out=variation)
    return coefficient
