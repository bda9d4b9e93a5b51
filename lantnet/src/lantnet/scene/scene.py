"""Two co-registered images as one scene of 8-bit-like amplitudes, read in windows."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from lantnet.errors import InputError
from lantnet.execution.executors import Executor, Serial
from lantnet.scene.frame import Frame
from lantnet.scene.georeference import Georeference, check_same_grid
from lantnet.scene.layers import Layer
from lantnet.scene.scale import (
    TYPICAL_AMPLITUDE,
    Look,
    Scale,
    amplitude,
    amplitude_histogram,
    detect_scale,
    explained,
    frames,
    in_doubt,
    measured,
    median_amplitude,
)
from lantnet.scene.source import Source
from lantnet.scene.windows import Window, tiles
from lantnet.types import Float32, Int64, Mask

SMALLEST = 16
"""Pixels a side: below that the neighborhoods of the method hold nothing but border."""
FILL = 4
"""How far pixels without data are filled from their neighbors; their halo."""

Track = Callable[[Iterable[Window], str], Iterable[Window]]
"""Passes windows on and shows how far a pass has come."""


@dataclass(frozen=True)
class View:
    """A window of a scene: amplitudes (H, W) of both dates without gaps, and where both were measured; `kept`: what
    `Plan.keep` computed of it, by name."""

    before: Float32
    after: Float32
    valid: Mask
    kept: Mapping[str, Float32] = field(default_factory=dict)


@dataclass
class Scene:
    """Reads windows of both images, converted to amplitude times `factor`."""

    before: Source
    after: Source
    scale: Scale
    scale_source: str
    factor: float
    median: float
    """Of the amplitudes of both dates together, times the factor: what stands in for missing pixels."""
    valid_pixels: int
    framed: tuple[bool, bool] = (False, False)
    """Whether exactly 0 dB is the frame of the first and of the second image."""
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    """Those of the notes that ask for an answer."""
    frame: Frame | None = None
    """Border noise, which counts as no data."""
    shift: tuple[float, float] | None = None
    """Pixels (rows, columns) that the second image seems to lie further down and right, where that was measured."""
    kept: dict[str, tuple[Layer, int]] = field(default_factory=dict)
    """What was computed of every pixel: layer and channel, by name."""

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
        (before, here), (after, there) = self.amplitudes(window)
        valid = here & there
        if self.frame is not None:
            valid &= self.frame.inside(window)
        layers = {id(layer): layer.read(window) for layer, _ in self.kept.values()}
        kept = {name: layers[id(layer)][channel] for name, (layer, channel) in self.kept.items()}
        return View(self._filled(before, valid), self._filled(after, valid), valid, kept)

    def amplitudes(self, window: Window) -> list[tuple[Float32, Mask]]:
        """Amplitude times the factor and where it was measured, of both dates."""
        found = []
        for source, framed in zip((self.before, self.after), self.framed, strict=True):
            values, valid = source.read(window)
            valid &= measured(values, self.scale, framed=framed)
            values = np.where(valid, values, np.float32(0))
            found.append((amplitude(values, self.scale) * np.float32(self.factor), valid))
        return found

    def _filled(self, values: Float32, valid: Mask) -> Float32:
        if valid.all():
            return values
        values = np.where(valid, values, np.float32(0))
        known = valid.astype(np.float32)
        for _ in range(FILL):
            total, count = _neighbors(values), _neighbors(known)
            grown = (known == 0) & (count > 0)
            values = np.where(grown, total / np.maximum(count, 1), values)
            known = np.where(grown, np.float32(1), known)
        return np.where(known > 0, values, np.float32(self.median)).astype(np.float32)


def _neighbors(values: Float32) -> Float32:
    """Sum over each pixel's 3x3 neighborhood; always added up in the same order, whatever the window."""
    padded = np.pad(values, 1)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    total: Float32 = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    return total


