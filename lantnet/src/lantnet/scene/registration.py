"""How far one image lies off another: phase correlation, to a fraction of a pixel."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lantnet.types import Float32, Float64

LOW_PASS = 0.12
"""Cycles a pixel, standard deviation of the weight of frequencies: beyond it there is speckle, which two dates do not
share (our choice)."""
CLEAR_PEAK, FAR_PEAK = 8.0, 16.0
"""Heights of its ground above which a peak is one, within NEAR pixels and further out: somewhere in the block two
places that have nothing in common reach 12."""
NEAR = 3.0


def clear_shift(pairs: Iterable[tuple[Float32, Float32]]) -> tuple[tuple[float, float] | None, float]:
    """The shift of `phase_shift` where its peak is a clear one, else None; and the peak, 0 without any structure."""
    down, right, peak = phase_shift(pairs) or (0.0, 0.0, 0.0)
    clear = peak > (CLEAR_PEAK if np.hypot(down, right) <= NEAR else FAR_PEAK)
    return ((down, right) if clear else None), peak


def phase_shift(pairs: Iterable[tuple[Float32, Float32]]) -> tuple[float, float, float] | None:
    """(rows, columns, peak): by how much the second images lie down and right of the first, pixels.

    pairs: blocks (H, W) of one size, amplitudes >= 0; their correlations add up, so that blocks without structure do no
    harm. peak: of the correlation over the standard deviation of its surface. None where no block has any structure.
    Source: Kuglin and Hines 1975; the weight is ours.
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
    middle = [length // 2 for length in centered.shape]
    far = [(length - 1) // 2 - 1 for length in centered.shape]
    near = centered[middle[0] - far[0] : middle[0] + far[0] + 1, middle[1] - far[1] : middle[1] + far[1] + 1]
    down, right = (int(place) for place in np.unravel_index(int(near.argmax()), near.shape))
    row, column = middle[0] - far[0] + down, middle[1] - far[1] + right
    peak = float((near.max() - centered.mean()) / max(float(centered.std()), 1e-300))
    return (
        row - middle[0] + _vertex(centered[row - 1 : row + 2, column]),
        column - middle[1] + _vertex(centered[row, column - 1 : column + 2]),
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
