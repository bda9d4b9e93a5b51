"""A series of images of one place: what changed from date to date, then one account of every pixel."""

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from lantnet.detection import Options, Outcome, Progress, detect_sources
from lantnet.errors import InputError
from lantnet.execution.executors import Executor
from lantnet.methods.calibration import FINE, RATIO_HALO
from lantnet.results.cogs import RasterMaps, geotiff
from lantnet.results.maps import DARKER, NO_DATA, UNCHANGED
from lantnet.scene.rasters import GdalSource, open_raster
from lantnet.scene.scale import Scale, amplitude, measured
from lantnet.scene.source import Source
from lantnet.scene.windows import Window, tiles
from lantnet.series.timeline import Timeline, timeline
from lantnet.types import Float32

MAPS = ("date", "direction", "persistence", "confirmed", "changes")
MOST = 250
"""Dates: their numbers fit into a byte."""


@dataclass
class SeriesOutcome:
    """What a run found out besides its maps. dates: ISO 8601, in order. pairs: of neighboring dates. counts: pixels
    that changed at each date (from the second), and how many of them a later date confirms."""

    dates: list[str]
    pairs: list[Outcome]
    changed: list[int] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)


def in_order(images: Sequence[Source], dates: Sequence[str] | None) -> tuple[list[Source], list[str]]:
    """Images sorted by date; the dates as given, or as the images say."""
    if len(images) < 3 or len(images) > MOST:
        raise InputError(f"a series has 3 to {MOST} images; got {len(images)}. For two dates use detect.")
    if dates is not None and len(dates) != len(images):
        raise InputError(f"there must be one date per image; got {len(dates)} dates and {len(images)} images.")
    known: list[str] = []
    for number, image in enumerate(images):
        date = dates[number] if dates is not None else image.date
        if not date:
            raise InputError(
                f"the date of {image.name} is unknown: neither its tags nor its name contain one; pass --dates "
                "with one date per image, such as 2024-01-31,2024-02-12."
            )
        known.append(date)
    order = sorted(range(len(images)), key=lambda number: known[number])
    ordered = [known[number] for number in order]
    for first, second in pairwise(ordered):
        if first == second:
            raise InputError(f"the dates of a series must differ; {first} occurs twice.")
    return [images[number] for number in order], ordered


def detect_series(
    images: Sequence[Source],
    dates: list[str],
    folder: Path,
    options: Options,
    progress: Progress,
    executor: Executor,
) -> SeriesOutcome:
    """Write date.tif, direction.tif, persistence.tif, confirmed.tif, changes.tif and codes.tif (see `code_of`) into
    `folder`, not yet cloud-optimized. images: in order of their dates, on one grid."""
    first = images[0]
    if executor.apart:
        images = [image.portable(folder) for image in images]
    outcomes, directions, shifts = [], [], [0.0]
    for number, (before, after) in enumerate(pairwise(images)):
        work = folder / f"pair-{number + 1}"
        work.mkdir()
        with RasterMaps(work, first.height, first.width, None) as maps:
            outcome = detect_sources([(before, after)], maps, options, progress, executor, work)
        outcomes.append(outcome)
        shifts.append(shifts[-1] + outcome.shift)
        directions.append(open_raster(str(work / "direction.tif"), f"what changed at {dates[number + 1]}", None, None))
    scales = {outcome.scene.scale for outcome in outcomes}
    if len(scales) > 1:
        raise InputError(
            f"all images must have the same scale; these look like {', '.join(sorted(scales))}. Set --scale."
        )
    scene = outcomes[0].scene
    account = Account(tuple(images), tuple(directions), scene.scale, scene.factor, tuple(shifts))
    result = SeriesOutcome(dates, outcomes, [0] * (len(dates) - 1), [0] * (len(dates) - 1))
    windows = tiles(first.height, first.width, max(int(options.tile / math.sqrt(len(images) / 2)), 64))
    writers = {
        name: geotiff(folder / f"{name}.tif", first.height, first.width, dtype, nodata, first.georeference)
        for name, dtype, nodata in [*((name, "uint8", NO_DATA) for name in MAPS), ("codes", "uint16", 0)]
    }
    accounts = executor.each(account, windows)
    for window, found in zip(progress.track(windows, "series"), accounts, strict=True):
        for name, values in zip(MAPS, astuple(found), strict=True):
            writers[name].write(values, 1, window=window.slices)
        writers["codes"].write(code_of(found), 1, window=window.slices)
        for number in range(1, len(dates)):
            here = found.date == number
            result.changed[number - 1] += int(here.sum())
            result.confirmed[number - 1] += int((here & (found.confirmed > 0)).sum())
    for writer in writers.values():
        writer.close()
    return result


@dataclass(frozen=True)
class Account:
    """The timeline of a window, from all images and from what changed between neighbors."""

    images: tuple[Source, ...]
    directions: tuple[GdalSource, ...]
    scale: Scale
    factor: float
    shifts: tuple[float, ...]
    """Nepers that each date differs by from the first without change."""

    def __call__(self, window: Window) -> Timeline:
        found = []
        for source in self.directions:
            values, valid = source.read(window)
            found.append(valid & (values != UNCHANGED))
        return timeline(np.stack(found), np.stack([self._level(number, window) for number in range(len(self.images))]))

    def _level(self, number: int, window: Window) -> Float32:
        """ln(amplitude + 1) of an image, smoothed over what is measured; NaN where it is not."""
        source = self.images[number]
        outer = window.grow(RATIO_HALO, source.height, source.width)
        values, valid = source.read(outer)
        valid &= measured(values, self.scale)
        levels = np.log1p(amplitude(np.where(valid, values, np.float32(0)), self.scale) * np.float32(self.factor))
        weight, total = (
            ndimage.gaussian_filter(part.astype(np.float32), FINE, mode="nearest", truncate=4.0)
            for part in (valid, np.where(valid, levels, 0))
        )
        smooth = total / np.maximum(weight, np.float32(1e-6)) - np.float32(self.shifts[number])
        level: Float32 = window.cut(np.where(valid, smooth, np.float32(np.nan)), outer).astype(np.float32)
        return level


def code_of(found: Timeline) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """One number for what a polygon is told by: 4 date + 2 (direction is DARKER) + (a later date confirms it)."""
    told = (found.date > 0) & (found.date != NO_DATA)
    code = 4 * found.date.astype(np.uint16) + 2 * (found.direction == DARKER) + (found.confirmed > 0)
    return np.where(told, code, 0).astype(np.uint16)


def told_by(dates: Sequence[str]) -> dict[int, dict[str, Any]]:
    """What polygons of each code are told by."""
    return {
        4 * number + 2 * darker + sure: {
            "date": dates[number],
            "before": dates[number - 1],
            "direction": "darker" if darker else "brighter",
            "confirmed": "yes" if sure else "no",
        }
        for number in range(1, len(dates))
        for darker in (0, 1)
        for sure in (0, 1)
    }
