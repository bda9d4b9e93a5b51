"""What other tools meet: cloud-optimized files with overviews, tags and colors, styles, a STAC item, the date line."""

import json
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from rasterio.crs import CRS

from lantnet.results.cogs import geotiff, optimize
from lantnet.results.maps import BRIGHTER, NO_DATA
from lantnet.results.polygons import write_polygons
from lantnet.results.stac import stac_item
from lantnet.results.styles import CLASSES, write_styles
from lantnet.scene.georeference import Georeference
from lantnet.scene.names import open_source
from lantnet.scene.windows import Window


def placed(code: str, transform: tuple[float, float, float, float, float, float]) -> Georeference:
    return Georeference(CRS.from_user_input(code).to_wkt(), transform)


UTM = placed("EPSG:32632", (10, 0, 500000, 0, -10, 5200000))
ACROSS = placed("EPSG:32660", (100, 0, 760000, 0, -100, 2000000))
"""Zone 60 north, whose eastern border is the date line (at 18 degrees north near 817 km)."""


def test_a_class_map_is_cloud_optimized_and_colored(tmp_path: Path) -> None:
    values = np.zeros((1200, 1300), np.uint8)
    values[100:700, 200:900] = BRIGHTER
    values[:50] = NO_DATA
    with geotiff(tmp_path / "work.tif", 1200, 1300, "uint8", NO_DATA, UTM) as dataset:
        dataset.write(values, 1)
    optimize(tmp_path / "work.tif", tmp_path / "direction.tif", {"LANTNET_SEED": "3"}, CLASSES["direction"])
    assert not (tmp_path / "work.tif").exists()
    with rasterio.open(tmp_path / "direction.tif") as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.overviews(1) == [2, 4]
        assert (dataset.nodata, dataset.tags()["LANTNET_SEED"]) == (NO_DATA, "3")
        assert dataset.colormap(1)[BRIGHTER] == CLASSES["direction"][BRIGHTER][1]
        assert json.loads(dataset.tags()["LANTNET_CLASSES"])["1"] == "brighter"
        np.testing.assert_array_equal(dataset.read(1), values)
        assert set(np.unique(dataset.read(1, out_shape=(300, 325)))) == {0, BRIGHTER, NO_DATA}
    again, valid = open_source(tmp_path / "direction.tif").read(Window(0, 0, 1200, 1300))
    assert (again == values).all() and (valid == (values != NO_DATA)).all()


def test_styles_are_whole_documents_of_the_right_classes(tmp_path: Path) -> None:
    write_styles(tmp_path)
    roots = {path.name: ElementTree.parse(path).getroot() for path in tmp_path.iterdir()}
    assert set(roots) == {"mask.qml", "direction.qml", "probability.qml", "changes.qml"}
    entries = {e.get("label"): e.get("color") for e in roots["direction.qml"].iter("paletteEntry")}
    assert entries == {"unchanged": "#000000", "brighter": "#e69f00", "darker": "#0072b2"}
    assert [e.get("value") for e in roots["probability.qml"].iter("item")] == ["0", "0.5", "1"]
    assert {e.get("value") for e in roots["changes.qml"].iter("category")} == {"brighter", "darker"}


def features(folder: Path, place: Georeference, codes: np.ndarray) -> list[dict[str, Any]]:
    write_polygons(folder, codes, place)
    found: list[dict[str, Any]] = json.loads((folder / "changes.geojson").read_text())["features"]
    return found


def test_a_polygon_over_the_date_line_is_cut_there(tmp_path: Path) -> None:
    codes = np.zeros((300, 1000), np.uint8)
    codes[50:250, 100:900] = BRIGHTER
    codes[100:120, 600:640] = 0
    (feature,) = features(tmp_path, ACROSS, codes)
    shape = shapely.geometry.shape(feature["geometry"])
    assert shape.geom_type == "MultiPolygon" and len(shape.geoms) == 2 and shape.is_valid
    west, east = sorted(shape.geoms, key=lambda part: part.bounds[0])
    assert west.bounds[0] == -180 and east.bounds[2] == 180
    assert west.bounds[2] < -175 and east.bounds[0] > 175
    for part in shape.geoms:
        assert part.exterior.is_ccw and not any(hole.is_ccw for hole in part.interiors)
    assert sum(len(part.interiors) for part in shape.geoms) == 1
    assert feature["properties"]["area_m2"] == pytest.approx(10_000 * feature["properties"]["pixels"], rel=5e-3)


