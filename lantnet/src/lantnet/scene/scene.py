"""Two co-registered images as one scene of 8-bit-like amplitudes, read in windows."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from lantnet.errors import InputError
from lantnet.scene.bands import Band
from lantnet.scene.frame import Frame
from lantnet.scene.georeference import Georeference, check_same_grid
from lantnet.scene.scale import (
    TYPICAL_AMPLITUDE,
    Look,
    Scale,
    amplitude,
    amplitude_histogram,
    detect_scale,
    measured,
    median_amplitude,
)
from lantnet.scene.windows import Window, tiles
from lantnet.types import Float32, Mask

SMALLEST = 16
"""Pixels a side: below that the neighbourhoods of the method hold nothing but border."""
FILL = 4
"""How far pixels without data are filled from their neighbours; their halo."""

Track = Callable[[Iterable[Window], str], Iterable[Window]]
"""Passes windows on and shows how far a pass has come."""


@dataclass(frozen=True)
class View:
    """A window of a scene: amplitudes (H, W) of both dates without gaps, and where both were measured."""

    before: Float32
    after: Float32
    valid: Mask


@dataclass
class Scene:
    """Reads windows of both images, converted to amplitude times `factor`."""

    before: Band
    after: Band
    scale: Scale
    scale_source: str
    factor: float
    median: float
    """Of the amplitudes of both dates together, times the factor: what stands in for missing pixels."""
    valid_pixels: int
    notes: list[str] = field(default_factory=list)
    frame: Frame | None = None
    """Border noise, which counts as no data."""

    @property
    def height(self) -> int:
        return self.before.height

    @property
    def width(self) -> int:
        return self.before.width

    @property
    def georeference(self) -> Georeference | None:
        return self.before.georeference

    def read(self, window: Window) -> View:
        """Amplitudes of a window. Gaps are filled from within FILL pixels, beyond that with the scene's median
        in both dates alike, so that they show no change; ask for FILL pixels of halo more than you need."""
        (before, here), (after, there) = (self._amplitude(band, window) for band in (self.before, self.after))
        valid = here & there
        if self.frame is not None:
            valid &= self.frame.inside(window)
        return View(self._filled(before, valid), self._filled(after, valid), valid)

    def _amplitude(self, band: Band, window: Window) -> tuple[Float32, Mask]:
        values, valid = band.read(window)
        valid &= measured(values, self.scale)
        values = np.where(valid, values, np.float32(0))
        return amplitude(values, self.scale) * np.float32(self.factor), valid

    def _filled(self, values: Float32, valid: Mask) -> Float32:
        if valid.all():
            return values
        values = np.where(valid, values, np.float32(0))
        known = valid.astype(np.float32)
        for _ in range(FILL):
            total, count = _neighbours(values), _neighbours(known)
            grown = (known == 0) & (count > 0)
            values = np.where(grown, total / np.maximum(count, 1), values)
            known = np.where(grown, np.float32(1), known)
        return np.where(known > 0, values, np.float32(self.median)).astype(np.float32)


def _neighbours(values: Float32) -> Float32:
    """Sum over each pixel's 3x3 neighbourhood; always added up in the same order, whatever the window."""
    padded = np.pad(values, 1)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    total: Float32 = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    return total


def open_scene(before: Band, after: Band, *, scale: Scale | None, tile: int, track: Track) -> Scene:
    """Check that two bands can be compared, settle their scale, and survey their values in one or two passes."""
    check_same_grid(before, after)
    height, width = before.height, before.width
    if min(height, width) < SMALLEST:
        raise InputError(
            f"images must be at least {SMALLEST} x {SMALLEST} pixels; these are {width} x {height} (width x height)."
        )
    walk = tiles(height, width, tile)
    source = "declared"
    if scale is None:
        scale, source = _detected(before, after, walk, track), "detected"
    scene = Scene(before, after, scale, source, 1.0, 0.0, 0)
    counts = np.zeros(1, dtype=np.int64)
    zeros = [0, 0]
    for window in track(walk, "survey"):
        (first, here), (second, there) = (scene._amplitude(band, window) for band in (before, after))
        valid = here & there
        scene.valid_pixels += int(valid.sum())
        counts = counts + amplitude_histogram(first[valid]) + amplitude_histogram(second[valid])
        zeros[0] += int((valid & (first == 0)).sum())
        zeros[1] += int((valid & (second == 0)).sum())
    if not scene.valid_pixels:
        raise InputError(
            f"no pixel holds data in both {before.name} and {after.name} (scale {scale}). Check the files, the "
            "nodata value and whether the two overlap."
        )
    scene.median = median_amplitude(counts)
    if scale is not Scale.EIGHT_BIT and scene.median > 0:
        scene.factor = TYPICAL_AMPLITUDE / scene.median
        scene.median = TYPICAL_AMPLITUDE
    scene.notes += _remarks(scene, zeros)
    return scene


def _detected(before: Band, after: Band, walk: list[Window], track: Track) -> Scale:
    found = []
    for band in (before, after):
        look = Look()
        if band.dtype not in ("uint8", "bool"):
            for window in track(walk, "scale"):
                look.add(*band.read(window))
            if not look.valid:
                raise InputError(f"{band.name} holds no data: every pixel is nodata or not a finite number.")
        found.append(detect_scale(band.dtype, look, band.name))
    if found[0] is not found[1]:
        raise InputError(
            f"both images must be on one scale; {before.name} looks like {found[0]}, {after.name} like {found[1]}. "
            "Convert one, or declare the scale of both with --scale."
        )
    return found[0]


def _remarks(scene: Scene, zeros: list[int]) -> list[str]:
    total = scene.height * scene.width
    notes = []
    if scene.valid_pixels < total:
        notes.append(f"{total - scene.valid_pixels} of {total} pixels hold no data and are left out of the result.")
    for band, count in zip((scene.before, scene.after), zeros, strict=True):
        if count > 0.02 * total:
            notes.append(
                f"{100 * count / total:.1f} % of {band.name} is exactly 0 and counts as dark ground; "
                "if that is the frame of the scene, say --nodata 0."
            )
    return notes
