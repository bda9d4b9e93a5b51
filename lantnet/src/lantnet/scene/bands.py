"""One band of one image file, read in windows: GeoTIFF and all that GDAL knows, PNG and BMP, NumPy."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from lantnet.errors import InputError
from lantnet.scene.georeference import Georeference, georeference_of
from lantnet.scene.windows import Window
from lantnet.types import Float32, Mask

PILLOW = {".png", ".bmp", ".jpg", ".jpeg", ".gif", ".pgm", ".ppm"}
NUMPY = {".npy"}
CACHE_MEGABYTES = 128
"""GDAL would otherwise keep read blocks up to a twentieth of the machine's memory."""


class Band(Protocol):
    """Values (H, W) and where they are data. `kind` is what results are written as: tif, png or npy."""

    name: str
    kind: str
    height: int
    width: int
    dtype: str
    georeference: Georeference | None

    def read(self, window: Window) -> tuple[Float32, Mask]: ...


@dataclass
class ArrayBand:
    """A band that lies in memory (or in a memory-mapped .npy file)."""

    values: NDArray[Any]
    name: str
    valid: Mask | None = None
    nodata: float | None = None
    kind: str = "npy"
    georeference: Georeference | None = None

    def __post_init__(self) -> None:
        self.height, self.width = self.values.shape
        self.dtype = self.values.dtype.name

    def read(self, window: Window) -> tuple[Float32, Mask]:
        values = np.asarray(self.values[window.slices], dtype=np.float32)
        valid = np.isfinite(values)
        if self.valid is not None:
            valid &= self.valid[window.slices]
        return values, without(valid, values, self.nodata)


@dataclass
class RasterBand:
    """A band of an open rasterio dataset. `grey` maps palette indices to grey levels."""

    dataset: Any
    index: int
    name: str
    nodata: float | None
    grey: Float32 | None
    georeference: Georeference | None
    kind: str = "tif"

    def __post_init__(self) -> None:
        self.height, self.width = self.dataset.height, self.dataset.width
        self.dtype = self.dataset.dtypes[self.index - 1]

    def read(self, window: Window) -> tuple[Float32, Mask]:
        where = window.slices
        values = self.dataset.read(self.index, window=where)
        valid = np.isfinite(values) & (self.dataset.read_masks(self.index, window=where) > 0)
        valid = without(valid, values, self.nodata)
        return (values if self.grey is None else self.grey[values]).astype(np.float32), valid


@contextmanager
def open_band(path: Path, *, band: int | None = None, nodata: float | None = None) -> Iterator[Band]:
    """Open a file's only band, or number `band` (from 1) of several; `nodata` marks pixels besides the file's own.

    Errors: InputError for what is missing, unreadable, complex, a coloured palette, or has several
    different bands while none was chosen.
    """
    if not path.is_file():
        raise InputError(f"an image must be a file; there is none at {path}.")
    suffix = path.suffix.lower()
    if suffix in NUMPY:
        yield _numpy_band(path, nodata)
    elif suffix in PILLOW:
        yield _pillow_band(path, band, nodata)
    else:
        with gdal(), _raster(path) as dataset:
            yield _raster_band(dataset, path, band, nodata)


def without(valid: Mask, values: NDArray[Any], nodata: float | None) -> Mask:
    if nodata is None or math.isnan(nodata):
        return valid
    kept: Mask = valid & (values != nodata)
    return kept


def _numpy_band(path: Path, nodata: float | None) -> ArrayBand:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"a .npy file must hold one array of numbers; {path} does not: {error}") from error
    return ArrayBand(plain(values, str(path)), str(path), nodata=nodata)


def plain(values: NDArray[Any], name: str) -> NDArray[Any]:
    """`values` as (H, W) real numbers, or an error that says how to get there."""
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[2]):
        values = values[0] if values.shape[0] == 1 else values[:, :, 0]
    if values.ndim != 2 or not values.size:
        raise InputError(f"an image array must be (height, width); {name} has shape {values.shape}. Pass one band.")
    if np.iscomplexobj(values):
        raise InputError(f"{name} is complex (single-look complex data); pass its amplitude, abs(values).")
    if not (np.issubdtype(values.dtype, np.number) or values.dtype == np.bool_):
        raise InputError(f"an image array must hold numbers; {name} holds {values.dtype}.")
    return values


