"""Do the values of an image behave like radar amplitude: not clipped, not stretched from decibels, in the right scale
(our choice of tests)?

Speckle multiplies: on even ground the deviation of amplitudes grows with their mean, in proportion. On a picture that
was stretched from decibels it is the same everywhere. And a single look, the most speckle there is, has a deviation of
.52 of the mean amplitude; more than that on even ground means that power was read as amplitude, or decibels as power.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lantnet.types import Float32, Float64, Mask

SIDE = 7
"""Pixels a side of the squares whose mean and deviation are compared."""
EVEN = 0.25
"""Share of the squares of one brightness that counts as even ground: those of least deviation."""
MULTIPLIES = 0.25
"""Exponent with which the deviation grows with the mean below which the values are no amplitude: 1 is speckle, 0 dB."""
RANGE = 1.2
"""Ratio of bright to dark ground below which the exponent is not measured."""
SINGLE_LOOK = 0.5227
ONE_VALUE = 0.02
"""Share of an image that may be exactly its least or its greatest value."""


@dataclass(frozen=True)
class Values:
    """clipped_low, clipped_high: share of pixels that are exactly the least, the greatest value. exponent: with which
    deviation grows with brightness on even ground (1: amplitude), or None where all ground is equally bright.
    variation: deviation over mean on even ground."""

    clipped_low: float
    clipped_high: float
    exponent: float | None
    variation: float

    def remarks(self, name: str, scale: str) -> list[str]:
        notes = []
        for share, word, cause in (
            (self.clipped_low, "black", "least"),
            (self.clipped_high, "white", "greatest"),
        ):
            if share > ONE_VALUE:
                notes.append(
                    f"{100 * share:.1f} % of {name} is clipped {word} (exactly its {cause} value): changes within "
                    "it cannot be detected."
                )
        if self.exponent is not None and self.exponent < MULTIPLIES:
            notes.append(
                f"{name} looks stretched from decibels rather than like {scale}: its speckle is as strong on dark as "
                f"on bright ground (exponent {self.exponent:.2f}; amplitude has 1). Use the values before stretching, "
                "or --scale db."
            )
        elif self.variation > 1.3 * SINGLE_LOOK:
            notes.append(
                f"{name} varies more on homogeneous ground ({self.variation:.2f} of its mean) than a single look "
                f"can ({SINGLE_LOOK:.2f}): it may not be {scale}. Check --scale."
            )
        return notes


def examine_values(amplitudes: Sequence[Float32], valid: Sequence[Mask]) -> Values:
    """amplitudes, valid: blocks (H, W) of one image as it was read."""
    seen = np.concatenate([block[mask] for block, mask in zip(amplitudes, valid, strict=True)])
    low, high = (float((seen == value).mean()) for value in (seen.min(), seen.max()))
    mean, deviation = _squares(amplitudes, valid, float(seen.min()), float(seen.max()))
    exponent, variation = _even_ground(mean, deviation)
    return Values(round(low, 4), round(high, 4), exponent, variation)


def _squares(amplitudes: Sequence[Float32], valid: Sequence[Mask], low: float, high: float) -> tuple[Float64, Float64]:
    """Mean and deviation of squares without gaps and without clipped pixels."""
    found = []
    for block, mask in zip(amplitudes, valid, strict=True):
        rows, columns = (length // SIDE * SIDE for length in block.shape)
        good = mask & (block > low) & (block < high)
        cut = [
            np.asarray(values[:rows, :columns], np.float64)
            .reshape(rows // SIDE, SIDE, columns // SIDE, SIDE)
            .swapaxes(1, 2)
            .reshape(-1, SIDE * SIDE)
            for values in (block, good)
        ]
        found.append(cut[0][cut[1].all(axis=1)])
    squares = np.concatenate(found)
    return squares.mean(axis=1), squares.std(axis=1, ddof=1)


def _even_ground(mean: Float64, deviation: Float64) -> tuple[float | None, float]:
    """How deviation grows with the mean, over eight steps of brightness; and their ratio in the middle."""
    usable = (mean > 0) & (deviation > 0)
    mean, deviation = mean[usable], deviation[usable]
    if len(mean) < 80:
        return None, 0.0
    points = []
    for part in np.array_split(np.argsort(mean), 8):
        points.append((np.median(mean[part]), np.quantile(deviation[part], EVEN)))
    x, y = np.log(np.array(points)).T
    variation = round(float(np.median(np.exp(y - x))), 4)
    if x[-1] - x[0] < np.log(RANGE):
        return None, variation
    return round(float(np.polyfit(x, y, 1)[0]), 3), variation
