"""The result of a scene while it is being made: probability and direction by window, then the cleaned mask."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lantnet.results.cleanup import find_regions
from lantnet.scene.georeference import Georeference
from lantnet.scene.scene import Track
from lantnet.scene.windows import Window, strips
from lantnet.types import Float32, Labels, Mask

UNCHANGED, BRIGHTER, DARKER, NO_DATA = 0, 1, 2, 255
"""Values of the direction map; the mask has 0, 1 and NO_DATA."""
BLOCK = 512
"""Side of the blocks of a GeoTIFF, and rows of a strip."""


class Maps(Protocol):
    """`draft` holds the direction that a pixel has if it counts as changed."""

    height: int
    width: int

    def put(self, window: Window, probability: Float32, draft: Labels) -> None: ...
    def probability(self, window: Window) -> Float32: ...
    def draft(self, window: Window) -> Labels: ...
    def put_direction(self, window: Window, direction: Labels) -> None: ...
    def direction(self, window: Window) -> Labels: ...


class MemoryMaps:
    """All maps as arrays: 6 bytes a pixel."""

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.probabilities = np.full((height, width), np.nan, dtype=np.float32)
        self.drafts = np.full((height, width), NO_DATA, dtype=np.uint8)
        self.directions = np.full((height, width), NO_DATA, dtype=np.uint8)

    def put(self, window: Window, probability: Float32, draft: Labels) -> None:
        self.probabilities[window.slices] = probability
        self.drafts[window.slices] = draft

    def probability(self, window: Window) -> Float32:
        return self.probabilities[window.slices]

    def draft(self, window: Window) -> Labels:
        return self.drafts[window.slices]

    def put_direction(self, window: Window, direction: Labels) -> None:
        self.directions[window.slices] = direction

    def direction(self, window: Window) -> Labels:
        return self.directions[window.slices]


class RasterMaps:
    """All maps as GeoTIFF files in a folder, so that memory does not grow with the scene.

    A file is written first and read afterwards; the first reading closes it for writing.
    """

    def __init__(self, folder: Path, height: int, width: int, georeference: Georeference | None) -> None:
        self.height, self.width = height, width
        self._folder, self._georeference = folder, georeference
        self._stack = ExitStack()
        self._writers: dict[str, Any] = {}
        self._readers: dict[str, Any] = {}

    def __enter__(self) -> "RasterMaps":
        return self

    def __exit__(self, *reason: object) -> None:
        self._stack.close()

    def put(self, window: Window, probability: Float32, draft: Labels) -> None:
        self._write("probability", "float32", np.nan, window, probability)
        self._write("draft", "uint8", NO_DATA, window, draft)

    def probability(self, window: Window) -> Float32:
        return self._read("probability", window)

    def draft(self, window: Window) -> Labels:
        return self._read("draft", window)

    def put_direction(self, window: Window, direction: Labels) -> None:
        self._write("direction", "uint8", NO_DATA, window, direction)
        mask = np.where(direction == NO_DATA, NO_DATA, direction != UNCHANGED).astype(np.uint8)
        self._write("mask", "uint8", NO_DATA, window, mask)

    def direction(self, window: Window) -> Labels:
        return self._read("direction", window)

    def finish(self) -> None:
        """Close what was written and drop the draft."""
        self._stack.close()
        (self._folder / "draft.tif").unlink(missing_ok=True)

    def _write(self, name: str, dtype: str, nodata: float, window: Window, values: NDArray[Any]) -> None:
        if name not in self._writers:
            writing = _geotiff(self._folder / f"{name}.tif", self, dtype, nodata, self._georeference)
            self._writers[name] = self._stack.enter_context(writing)
        self._writers[name].write(values, 1, window=window.slices)

    def _read(self, name: str, window: Window) -> NDArray[Any]:
        if name not in self._readers:
            self._writers[name].close()
            self._readers[name] = self._stack.enter_context(_reading(self._folder / f"{name}.tif"))
        values: NDArray[Any] = self._readers[name].read(1, window=window.slices)
        return values


def draft_direction(log_ratio: Float32, valid: Mask) -> Labels:
    """BRIGHTER where the smoothed ln(after/before) is above 0, else DARKER; NO_DATA where not valid."""
    direction = np.where(log_ratio > 0, BRIGHTER, DARKER).astype(np.uint8)
    direction[~valid] = NO_DATA
    return direction


def clean(maps: Maps, *, threshold: float, smallest: int, track: Track) -> None:
    """Settle the direction map: changed where the probability is above `threshold` and the region is large enough."""

    def masks(name: str) -> Iterator[tuple[Window, Mask]]:
        for strip in track(list(strips(maps.height, maps.width, BLOCK)), name):
            yield strip, maps.probability(strip) > threshold

    regions = find_regions(mask for _, mask in masks("regions"))
    for number, (strip, mask) in enumerate(masks("clean-up")):
        kept = regions.erase_small(number, mask, smallest)
        draft = maps.draft(strip)
        maps.put_direction(strip, np.where(kept | (draft == NO_DATA), draft, UNCHANGED).astype(np.uint8))


def _geotiff(path: Path, maps: Maps, dtype: str, nodata: float, placed: Georeference | None) -> Any:
    import rasterio
    from rasterio.transform import Affine

    profile: dict[str, Any] = {
        "driver": "GTiff", "height": maps.height, "width": maps.width, "count": 1, "dtype": dtype,
        "nodata": nodata, "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK,
        "compress": "deflate", "zlevel": 1, "bigtiff": "if_safer",
    }  # fmt: skip
    if placed is not None:
        profile |= {"crs": placed.crs, "transform": Affine(*placed.transform)}
    return rasterio.open(path, "w", **profile)


def _reading(path: Path) -> Any:
    import rasterio

    return rasterio.open(path)
