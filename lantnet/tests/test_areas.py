"""Square meters held to PROJ's own equal-area projection centered on the spot, over the date line and around poles."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.warp import transform

from lantnet.scene.areas import middle_area, pixel_areas, polygon_area
from lantnet.scene.georeference import Georeference
from lantnet.scene.windows import Window


def placed(code: str, pixel: float, x: float, y: float, turn: float = 0.0) -> Georeference:
    c, s = pixel * math.cos(turn), pixel * math.sin(turn)
    return Georeference(CRS.from_user_input(code).to_wkt(), (c, s, x, s, -c, y))


def by_proj(ring: list[tuple[float, float]], place: Georeference) -> float:
    """Shoelace in the azimuthal equal-area projection centered on the ring, with every pixel's corner as a point."""
    points = []
    for (c0, r0), (c1, r1) in zip(ring, ring[1:] + ring[:1], strict=True):
        steps = int(max(abs(c1 - c0), abs(r1 - r0))) * 4
        points += [place.point(c0 + (c1 - c0) * i / steps, r0 + (r1 - r0) * i / steps) for i in range(steps)]
    x, y = (list(values) for values in zip(*points, strict=True))
    longitude, latitude = transform(place.crs, "EPSG:4326", x[:1], y[:1])
    centered = CRS.from_proj4(f"+proj=laea +lat_0={latitude[0]} +lon_0={longitude[0]} +datum=WGS84 +units=m")
    u, v = (np.asarray(values) for values in transform(place.crs, centered, x, y))
    u, v = u - u[0], v - v[0]
    return abs(float((u * np.roll(v, -1) - np.roll(u, -1) * v).sum())) / 2


RING = [(0.0, 0.0), (90.0, 0.0), (90.0, 40.0), (30.0, 40.0), (30.0, 70.0), (0.0, 70.0)]
PLACES = {
    "utm": placed("EPSG:32632", 10, 600000, 5200000),
    "web mercator at 60 north": placed("EPSG:3857", 20, 1_113_194, 8_399_737),
    "web mercator over the date line": placed("EPSG:3857", 30, 20_037_508 - 600, 4_000_000),
    "polar stereographic": placed("EPSG:3413", 40, -300_000, -900_000),
    "over the pole": placed("EPSG:3413", 40, -1200, 1300),
    "degrees": placed("EPSG:4326", 1 / 3600, 10, 60),
    "degrees over the date line": placed("EPSG:4326", 1 / 1200, 180 - 0.03, -16),
    "degrees from 0 to 360": placed("EPSG:4326", 1 / 1200, 200, -16),
    "turned": placed("EPSG:4326", 1 / 3600, 10, 60, turn=0.3),
    "equal area": placed("EPSG:3035", 25, 4_321_000, 3_210_000),
    "feet": placed("EPSG:2263", 30, 980_000, 200_000),
}


@pytest.mark.parametrize("name", PLACES)
def test_areas_are_those_on_the_ellipsoid(name: str) -> None:
    place = PLACES[name]
    area = polygon_area([RING], place)
    assert area == pytest.approx(by_proj(RING, place), rel=2e-6)
    hole = [(5.0, 5.0), (5.0, 15.0), (25.0, 15.0), (25.0, 5.0)]
    assert polygon_area([RING, hole], place) == pytest.approx(area - by_proj(hole, place), rel=2e-6)


def test_web_mercator_at_60_north_is_not_planar() -> None:
    """The precondition of the test above: there the plane overstates areas four times."""
    assert polygon_area([RING], PLACES["web mercator at 60 north"]) == pytest.approx(400 * 4500 / 4, rel=0.02)


@pytest.mark.parametrize("name", ["utm", "web mercator over the date line", "polar stereographic", "degrees", "turned"])
def test_areas_of_pixels_add_up_to_those_of_polygons(name: str) -> None:
    window = Window(3, 7, 150, 90)
    areas = pixel_areas(window, PLACES[name])
    assert areas is not None and areas.shape == (150, 90)
    ring = [(7.0, 3.0), (97.0, 3.0), (97.0, 153.0), (7.0, 153.0)]
    assert areas.sum() == pytest.approx(polygon_area([ring], PLACES[name]), rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.floats(-75, 75), st.floats(-179, 179), st.integers(1, 60), st.integers(1, 60))
def test_degrees_anywhere(latitude: float, longitude: float, rows: int, columns: int) -> None:
    place = placed("EPSG:4326", 1 / 600, longitude, latitude)
    ring = [(0.0, 0.0), (float(columns), 0.0), (float(columns), float(rows)), (0.0, float(rows))]
    assert polygon_area([ring], place) == pytest.approx(by_proj(ring, place), rel=1e-5)


def test_without_a_coordinate_system_there_is_no_area() -> None:
    bare = Georeference(None, (10, 0, 0, 0, -10, 0))
    assert polygon_area([RING], bare) is None
    assert pixel_areas(Window(0, 0, 4, 4), bare) is None
    assert middle_area(9, 9, bare) is None
