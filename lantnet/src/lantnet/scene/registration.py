"""How far one image lies off another: phase correlation, to a fraction of a pixel."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lantnet.types import Float32, Float64

LOW_PASS = 0.12
"""Cycles a pixel, standard deviation of the weight of frequencies: beyond it there is speckle, which two dates do not
share (our choice)."""
REACH = 16
"""Pixels to every side in which a shift is looked for."""


def phase_shift(pairs: Iterable[tuple[Float32, Float32]]) -> tuple[float, float, float] | None:
    """(rows, columns, peak): by how much the second images lie down and right of the first, pixels.

    pairs: blocks (H, W) of one size, amplitudes >= 0; their correlations add up, so that blocks without structure do no
    harm. peak: of the correlation over the standard deviation of its surface; below about 6 nothing was found. None
    where no block has any structure. Source: Kuglin and Hines 1975; the weight is ours.
    """
    surface: NDArray[np.float64] | None = None
    for before, after in pairs:
        first, second = (_spectrum(image) for image in (before, after))
        cross: NDArray[np.complex128] = first.conj() * second
        size: Float64 = np.abs(cross)
        if not size.max() > 1e-6:
            continue
        phase = np.where(size > 1e-12 * size.max(), cross / np.maximum(size, 1e-300), 0)
        correlation: Float64 = np.fft.ifft2(phase * _weight(before.shape)).real
        surface = correlation if surface is None else surface + correlation
    if surface is None:
        return None
    centered = np.fft.fftshift(surface)
    middle = tuple(length // 2 for length in centered.shape)
    reach = tuple(min(REACH, length // 2 - 2) for length in centered.shape)
    near = centered[middle[0] - reach[0] : middle[0] + reach[0] + 1, middle[1] - reach[1] : middle[1] + reach[1] + 1]
    row, column = np.unravel_index(int(near.argmax()), near.shape)
    peak = float((near.max() - centered.mean()) / max(float(centered.std()), 1e-300))
    return (
        int(row) - reach[0] + _vertex(centered[middle[0] - reach[0] + row - 1 :, middle[1] - reach[1] + column][:3]),
        int(column) - reach[1] + _vertex(centered[middle[0] - reach[0] + row, middle[1] - reach[1] + column - 1 :][:3]),
        peak,
    )


def _spectrum(image: Float32) -> NDArray[np.complex128]:
    """Of the log-amplitude, its trend taken out, faded to its borders."""
    levels = np.log1p(image.astype(np.float64))
    levels -= ndimage.uniform_filter(levels, 31, mode="nearest")
    rows, columns = (np.hanning(length + 2)[1:-1] for length in image.shape)
    spectrum: NDArray[np.complex128] = np.fft.fft2(levels * rows[:, None] * columns)
    return spectrum


def _weight(shape: tuple[int, ...]) -> Float64:
    rows, columns = (np.fft.fftfreq(length) for length in shape)
    weight: Float64 = np.exp(-(rows[:, None] ** 2 + columns**2) / (2 * LOW_PASS**2))
    return weight


def _vertex(three: Float64) -> float:
    """Where the parabola through three neighboring values has its top, from the middle one; through their logarithms,
    as the peak is a Gaussian."""
    if three.min() <= 0:
        left, middle, right = three
    else:
        left, middle, right = np.log(three)
    bend = left - 2 * middle + right
    return 0.0 if bend >= 0 else float(np.clip((left - right) / (2 * bend), -0.5, 0.5))