def _pillow_band(path: Path, band: int | None, nodata: float | None) -> ArrayBand:
    try:
        with Image.open(path) as opened:
            image: Image.Image = opened
            if (frames := getattr(image, "n_frames", 1)) > 1:
                raise InputError(f"an image file must hold one image; {path} holds {frames}. Split it first.")
            transparent = image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info
            if image.mode in ("P", "PA") or (transparent and image.mode in ("L", "RGB")):
                image = image.convert("RGBA" if transparent else "RGB")
            elif image.mode == "1":
                image = image.convert("L")
            values = np.asarray(image)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as error:
        raise InputError(f"{path} cannot be read as an image: {error}. Very large images should be GeoTIFF.") from error
    if values.ndim == 2:
        values = values[..., None]
    valid = values[..., -1] > 0 if transparent else None
    colours = values[..., :-1] if transparent else values
    grey = _one_of([colours[..., i] for i in range(colours.shape[2])], band, str(path))
    if grey.dtype == np.int32 and path.suffix.lower() == ".png":
        grey = grey.astype(np.uint16)
    return ArrayBand(plain(grey, str(path)), str(path), valid=valid, nodata=nodata, kind="png")


def _one_of(bands: list[NDArray[Any]], chosen: int | None, name: str) -> NDArray[Any]:
    if chosen is not None:
        return bands[_checked(chosen, len(bands), name) - 1]
    if any(not np.array_equal(bands[0], other) for other in bands[1:]):
        raise InputError(_several(name, len(bands)))
    return bands[0]


def _checked(chosen: int, count: int, name: str) -> int:
    if not 1 <= chosen <= count:
        raise InputError(f"--band counts from 1; {name} has {count} band(s), and band {chosen} was asked for.")
    return chosen


def _several(name: str, count: int) -> str:
    return (
        f"the method compares one radar band with one; {name} has {count} bands that differ (colours, or "
        f"polarisations). Choose one with --band 1..{count}."
    )


@contextmanager
def gdal() -> Iterator[None]:
    """GDAL with a bounded cache; a plain TIFF has no georeference, and that is no reason for a warning."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    with rasterio.Env(GDAL_CACHEMAX=CACHE_MEGABYTES), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


@contextmanager
def _raster(path: Path) -> Iterator[Any]:
    import rasterio
    from rasterio.errors import RasterioError

    try:
        dataset = rasterio.open(path)
    except RasterioError as error:
        raise InputError(
            f"{path} cannot be read as an image: {error}. "
            "Readable are GeoTIFF and other GDAL rasters, PNG, BMP, JPEG and .npy."
        ) from error
    with dataset:
        yield dataset


def _raster_band(dataset: Any, path: Path, chosen: int | None, nodata: float | None) -> RasterBand:
    from rasterio.enums import ColorInterp

    count = sum(kind is not ColorInterp.alpha for kind in dataset.colorinterp)
    if not count:
        raise InputError(f"{path} holds no image band ({dataset.count} bands, all transparency).")
    index = 1 if chosen is None else _checked(chosen, count, str(path))
    if chosen is None and count > 1 and not _all_equal(dataset, count):
        raise InputError(_several(str(path), count))
    if dataset.dtypes[index - 1].startswith("complex"):
        raise InputError(f"{path} is complex (single-look complex data); write its amplitude to a file first.")
    grey = None
    if dataset.colorinterp[index - 1] is ColorInterp.palette:
        grey = _grey_palette(dataset.colormap(index), str(path))
    return RasterBand(dataset, index, str(path), nodata, grey, georeference_of(dataset, str(path)))


def _all_equal(dataset: Any, count: int) -> bool:
    """RGB files of grey images hold the same band three times."""
    return all(
        np.array_equal(dataset.read(1, window=where), dataset.read(other, window=where))
        for _, where in dataset.block_windows(1)
        for other in range(2, count + 1)
    )


def _grey_palette(colours: dict[int, tuple[int, ...]], name: str) -> Float32:
    table = np.zeros(max(colours) + 1, dtype=np.float32)
    for index, (red, green, blue, *_) in colours.items():
        if not red == green == blue:
            raise InputError(
                f"{name} is a palette image with colours, whose numbers are not brightness. Export the radar "
                "values themselves (amplitude, power or dB) as one grey band."
            )
        table[index] = red
    return table