def open_scene(
    before: Source, after: Source, *, scale: Scale | None, tile: int, track: Track, executor: Executor | None = None
) -> Scene:
    """Check that two images can be compared, settle their scale, and survey their values in one or two passes."""
    check_same_grid(before, after)
    height, width = before.height, before.width
    if min(height, width) < SMALLEST:
        raise InputError(
            f"images must be at least {SMALLEST} x {SMALLEST} pixels; these are {width} x {height} (width x height)."
        )
    walk = tiles(height, width, tile)
    executor = executor or Serial()
    settled = _settled(before, after, scale, walk, track, executor)
    scene = Scene(
        before, after, settled.scale, settled.source, 1.0, 0.0, 0, settled.framed, settled.notes, settled.doubts
    )
    counts = np.zeros(1, dtype=np.int64)
    zeros = np.zeros(2, dtype=np.int64)
    surveys = executor.each(partial(_survey, scene), walk)
    for _, (valid_pixels, levels, dark) in zip(track(walk, "survey"), surveys, strict=True):
        scene.valid_pixels += valid_pixels
        counts, zeros = counts + levels, zeros + dark
    if not scene.valid_pixels:
        raise InputError(
            f"no pixel has data in both {before.name} and {after.name} (scale {scene.scale}). Check the files, the "
            "nodata value and whether the two overlap."
        )
    scene.median = median_amplitude(counts)
    if scene.scale is not Scale.EIGHT_BIT and scene.median > 0:
        scene.factor = TYPICAL_AMPLITUDE / scene.median
        scene.median = TYPICAL_AMPLITUDE
    scene.notes += _remarks(scene, zeros)
    return scene


def _survey(scene: Scene, window: Window) -> tuple[int, Int64, Int64]:
    """Pixels measured in both dates of a window, their amplitudes' histogram, and how many are 0 in each date."""
    (first, here), (second, there) = scene.amplitudes(window)
    valid = here & there
    dark = np.array([int((valid & (image == 0)).sum()) for image in (first, second)])
    return int(valid.sum()), amplitude_histogram(first[valid]) + amplitude_histogram(second[valid]), dark


@dataclass(frozen=True)
class _Settled:
    scale: Scale
    source: str
    framed: tuple[bool, bool]
    notes: list[str]
    doubts: list[str]


def _settled(
    before: Source, after: Source, scale: Scale | None, walk: list[Window], track: Track, executor: Executor
) -> _Settled:
    """The scale of both images: as said, as their files say, or as their values tell."""
    pair = (before, after)
    if scale not in (None, Scale.DECIBEL):
        return _Settled(scale, "declared", (False, False), [], [])
    looks = [_look(source, walk, track, executor) for source in pair]
    found: list[Scale] = []
    notes: list[str] = []
    doubts: list[str] = []
    for source, look in zip(pair, looks, strict=True):
        found.append(scale or source.declared or detect_scale(source.dtype, look, source.name))
        if not scale and not source.declared:
            said = explained(found[-1], look, source.name)
            notes += said
            doubts += said if found[-1] is Scale.POWER and in_doubt(look) else []
    if found[0] is not found[1]:
        raise InputError(
            f"both images must have the same scale; {before.name} looks like {found[0]}, {after.name} like {found[1]}. "
            "Convert one, or set the scale of both with --scale."
        )
    for source, look in zip(pair, looks, strict=True):
        notes += frames(found[0], look, source.name)
    framed = tuple(found[0] is Scale.DECIBEL and look.framed for look in looks)
    origin = "declared" if scale else "declared in the files" if before.declared and after.declared else "detected"
    return _Settled(found[0], origin, (framed[0], framed[1]), notes, doubts)


def _look(source: Source, walk: list[Window], track: Track, executor: Executor) -> Look:
    look = Look()
    if source.dtype in ("uint8", "bool"):
        return look
    parts = executor.each(partial(_look_at, source), walk)
    for _, part in zip(track(walk, "scale"), parts, strict=True):
        look.join(part)
    if not look.valid:
        raise InputError(f"{source.name} has no data: every pixel is nodata or not a finite number.")
    return look


def _look_at(source: Source, window: Window) -> Look:
    look = Look()
    look.add(*source.read(window))
    return look


def _remarks(scene: Scene, zeros: Int64) -> list[str]:
    total = scene.height * scene.width
    notes = [band.remark for band in (scene.before, scene.after) if band.remark]
    if scene.valid_pixels < total:
        notes.append(f"{total - scene.valid_pixels} of {total} pixels have no data and are excluded from the result.")
    for band, count in zip((scene.before, scene.after), zeros, strict=True):
        if count > 0.02 * total:
            notes.append(
                f"{100 * count / total:.1f} % of {band.name} is exactly 0 and is treated as dark ground; if that "
                "is the border of the scene, set --nodata 0."
            )
    return notes
