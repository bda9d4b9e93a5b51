"""Do two images show the same place, and does one lie shifted against the other (our choice of method)?

Read from a sample of blocks, so the cost does not grow with the scene. The shift is that of phase correlation
(registration.py); change and speckle only raise the ground that its peak stands on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from lantnet.scene.registration import clear_shift
from lantnet.scene.scene import FILL, Scene, View
from lantnet.scene.windows import Window
from lantnet.types import Float32

BLOCK, BLOCKS = 256, 4
"""Pixels a side of a block, and at most so many of them to a side of the scene."""
NOTABLE = 0.4
"""Pixels from which a shift is worth telling."""
SMOOTH, APART = 2.0, 8
"""Pixels of smoothing, and after which an image is compared with itself to see whether it shows structure."""
STRUCTURE, COMMON = 0.25, 0.5
"""Both images must resemble themselves so much; and less than this share of it in common means another place."""


@dataclass(frozen=True)
class Pairing:
    """correlation: of the smoothed log-amplitudes of both dates, -1..1. structure: the lesser of what each image has
    with itself 8 pixels on. shift: (rows, columns), pixels, that the second image lies further down and right, or None
    where no peak is clear; peak: its height above its ground."""

    correlation: float
    structure: float
    shift: tuple[float, float] | None
    peak: float

    @property
    def belongs(self) -> bool | None:
        """Whether both show one place; None where they hold too little structure to tell."""
        if self.shift is not None:
            return True
        if self.structure < STRUCTURE:
            return None
        return self.correlation > COMMON * self.structure

    def remarks(self) -> list[str]:
        if self.belongs is False:
            return [
                f"The two images have almost nothing in common (correlation {self.correlation:.2f}): they may show "
                "different places, or one may be rotated or mirrored. Check the files before using the result."
            ]
        if self.shift is None or np.hypot(*self.shift) < NOTABLE:
            return []
        rows, columns = self.shift
        return [
            f"The second image appears to be shifted {abs(rows):.1f} pixels {'down' if rows > 0 else 'up'} and "
            f"{abs(columns):.1f} pixels {'right' if columns > 0 else 'left'} relative to the first. The default recipe "
            "counts edges as change only beyond the effect of a shift of up to 4 pixels, so it detects less along "
            "edges. Co-register the images, or correct the measured shift (--align measured; in Python "
            'align="measured") and compare the two maps.'
        ]


def sample_blocks(scene: Scene) -> list[View]:
    """Up to 16 equally large blocks, spread evenly over the scene."""
    height, width = min(BLOCK, scene.height), min(BLOCK, scene.width)
    tops, lefts = (_starts(length, size) for length, size in ((scene.height, height), (scene.width, width)))
    views = []
    for top in tops:
        for left in lefts:
            window = Window(top, left, height, width)
            outer = window.grow(FILL, scene.height, scene.width)
            view = scene.read(outer)
            before, after, valid = (window.cut(values, outer) for values in (view.before, view.after, view.valid))
            views.append(View(before, after, valid))
    return [view for view in views if view.valid.mean() > 0.5] or views


def examine_pairing(views: Sequence[View]) -> Pairing:
    """views: equally large blocks of a scene."""
    pairs = [(_flat(view.before), _flat(view.after)) for view in views]
    found, peak = clear_shift((view.before, view.after) for view in views)
    shift = found and (round(found[0], 3), round(found[1], 3))
    first, second = ([ndimage.gaussian_filter(date, SMOOTH) for date in dates] for dates in zip(*pairs, strict=True))
    correlation = _correlation(list(zip(first, second, strict=True)))
    structure = min(_correlation([(date[:, :-APART], date[:, APART:]) for date in dates]) for dates in (first, second))
    return Pairing(round(correlation, 4), round(structure, 4), shift, round(peak, 2))


def _flat(image: Float32) -> Float32:
    """Log-amplitude without its mean; single bright points do not outweigh the land."""
    values = np.log1p(image)
    low, high = np.quantile(values, [0.005, 0.995])
    values = np.clip(values, low, high)
    flat: Float32 = values - values.mean()
    return flat


def _correlation(pairs: Sequence[tuple[Float32, Float32]]) -> float:
    products = [[(a * b).sum(), (a * a).sum(), (b * b).sum()] for a, b in pairs]
    sums = np.array(products, dtype=np.float64).sum(axis=0)
    return float(sums[0] / np.sqrt(sums[1] * sums[2])) if sums[1] * sums[2] > 0 else 0.0


def _starts(length: int, size: int) -> list[int]:
    count = min(max(length // size, 1), BLOCKS)
    return [int(start) for start in np.linspace(0, length - size, count)]
