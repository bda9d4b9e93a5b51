"""Images that are xarray.DataArrays, in memory or dask-backed, as sources; and maps back as a Dataset.

The package xarray is needed by whoever passes one; this file asks only for what a DataArray has.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lantnet.errors import InputError
from lantnet.scene.georeference import Georeference
from lantnet.scene.names import date_in
from lantnet.scene.rasters import declared_scale
from lantnet.scene.source import ArraySource, Described, Source, plain
from lantnet.scene.windows import Window
from lantnet.types import Float32, Mask


@dataclass
class XarraySource(Described):
    """A DataArray (y, x), read window by window: of a dask-backed one only what a window needs is computed."""

    array: Any
    name: str
    valid: Mask | None = None

    def __post_init__(self) -> None:
        self.height, self.width = self.array.shape
        self.dtype = self.array.dtype.name

    def read(self, window: Window) -> tuple[Float32, Mask]:
        part = self.array[window.slices]
        if part.chunks is not None:
            part = part.compute(scheduler="synchronous")
        valid = None if self.valid is None else self.valid[window.slices]
        return ArraySource(part.values, self.name, valid, nodata=self.nodata).read(
            Window(0, 0, window.height, window.width)
        )

    def portable(self, folder: Path) -> Source:
        if self.array.chunks is not None:
            return self
        return ArraySource(self.array.values, self.name, self.valid, **self.description()).portable(folder)


def is_xarray(image: Any) -> bool:
    return hasattr(image, "dims") and hasattr(image, "coords") and hasattr(image, "attrs")


def xarray_source(image: Any, name: str, valid: Mask | None, nodata: float | None) -> XarraySource:
    """A DataArray as a source; axes of length 1 (band, time) are dropped, the last two are rows and columns.

    Read from it: coordinates of pixel centers and `spatial_ref` (as rioxarray writes them), `_FillValue` and
    `nodata`, `units` ("dB", "power", "amplitude"), and a `time` of its own.
    """
    array = image.squeeze(drop=False)
    if array.ndim != 2:
        raise InputError(f"an image must be (y, x); {name} has {dict(image.sizes)}. Select one band and one date.")
    plain(np.empty((1, 1), dtype=array.dtype), name)
    for key in ("_FillValue", "nodata"):
        if nodata is None and array.attrs.get(key) is not None:
            nodata = float(array.attrs[key])
    time = array.coords.get("time")
    channel = None if array.name is None else str(array.name)
    declared = declared_scale(str(array.attrs.get("units", "")), channel or "")
    date = None if time is None or time.ndim else date_in(str(time.values))
    placed = _placed(array, name)
    return XarraySource(
        array, channel or name, valid, nodata=nodata, georeference=placed, declared=declared, date=date, channel=channel
    )


def as_dataset(source: XarraySource, maps: dict[str, Any], attributes: dict[str, dict[str, Any]]) -> Any:
    """Maps (H, W) by name as a Dataset with the coordinates of the image that they were made of."""
    import xarray

    array = source.array
    coordinates = {name: value for name, value in array.coords.items() if set(value.dims) <= set(array.dims)}
    coordinates.pop("time", None)
    found = {name: (array.dims, values, attributes.get(name, {})) for name, values in maps.items()}
    return xarray.Dataset(found, coordinates)


def _placed(array: Any, name: str) -> Georeference | None:
    """From coordinates of pixel centers on an even grid; None without them."""
    axes = [array.coords.get(dimension) for dimension in array.dims]
    if any(axis is None or axis.size < 2 or axis.dtype.kind not in "fiu" for axis in axes):
        return None
    (top, down), (left, right) = (_even(axis.values.astype(np.float64), name) for axis in axes)
    reference = array.coords.get("spatial_ref")
    described = {} if reference is None else reference.attrs
    crs = described.get("crs_wkt") or described.get("spatial_ref") or array.attrs.get("crs")
    transform = (right, 0.0, left - right / 2, 0.0, down, top - down / 2)
    return Georeference(None if crs is None else _as_wkt(crs, name), transform)


def _even(values: np.ndarray[Any, np.dtype[np.float64]], name: str) -> tuple[float, float]:
    """First value and step of coordinates."""
    step = (values[-1] - values[0]) / (len(values) - 1)
    if np.abs(np.diff(values) - step).max() > 0.01 * abs(step):
        raise InputError(f"coordinates must be evenly spaced; those of {name} are not. Resample it to a grid first.")
    return float(values[0]), float(step)


def _as_wkt(crs: Any, name: str) -> str:
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        return str(CRS.from_user_input(crs).to_wkt())
    except CRSError as error:
        raise InputError(f"the coordinate system of {name} cannot be parsed: {error}.") from error
