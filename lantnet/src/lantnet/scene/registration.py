"""How far one image lies off another: phase correlation, to a fraction of a pixel."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lantnet.types import Float32, Float64

LOW_PASS = 0.12
"""Cycles a pixel, standard deviation of the weight of frequencies: beyond it there is speckle, which two dates do not
share (our choice)."""
NEAR, NEAR_PEAK, FAR_PEAK = 3.0, 8.0, 16.0
"""Pixels, and heights of its ground above which a peak is one, within NEAR and further out: two places that have
nothing in common reach 6 nearby, 12 somewhere in the block."""
SMOOTH = 2.0
"""Pixels of smoothing, against speckle, before two dates are laid upon each other."""


def clear_shift(pairs: Iterable[tuple[Float32, Float32]]) -> tuple[tuple[float, float] | None, float]:
    """By how many pixels (rows, columns) the second images lie down and right of the first, or None where no peak of
    the phase correlation is a clear one; and the peak's height, standard deviations of the surface.

    pairs: blocks (H, W) of one size, amplitudes >= 0; their correlations add up, so that blocks without structure do no
    harm. A clear peak nearby comes first, and one far away counts only where the dates, so shifted, resemble each other
    more than as they lie: a river that widens matches its own borders far away.
    """
    pairs = list(pairs)
    surface = _surface(pairs)
    if surface is None:
        return None, 0.0
    middle = np.array(surface.shape) // 2
    near = surface.copy()
    near[np.hypot(*(axis - m for axis, m in zip(np.indices(surface.shape), middle, strict=True))) > NEAR] = 0
    place = _highest(near)
    if near[place] > NEAR_PEAK:
        return _refined(surface, place), float(near[place])
    place = _highest(surface)
    row, column = (int(there - m) for there, m in zip(place, middle, strict=True))
    clear = surface[place] > FAR_PEAK and _resemblance(pairs, row, column) > _resemblance(pairs, 0, 0)
    return (_refined(surface, place) if clear else None), float(surface[place])


def _resemblance(pairs: Sequence[tuple[Float32, Float32]], down: int, right: int) -> float:
    """Correlation of the smoothed log-amplitudes, the second images `down` and `right` of the first, pixels."""
    seen: list[list[Float64]] = [[], []]
    for pair in pairs:
        for here, image, sign in zip(seen, pair, (-1, 1), strict=True):
            levels = ndimage.gaussian_filter(np.log1p(image.astype(np.float64)), SMOOTH)
            rows, columns = (_part(n, sign * by) for n, by in zip(image.shape, (down, right), strict=True))
            here.append(levels[rows, columns].ravel())
    first, second = (np.concatenate(here) - np.concatenate(here).mean() for here in seen)
    return float((first * second).sum() / max(np.sqrt((first**2).sum() * (second**2).sum()), 1e-300))


def _part(length: int, start: int) -> slice:
    return slice(max(start, 0), length + min(start, 0))


def _surface(pairs: Iterable[tuple[Float32, Float32]]) -> Float64 | None:
    """The phase correlation of all pairs, no shift in its middle, in its standard deviations; None without structure.

    Source: Kuglin and Hines 1975; the weight is ours.
    """
    surface: Float64 | None = None
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
    centered: Float64 = np.fft.fftshift(surface)
    scaled: Float64 = (centered - centered.mean()) / max(float(centered.std()), 1e-300)
    return scaled


def _highest(surface: Float64) -> tuple[int, int]:
    """Of all but the outermost places, whose neighbors are not all known."""
    row, column = np.unravel_index(int(surface[2:-2, 2:-2].argmax()), [length - 4 for length in surface.shape])
    return int(row) + 2, int(column) + 2


def _refined(surface: Float64, place: tuple[int, int]) -> tuple[float, float]:
    """The top of a peak, pixels from the middle, to a fraction of one."""
    row, column = place
    middle = [length // 2 for length in surface.shape]
    return (
        row - middle[0] + _vertex(surface[row - 1 : row + 2, column]),
        column - middle[1] + _vertex(surface[row, column - 1 : column + 2]),
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
