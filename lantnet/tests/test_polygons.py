"""Polygons: every changed pixel in exactly one, holes kept, areas right, files that other tools open."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rasterio.features import rasterize
from rasterio.transform import Affine

from lantnet.results.maps import BRIGHTER, DARKER, NO_DATA
from lantnet.results.polygons import polygons, write_polygons
from lantnet.scene.georeference import Georeference

GRID = Affine(10, 0, 500000, 0, -10, 5200000)
UTM = Georeference(rasterio.crs.CRS.from_epsg(32632).to_wkt(), tuple(GRID)[:6])

RING = np.zeros((12, 14), dtype=np.uint8)
RING[2:9, 3:11] = BRIGHTER
RING[4:7, 5:9] = 0
RING[5, 6] = DARKER
RING[0, 0] = NO_DATA


@settings(max_examples=30, deadline=None)
@given(arrays(np.uint8, (7, 8), elements=st.sampled_from([0, BRIGHTER, DARKER, NO_DATA])))
def test_polygons_drawn_again_give_the_map(direction: np.ndarray) -> None:
    found = list(polygons(direction))
    assert sum(polygon.pixels for polygon in found) == np.isin(direction, [BRIGHTER, DARKER]).sum()
    if found:
        shapes = [({"type": "Polygon", "coordinates": p.rings}, p.code) for p in found]
        drawn = rasterize(shapes, out_shape=direction.shape, dtype="uint8")
        assert (drawn == np.where(direction == NO_DATA, 0, direction)).all()


def written(folder: Path, direction: np.ndarray, placed: Georeference | None, *, raster: bool) -> list[dict]:
    source: np.ndarray | Path = direction
    if raster:
        profile = {"driver": "GTiff", "height": 12, "width": 14, "count": 1, "dtype": "uint8", "nodata": NO_DATA}
        profile |= {"crs": placed.crs, "transform": Affine(*placed.transform)} if placed else {}
        mask = np.where(direction == NO_DATA, NO_DATA, direction > 0)
        for name, values in (("direction", direction), ("mask", mask)):
            with rasterio.open(folder / f"{name}.tif", "w", **profile) as dataset:
                dataset.write(values.astype(np.uint8), 1)
        source = folder / "direction.tif"
    count, _ = write_polygons(folder, source, placed)
    features = json.loads((folder / "changes.geojson").read_text())["features"]
    assert len(features) == count
    return features


@pytest.mark.parametrize("raster", [True, False])
def test_areas_and_places_of_a_projected_scene(tmp_path: Path, raster: bool) -> None:
    features = written(tmp_path, RING, UTM, raster=raster)
    by_direction = {feature["properties"]["direction"]: feature for feature in features}
    ring, dot = by_direction["brighter"], by_direction["darker"]
    assert (ring["properties"]["pixels"], dot["properties"]["pixels"]) == (44, 1)
    # On the central meridian a meter of UTM is 1/.9996 m.
    assert ring["properties"]["area_m2"] == pytest.approx(4400 / 0.9996**2, rel=1e-6)
    assert dot["properties"]["area_m2"] == pytest.approx(100 / 0.9996**2, rel=1e-6)
    assert len(ring["geometry"]["coordinates"]) == 2
    longitude, latitude = ring["geometry"]["coordinates"][0][0]
    assert 9.0 < longitude < 9.01
    assert 46.9 < latitude < 47.0


def test_rings_turn_as_rfc_7946_wants(tmp_path: Path) -> None:
    for feature in written(tmp_path, RING, UTM, raster=False):
        for i, ring in enumerate(feature["geometry"]["coordinates"]):
            turn = sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring))
            assert (turn > 0) == (i == 0)
            assert ring[0] == ring[-1]


def test_the_geopackage_keeps_the_coordinate_system(tmp_path: Path) -> None:
    written(tmp_path, RING, UTM, raster=False)
    info = pyogrio.read_info(tmp_path / "changes.gpkg")
    assert (info["crs"], info["features"], info["geometry_type"]) == ("EPSG:32632", 2, "Polygon")
    assert list(info["fields"]) == ["direction", "pixels", "area_m2"]
    assert tuple(info["total_bounds"]) == (500030, 5199910, 500110, 5199980)


def test_degrees_get_true_square_meters(tmp_path: Path) -> None:
    step = 1 / 3600
    placed = Georeference(rasterio.crs.CRS.from_epsg(4326).to_wkt(), (step, 0, 10, 0, -step, 60))
    for feature in written(tmp_path, RING, placed, raster=True):
        properties = feature["properties"]
        assert properties["area_m2"] == pytest.approx(479.7 * properties["pixels"], rel=2e-3)


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_plain_images_get_pixel_coordinates_and_no_area(tmp_path: Path) -> None:
    for raster in (True, False):
        folder = tmp_path / str(raster)
        folder.mkdir()
        dot = next(f for f in written(folder, RING, None, raster=raster) if f["properties"]["direction"] == "darker")
        assert dot["properties"]["area_m2"] is None
        assert sorted(map(tuple, dot["geometry"]["coordinates"][0][:4])) == [(6, 5), (6, 6), (7, 5), (7, 6)]


def test_nothing_changed_is_an_empty_but_valid_layer(tmp_path: Path) -> None:
    assert written(tmp_path, np.zeros((12, 14), np.uint8), UTM, raster=False) == []
    assert pyogrio.read_info(tmp_path / "changes.gpkg")["features"] == 0
