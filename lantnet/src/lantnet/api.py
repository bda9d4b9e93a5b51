"""The Python function for arrays."""

import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lantnet.detection import Options, Progress, detect_sources
from lantnet.errors import InputError
from lantnet.execution.executors import executor
from lantnet.results.maps import BRIGHTER, DARKER, NO_DATA, UNCHANGED, MemoryMaps
from lantnet.results.report import run_report
from lantnet.scene import alignment
from lantnet.scene.scale import Scale
from lantnet.scene.source import ArraySource, Source, plain
from lantnet.scene.xarrays import XarraySource, as_dataset, is_xarray, xarray_source
from lantnet.types import Float32, Labels, Mask

IN_MEMORY = 25_000_000
"""Pixels up to which what is computed on the way (24 bytes a pixel) stays in memory."""


@dataclass(frozen=True)
class Detection:
    """The result of `detect`, all arrays (H, W).

    mask: True if changed. probability: 0..1, NaN for no data. direction: 0 unchanged, 1 brighter, 2 darker, 255 no
    data. valid: True if both dates have data. report: settings, counts, notes, seconds.
    """

    mask: Mask
    probability: Float32
    direction: Labels
    valid: Mask
    report: dict[str, Any]
    _source: Source = field(repr=False)

    def to_dataset(self) -> Any:
        """An xarray.Dataset of mask, probability and direction with the coordinates of `before`, which must have been
        a DataArray. Flags follow the CF conventions."""
        if not isinstance(self._source, XarraySource):
            raise InputError("to_dataset needs coordinates: pass `before` as an xarray.DataArray.")
        flags = {
            "flag_values": np.array([UNCHANGED, BRIGHTER, DARKER], dtype=np.uint8),
            "flag_meanings": "unchanged brighter darker",
            "_FillValue": np.uint8(NO_DATA),
        }
        maps = {"mask": self.mask, "probability": self.probability, "direction": self.direction}
        return as_dataset(self._source, maps, {"direction": flags, "probability": {"units": "1"}})

    @property
    def confidence(self) -> Float32:
        """(H, W): the probability that the mask is right at a pixel, NaN for no data. Of the pixels with a confidence
        near .8, about eight in ten are right. It is below .5 in regions that were removed for their size."""
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
    align: alignment.Alignment | None = None,
    also: Sequence[tuple[ArrayLike, ArrayLike]] = (),
    workers: int = 1,
    dask: Any = None,
    progress: bool = False,
) -> Detection:
    """Detect what changed between two co-registered SAR images of the same place.

    before, after: (H, W) real numbers on one grid, as arrays or xarray.DataArrays: 8-bit gray levels, amplitude, linear
    power, or dB. `scale` ("8bit", "amplitude", "power", "db") declares which; None detects it from type and values and
    warns if they are ambiguous.
    Pixels that are NaN, equal to `nodata` or False in `valid` (H, W) are excluded. Changed regions of fewer than
    `min_pixels` pixels are removed; `threshold` is the probability above which a pixel counts as changed. The same seed
    gives the same result; `tile` (pixels) limits memory and does not change the result.
    `false_alarm`: share of unchanged pixels that speckle may cause to be reported (default recipe; None: .001).
    align: "measured" corrects the shift of `after` measured by phase correlation.
    also: (before, after) of further polarizations of both dates, on the same grid. A pixel counts as changed if any
    polarization says so, in the direction of the most certain one; each gets its share of the false alarm rate.
    workers, dask: local processes, or dask: "threads", "processes", the address of a scheduler, or a
    `distributed.Client`. The result does not depend on them.
    Raises InputError, whose message says what to do.
    """
    pairs: list[tuple[Source, Source]] = []
    notes: list[str] = []
    for number, images in enumerate([(before, after), *also], 1):
        first, second = (
            _source(image, date if number == 1 else f"{date} {number}", valid, nodata)
            for image, date in zip(images, ("before", "after"), strict=True)
        )
        if align is not None:
            second, words = alignment.align(first, second, align)
            notes += words
        pairs.append((first, second))
    first = pairs[0][0]
    maps = MemoryMaps(first.height, first.width)
    options = Options(recipe, seed, declared_scale(scale), min_pixels, None, threshold, tile, false_alarm)
    with executor(workers, dask) as runs, tempfile.TemporaryDirectory(prefix="lantnet-") as folder:
        files = Path(folder) if runs.apart or len(pairs) * first.height * first.width > IN_MEMORY else None
        outcome = detect_sources(pairs, maps, options, Progress(progress), runs, files)
    outcome.notes[:0] = notes
    for doubt in outcome.doubts:
        warnings.warn(doubt, stacklevel=2)
    direction = maps.directions
    mask = (direction != UNCHANGED) & (direction != NO_DATA)
    report = run_report(outcome, options)
    return Detection(mask, maps.probabilities, direction, direction != NO_DATA, report, first)


def declared_scale(name: str | None) -> Scale | None:
    if name is not None and name not in list(Scale):
        raise InputError(f"the scale must be one of {', '.join(Scale)}; got {name!r}.")
    return None if name is None else Scale(name)


def _source(image: ArrayLike, name: str, valid: Mask | None, nodata: float | None) -> Source:
    if is_xarray(image):
        source: Source = xarray_source(image, name, valid, nodata)
    else:
        values: NDArray[Any] = plain(np.asarray(image), name)
        source = ArraySource(values, name, valid=valid, nodata=nodata)
    if valid is not None and valid.shape != (source.height, source.width):
        raise InputError(
            f"`valid` must have the shape of the images; it has {valid.shape}, {name} {(source.height, source.width)}."
        )
    return source
