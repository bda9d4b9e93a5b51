"""Maps as GeoTIFF: written block by block, then copied to cloud-optimized files with overviews, tags and colors."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lantnet.results.maps import BLOCK, NO_DATA, UNCHANGED
from lantnet.results.styles import CLASSES
from lantnet.scene.georeference import Georeference
from lantnet.scene.rasters import CLASSES as CLASSES_TAG
from lantnet.scene.windows import Window
from lantnet.types import Float32, Labels


class RasterMaps:
    """All maps of a run as files of a folder, so that memory does not grow with the scene.

    A file is written first and read afterwards; the first reading closes it for writing. `finish` copies them.
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

    def finish(self, folder: Path, tags: Mapping[str, str]) -> None:
        """mask.tif, direction.tif and probability.tif in another folder, cloud-optimized."""
        self._stack.close()
        for name in ("mask", "direction", "probability"):
            optimize(self._folder / f"{name}.tif", folder / f"{name}.tif", tags, CLASSES.get(name))

    def _write(self, name: str, dtype: str, nodata: float, window: Window, values: NDArray[Any]) -> None:
        if name not in self._writers:
            writing = geotiff(self._folder / f"{name}.tif", self.height, self.width, dtype, nodata, self._georeference)
            self._writers[name] = self._stack.enter_context(writing)
        self._writers[name].write(values, 1, window=window.slices)

    def _read(self, name: str, window: Window) -> NDArray[Any]:
        if name not in self._readers:
            self._writers[name].close()
            self._readers[name] = self._stack.enter_context(_reading(self._folder / f"{name}.tif"))
        values: NDArray[Any] = self._readers[name].read(1, window=window.slices)
        return values


def geotiff(path: Path, height: int, width: int, dtype: str, nodata: float, placed: Georeference | None) -> Any:
    """An open GeoTIFF of one band in blocks, to be written in windows."""
    import rasterio
    from rasterio.transform import Affine

    profile: dict[str, Any] = {
        "driver": "GTiff", "height": height, "width": width, "count": 1, "dtype": dtype,
        "nodata": nodata, "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK,
        "compress": "deflate", "zlevel": 1, "bigtiff": "if_safer",
    }  # fmt: skip
    if placed is not None:
        profile |= {"crs": placed.crs, "transform": Affine(*placed.transform)}
    return rasterio.open(path, "w", **profile)


def optimize(
    source: Path, target: Path, tags: Mapping[str, str], classes: Mapping[int, tuple[str, tuple[int, ...]]] | None
) -> None:
    """Copy a GeoTIFF to a cloud-optimized one with overviews. `classes`: names and colors of its values, where its
    values are classes: their overviews show what most of the pixels are, others the mean."""
    import rasterio
    from rasterio.shutil import copy

    with rasterio.open(source, "r+") as dataset:
        dataset.update_tags(**tags)
        if classes is not None:
            names = {value: name for value, (name, _) in classes.items()}
            dataset.update_tags(**{CLASSES_TAG: json.dumps(names)})
            if dataset.dtypes[0] == "uint8":
                dataset.write_colormap(1, {value: color for value, (_, color) in classes.items()})
    copy(
        source, target, driver="COG", compress="deflate", blocksize=BLOCK, bigtiff="if_safer", overviews="auto",
        overview_resampling="average" if classes is None else "mode",
    )  # fmt: skip
    source.unlink()


def _reading(path: Path) -> Any:
    import rasterio

    return rasterio.open(path)
