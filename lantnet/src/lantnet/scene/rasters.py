"""Everything that GDAL opens as sources: GeoTIFF, NetCDF, HDF5, URLs, archives; as it lies, or warped on the fly."""

import math
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lantnet.errors import InputError
from lantnet.scene.georeference import Georeference, Grid, georeference_of
from lantnet.scene.scale import Scale
from lantnet.scene.source import differing, numbered, without
from lantnet.scene.windows import Window
from lantnet.types import Float32, Mask

CACHE_MEGABYTES = 128
"""GDAL would otherwise keep read blocks up to a twentieth of the machine's memory."""
CLASSES = "LANTNET_CLASSES"
"""Tag of a map of ours, whose palette colors classes and is no brightness."""
UPSIDE_DOWN = (
    "{name} has no coordinates (no CF grid mapping and coordinate variables), so GDAL reads its last row first. If "
    "the file was written top row first, the map is upside down. Write the coordinates into the file, or pass its "
    "array to lantnet.detect."
)
DATE_TAGS = ("ACQUISITION_DATETIME", "ACQUISITION_DATE", "ACQUISITION_START_TIME", "PRODUCT_START_TIME",
             "START_TIME", "SENSING_TIME", "DATETIME", "TIFFTAG_DATETIME")  # fmt: skip


