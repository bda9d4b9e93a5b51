"""DataArrays in, in memory or dask-backed, and a Dataset with the same coordinates out."""

from typing import Any

import numpy as np
import pytest
import rasterio

import lantnet
from lantnet.generated.pairs import Pair
from lantnet.scene.scale import Scale
from lantnet.scene.windows import Window
from lantnet.scene.xarrays import xarray_source

xarray = pytest.importorskip("xarray")
pytestmark = pytest.mark.usefixtures("quick_default")


def array(values: np.ndarray, **attributes: Any) -> Any:
    height, width = values.shape
    reference = xarray.DataArray(0, attrs={"crs_wkt": rasterio.crs.CRS.from_epsg(32632).to_wkt()})
    coordinates = {
        "y": 5199995.0 - 10 * np.arange(height),
        "x": 500005.0 + 10 * np.arange(width),
        "spatial_ref": reference,
        "time": np.datetime64("2024-01-31T17:00:00"),
    }
    return xarray.DataArray(values, coordinates, ("y", "x"), "VV", attributes)


def test_what_a_dataarray_says_is_heard(fields: Pair) -> None:
    source = xarray_source(array(10 * np.log10(fields.before), units="dB", _FillValue=-99), "before", None, None)
    assert source.georeference is not None
    assert source.georeference.transform == (10, 0, 500000, 0, -10, 5200000)
    assert rasterio.crs.CRS.from_wkt(source.georeference.crs).to_epsg() == 32632
    assert (source.declared, source.nodata, source.channel) == (Scale.DECIBEL, -99, "VV")
    assert source.date is not None and source.date.startswith("2024-01-31T17:00:00")


def test_detect_gives_a_dataset_with_the_coordinates_of_the_image(fields: Pair) -> None:
    before, after = array(fields.before), array(fields.after)
    result = lantnet.detect(before, after.expand_dims("band"))
    plain = lantnet.detect(fields.before, fields.after)
    assert (result.mask == plain.mask).all() and result.mask.any()
    dataset = result.to_dataset()
    assert set(dataset.data_vars) == {"mask", "probability", "direction"}
    xarray.testing.assert_equal(dataset.x, before.x)
    assert "crs_wkt" in dataset.spatial_ref.attrs
    assert dataset.direction.attrs["flag_meanings"] == "unchanged brighter darker"
    assert (dataset.direction.values == result.direction).all()
    with pytest.raises(lantnet.InputError, match="DataArray"):
        plain.to_dataset()


def test_of_a_dask_backed_array_only_the_window_is_computed(fields: Pair) -> None:
    import dask.array

    computed = []

    def block(values: np.ndarray, block_info: Any = None) -> np.ndarray:
        if block_info:
            computed.append(block_info[0]["chunk-location"])
        return values

    lazy = dask.array.from_array(fields.before, chunks=(32, 32)).map_blocks(block, dtype=np.float32)
    source = xarray_source(array(lazy), "before", None, None)
    computed.clear()
    values, valid = source.read(Window(33, 33, 10, 10))
    np.testing.assert_array_equal(values, fields.before[33:43, 33:43])
    assert valid.all()
    assert set(computed) == {(1, 1)}


def test_other_grids_and_more_axes_are_refused(fields: Pair) -> None:
    moved = array(fields.after).assign_coords(x=500010.0 + 10 * np.arange(112))
    with pytest.raises(lantnet.InputError, match=r"off by 0\.5 pixels"):
        lantnet.detect(array(fields.before), moved)
    uneven = array(fields.after).assign_coords(x=np.arange(112.0) ** 2)
    with pytest.raises(lantnet.InputError, match="evenly spaced"):
        lantnet.detect(uneven, uneven)
    stack = xarray.concat([array(fields.before), array(fields.after)], "band")
    with pytest.raises(lantnet.InputError, match="Select one band"):
        lantnet.detect(stack, stack)
