"""The second image on the pixels of the first: warped to its grid, and moved by a shift that is measured."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from scipy import ndimage

from lantnet.scene.georeference import Georeference
from lantnet.scene.names import on_grid_of
from lantnet.scene.rasters import GdalSource
from lantnet.scene.registration import clear_shift
from lantnet.scene.scale import TYPICAL_AMPLITUDE, Scale
from lantnet.scene.source import Source
from lantnet.scene.windows import Window
from lantnet.types import Float32, Mask

Alignment = Literal["grid", "measured"]
BLOCK, BLOCKS = 256, 16
"""Blocks that the shift is measured on, spread evenly over the scene: pixels a side, and at most how many."""
LEAST = 0.1
"""Pixels that a measured shift is worth resampling for."""


@dataclass
class ShiftedSource:
    """An image whose pixel (row, column) shows what lies at (row + down, column + right) of another, bilinear."""

    source: Source
    down: float
    right: float

    def __post_init__(self) -> None:
        inner = self.source
        self.name, self.kind, self.height, self.width = inner.name, inner.kind, inner.height, inner.width
        self.dtype: str = inner.dtype
        self.georeference: Georeference | None = inner.georeference
        self.declared: Scale | None = inner.declared
        self.date: str | None = inner.date
        self.channel: str | None = inner.channel
        self.remark: str | None = inner.remark

    def read(self, window: Window) -> tuple[Float32, Mask]:
        reach = int(np.ceil(max(abs(self.down), abs(self.right)))) + 1
        outer = window.grow(reach, self.height, self.width)
        values, valid = self.source.read(outer)
        by = (-self.down, -self.right)
        known = ndimage.shift(valid.astype(np.float32), by, order=1)
        moved = ndimage.shift(np.where(valid, values, np.float32(0)), by, order=1)
        return window.cut(moved, outer), window.cut(known > 0.999, outer)

    def portable(self, folder: Path) -> "ShiftedSource":
        return replace(self, source=self.source.portable(folder))


def align(before: Source, after: Source, how: Alignment) -> tuple[Source, list[str]]:
    """`after` on the pixels of `before`, and what was done.

    "grid": warped where both have coordinate systems and lie on different grids. "measured": then also moved by the
    shift that phase correlation finds, all in one interpolation where both are rasters.
    """
    notes = []
    moved = after
    if before.georeference is not None and before.georeference.crs is not None and _elsewhere(before, after):
        moved = on_grid_of(before, after)
        notes.append(f"{after.name} was warped to the grid of {before.name} (bilinear).")
    if how == "grid":
        return moved, notes
    found, _ = clear_shift(_blocks(before, moved))
    if found is None:
        return moved, [*notes, "No shift between the dates could be measured, so none was corrected."]
    down, right = found
    words = f"{after.name} is {down:.2f} pixels down and {right:.2f} right of {before.name} by phase correlation"
    if max(abs(down), abs(right)) < LEAST:
        return moved, [*notes, f"{words}: too small to correct."]
    notes.append(f"{words}; it was corrected (bilinear).")
    if isinstance(after, GdalSource) and before.georeference is not None and before.georeference.crs is not None:
        return on_grid_of(before, after, (down, right)), notes
    return ShiftedSource(moved, down, right), notes


def _elsewhere(before: Source, after: Source) -> bool:
    return before.georeference != after.georeference or (before.height, before.width) != (after.height, after.width)


def _blocks(before: Source, after: Source) -> list[tuple[Float32, Float32]]:
    """Blocks of both images, their medians brought to the scene's typical amplitude, gaps filled with it."""
    side = min(BLOCK, before.height, before.width)
    rows, columns = (
        sorted({int(start) for start in np.linspace(0, length - side, min(4, max(length // side, 1)))})
        for length in (before.height, before.width)
    )
    windows = [Window(row, column, side, side) for row in rows for column in columns][:BLOCKS]
    return [(_levels(before, window), _levels(after, window)) for window in windows]


def _levels(source: Source, window: Window) -> Float32:
    values, valid = source.read(window)
    if not valid.any():
        return np.zeros(values.shape, dtype=np.float32)
    if source.declared is Scale.DECIBEL or (values[valid] < 0).mean() > 0.05:
        values = np.power(np.float32(10), np.clip(values, -100, 60) / 20)
    values = np.maximum(values, 0)
    middle = float(np.median(values[valid])) or 1.0
    return (np.where(valid, values, middle) * (TYPICAL_AMPLITUDE / middle)).astype(np.float32)