def test_degrees_beyond_180_are_cut_or_moved(tmp_path: Path) -> None:
    step = 1 / 100
    codes = np.zeros((200, 600), np.uint8)
    codes[20:40, 50:450] = BRIGHTER  # 177.5 to 181.5 degrees
    codes[100:120, 500:550] = BRIGHTER  # 182 to 182.5
    across, beyond = features(tmp_path, placed("EPSG:4326", (step, 0, 177, 0, -step, 10)), codes)
    assert across["geometry"]["type"] == "MultiPolygon"
    longitudes = [x for x, _ in beyond["geometry"]["coordinates"][0]]
    assert (min(longitudes), max(longitudes)) == pytest.approx((-178, -177.5))
    ring = np.array(pyogrio.raw.read(tmp_path / "changes.gpkg")[2])
    assert max(shapely.from_wkb(ring)[1].bounds) == pytest.approx(182.5)  # the GeoPackage keeps the grid's own numbers


def test_a_polygon_around_the_pole_covers_the_pole(tmp_path: Path) -> None:
    codes = np.zeros((60, 60), np.uint8)
    codes[5:55, 5:55] = BRIGHTER
    (feature,) = features(tmp_path, placed("EPSG:3413", (1000, 0, -30_000, 0, -1000, 30_000)), codes)
    shape = shapely.geometry.shape(feature["geometry"])
    assert shape.is_valid
    assert shape.bounds[0] == -180 and shape.bounds[2] == 180 and shape.bounds[3] == 90
    assert shape.covers(shapely.Point(12.0, 89.99))


@pytest.mark.parametrize(("place", "size"), [(UTM, (300, 400)), (ACROSS, (300, 1000))])
def test_the_stac_item_says_where_and_when(place: Georeference, size: tuple[int, int]) -> None:
    files = ["mask.tif", "direction.tif", "changes.geojson", "quicklook.png", "report.json"]
    item = stac_item("x", place, *size, ["2024-02-01T05:00:00Z", "2024-01-05"], files, {"lantnet:recipe": "default"})
    assert {"type", "stac_version", "id", "geometry", "bbox", "properties", "links", "assets"} <= item.keys()
    properties = item["properties"]
    assert properties["datetime"] is None
    assert properties["start_datetime"] == "2024-01-05T00:00:00Z"
    assert properties["end_datetime"] == "2024-02-01T05:00:00Z"
    assert properties["proj:code"] == f"EPSG:{CRS.from_wkt(place.crs).to_epsg()}"
    assert (properties["proj:shape"], properties["proj:transform"]) == (list(size), list(place.transform))
    shape = shapely.geometry.shape(item["geometry"])
    assert shape.is_valid
    west, south, east, north = item["bbox"]
    if place is ACROSS:
        assert west > east and shape.geom_type == "MultiPolygon"
    else:
        assert shape.bounds == pytest.approx((west, south, east, north))
    assert item["assets"]["mask"]["type"].endswith("profile=cloud-optimized")
    assert [each["name"] for each in item["assets"]["direction"]["classification:classes"]][1:] == [
        "brighter",
        "darker",
    ]
    assert json.loads(json.dumps(item, allow_nan=False)) == item


def test_without_a_date_the_item_does_not_pretend_one() -> None:
    properties = stac_item("x", UTM, 30, 40, [None, None], [], {})["properties"]
    assert properties["datetime"] and "no date" in properties["lantnet:datetime_is"]


def test_rings_of_a_long_edge_follow_the_projection(tmp_path: Path) -> None:
    """An edge of 100 km along UTM is no straight line of longitude and latitude."""
    codes = np.zeros((60, 1100), np.uint8)
    codes[5:55, 20:1020] = BRIGHTER
    (feature,) = features(tmp_path, placed("EPSG:32632", (100, 0, 300_000, 0, -100, 7_000_000)), codes)
    ring = feature["geometry"]["coordinates"][0]
    assert max(abs(x1 - x0) for (x0, _), (x1, _) in pairwise(ring)) < 0.2