@dataclass
class GdalSource:
    """One band of what GDAL opens under `path`. Opened anew in every thread and process that reads it.

    scaling: (scale, offset) that make measurements of stored numbers. gray: palette indices to gray levels.
    grid: where the band is warped to while it is read, bilinear, its values as stored; None: as it lies.
    """

    path: str
    name: str
    index: int
    height: int
    width: int
    dtype: str
    nodata: float | None = None
    gray: Float32 | None = None
    scaling: tuple[float, float] = (1.0, 0.0)
    georeference: Georeference | None = None
    declared: Scale | None = None
    date: str | None = None
    channel: str | None = None
    remark: str | None = None
    grid: Grid | None = None
    hole: float | None = None
    kind: str = "tif"
    _open: Any = field(default_factory=threading.local, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_open"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _open=threading.local())

    def read(self, window: Window) -> tuple[Float32, Mask]:
        import rasterio
        from rasterio.errors import RasterioError

        where = window.slices
        with rasterio.Env(GDAL_CACHEMAX=CACHE_MEGABYTES):
            try:
                if not hasattr(self._open, "dataset"):
                    self._open.dataset = self._dataset()
                values = self._open.dataset.read(self.index, window=where)
                valid = np.isfinite(values) & (self._open.dataset.read_masks(self.index, window=where) > 0)
            except RasterioError as error:
                raise InputError(
                    f"{self.name} cannot be read in rows {window.top} to {window.bottom}: {error}. Check that the "
                    "file is complete, or check the connection."
                ) from error
        valid = without(valid, values, self.nodata)
        if self.gray is not None:
            return self.gray[values], valid
        scale, offset = self.scaling
        if (scale, offset) != (1.0, 0.0):
            values = values.astype(np.float64) * scale + offset
        return values.astype(np.float32), valid

    def portable(self, folder: Path) -> "GdalSource":
        return self

    def on(self, grid: Grid) -> "GdalSource":
        """The band on another grid, warped as it is read."""
        if self.gray is not None:
            raise InputError(
                f"{self.name} has a palette, whose indices cannot be interpolated. Convert it to grayscale first."
            )
        place = Georeference(grid.crs, grid.transform)
        moved = vars(self) | {"height": grid.height, "width": grid.width, "georeference": place, "grid": grid}
        return GdalSource(**(moved | {"_open": threading.local()}))

    def _dataset(self) -> Any:
        import rasterio
        from rasterio.enums import Resampling
        from rasterio.transform import Affine
        from rasterio.vrt import WarpedVRT

        with quiet():
            dataset = rasterio.open(self.path)
        if self.grid is None:
            return dataset
        holes: dict[str, Any] = {"add_alpha": True}
        if self.hole is not None:
            holes = {"src_nodata": self.hole, "nodata": self.hole}
        # GDAL else places pixels and chooses its filter by what it happens to read at once, which leaves seams.
        exact = {"tolerance": 1e-6} | _scales(dataset, self.grid)
        return WarpedVRT(
            dataset, crs=self.grid.crs, transform=Affine(*self.grid.transform), height=self.grid.height,
            width=self.grid.width, resampling=Resampling.bilinear, **exact, **holes,
        )  # fmt: skip


def _scales(dataset: Any, grid: Grid) -> dict[str, float]:
    """Pixels of the grid a pixel of a dataset, along both axes: what a filter against aliasing goes by."""
    from rasterio.warp import calculate_default_transform

    moved, *_ = calculate_default_transform(dataset.crs, grid.crs, dataset.width, dataset.height, *dataset.bounds)
    a, b, _, d, e, _ = grid.transform
    return {"XSCALE": abs(moved.a) / math.hypot(a, d), "YSCALE": abs(moved.e) / math.hypot(b, e)}


@contextmanager
def gdal() -> Iterator[None]:
    """GDAL with a bounded cache, and without its warnings of plain images."""
    import rasterio

    with rasterio.Env(GDAL_CACHEMAX=CACHE_MEGABYTES), quiet():
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """A plain TIFF has no georeference, and that is no reason for a warning."""
    from rasterio.errors import NotGeoreferencedWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def open_raster(path: str, name: str, band: int | str | None, nodata: float | None) -> GdalSource:
    """A band of what GDAL opens under `path`, called `name` in messages."""
    import rasterio
    from rasterio.errors import RasterioError

    with gdal():
        try:
            dataset = rasterio.open(path)
        except RasterioError as error:
            raise InputError(
                f"{name} cannot be read as an image: {error}. Readable are GeoTIFF and other GDAL rasters (also by "
                "URL, in archives, sub-data as FILE.nc:NAME), PNG, BMP, JPEG and .npy."
            ) from error
        with dataset:
            return _band(dataset, path, name, band, nodata)


def _band(dataset: Any, path: str, name: str, chosen: int | str | None, nodata: float | None) -> GdalSource:
    from rasterio.enums import ColorInterp

    if not dataset.count and dataset.subdatasets:
        found = ", ".join(f"{each.rsplit(':', 1)[-1]}" for each in dataset.subdatasets)
        raise InputError(f"{name} contains several images: {found}. Name one as {name}:NAME.")
    count = sum(kind is not ColorInterp.alpha for kind in dataset.colorinterp)
    if not count:
        raise InputError(f"{name} has no image band ({dataset.count} bands, all transparency).")
    channels = [text or "" for text in dataset.descriptions[:count]]
    index = 1 if chosen is None else numbered(chosen, count, channels, name)
    if chosen is None and count > 1 and not _all_equal(dataset, count):
        raise differing(name, count, channels)
    dtype = dataset.dtypes[index - 1]
    if dtype.startswith("complex"):
        raise InputError(f"{name} is complex (single-look complex data); write its amplitude to a file first.")
    gray = None
    if dataset.colorinterp[index - 1] is ColorInterp.palette and CLASSES not in dataset.tags():
        gray = _gray_palette(dataset.colormap(index), name)
    scaling = (float(dataset.scales[index - 1]), float(dataset.offsets[index - 1]))
    scaled = scaling != (1.0, 0.0)
    hole = nodata if nodata is not None else dataset.nodatavals[index - 1]
    if hole is None and dtype not in ("uint8", "bool") and not scaled:
        hole = 0.0  # What `measured` takes for the frame must not be mixed into its neighbors.
    tags = {key.upper(): value for key, value in (dataset.tags() | dataset.tags(index)).items()}
    place = georeference_of(dataset, name)
    remark = UPSIDE_DOWN.format(name=name) if place is None and dataset.driver == "netCDF" else None
    return GdalSource(
        path, name, index, dataset.height, dataset.width, "float32" if scaled else dtype, nodata, gray, scaling,
        place, declared_scale(dataset.units[index - 1], channels[index - 1]),
        next((tags[key] for key in DATE_TAGS if tags.get(key)), None), channels[index - 1] or None, remark, hole=hole,
    )  # fmt: skip


def declared_scale(unit: str | None, channel: str) -> Scale | None:
    """The scale that the unit or the name of a band says, if it does."""
    words = set(re.split(r"[^a-z0-9]+", f"{unit or ''} {channel}".lower()))
    for scale, names in (
        (Scale.DECIBEL, {"db", "decibel", "decibels"}),
        (Scale.POWER, {"power", "intensity"}),
        (Scale.AMPLITUDE, {"amplitude", "amp"}),
    ):
        if words & names:
            return scale
    return None


def _all_equal(dataset: Any, count: int) -> bool:
    """RGB files of gray images hold the same band three times."""
    return all(
        np.array_equal(dataset.read(1, window=where), dataset.read(other, window=where))
        for _, where in dataset.block_windows(1)
        for other in range(2, count + 1)
    )


def _gray_palette(colors: dict[int, tuple[int, ...]], name: str) -> Float32:
    table = np.zeros(max(colors) + 1, dtype=np.float32)
    for index, (red, green, blue, *_) in colors.items():
        if not red == green == blue:
            raise InputError(
                f"{name} is a palette image with colors, whose numbers are not brightness. Export the radar "
                "values themselves (amplitude, power or dB) as one gray band."
            )
        table[index] = red
    return table
