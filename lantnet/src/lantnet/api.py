"""The Python function for arrays."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lantnet.detection import Options, Progress, detect_bands
from lantnet.errors import InputError
from lantnet.results.maps import NO_DATA, UNCHANGED, MemoryMaps
from lantnet.results.report import run_report
from lantnet.scene.bands import ArrayBand, plain
from lantnet.scene.scale import Scale
from lantnet.types import Float32, Labels, Mask


@dataclass(frozen=True)
class Detection:
    """The result of `detect`, all arrays (H, W).

    mask: True where changed. probability: 0..1, NaN without data. direction: 0 unchanged, 1 brighter,
    2 darker, 255 no data. valid: where both dates hold data. report: settings, counts, notes, seconds.
    """

    mask: Mask
    probability: Float32
    direction: Labels
    valid: Mask
    report: dict[str, Any]

    @property
    def confidence(self) -> Float32:
        """(H, W): the probability that the mask is right at a pixel, NaN without data. Of the pixels with a confidence
        near .8 about eight in ten are right; below .5 lie regions that were dropped for their size."""
        return np.where(self.mask, self.probability, 1 - self.probability).astype(np.float32)


def detect(
    before: ArrayLike,
    after: ArrayLike,
    *,
    recipe: str = "default",
    seed: int = 0,
    scale: str | None = None,
    valid: Mask | None = None,
    nodata: float | None = None,
    min_pixels: int = 21,
    threshold: float = 0.5,
    tile: int = 1024,
    false_alarm: float | None = None,
    progress: bool = False,
) -> Detection:
    """Find what changed between two co-registered SAR images of one place.

    before, after: (H, W) real numbers on one grid: 8-bit grey levels, amplitude, linear power, or dB; `scale`
    ("8bit", "amplitude", "power", "db") declares which, None detects it from type and values. Pixels that are
    NaN, equal to `nodata` or False in `valid` (H, W) are left out. Changed regions of fewer than `min_pixels`
    pixels are dropped; `threshold` is the probability above which a pixel counts as changed. The same seed gives
    the same result; `tile` (pixels) bounds the memory and does not change the result.
    `false_alarm`: share of pixels that speckle alone may call changed (default recipe; None: .001).
    Errors: InputError with what to do about it.
    """
    first = _band(before, "before", valid, nodata)
    second = _band(after, "after", valid, nodata)
    maps = MemoryMaps(first.height, first.width)
    options = Options(recipe, seed, declared_scale(scale), min_pixels, None, threshold, tile, false_alarm)
    outcome = detect_bands(first, second, maps, options, Progress(progress))
    direction = maps.directions
    mask = (direction != UNCHANGED) & (direction != NO_DATA)
    return Detection(mask, maps.probabilities, direction, direction != NO_DATA, run_report(outcome, options))


def declared_scale(name: str | None) -> Scale | None:
    if name is not None and name not in list(Scale):
        raise InputError(f"the scale must be one of {', '.join(Scale)}; {name!r} was given.")
    return None if name is None else Scale(name)


def _band(image: ArrayLike, name: str, valid: Mask | None, nodata: float | None) -> ArrayBand:
    values: NDArray[Any] = plain(np.asarray(image), name)
    if valid is not None and valid.shape != values.shape:
        raise InputError(f"`valid` must have the shape of the images; it has {valid.shape}, {name} {values.shape}.")
    return ArrayBand(values, name, valid=valid, nodata=nodata)
