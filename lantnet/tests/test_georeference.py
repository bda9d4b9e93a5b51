"""Grids that match, grids that do not, radar geometry, and areas on the ground."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.transform import Affine

from lantnet import InputError
from lantnet.scene.bands import ArrayBand, open_band
from lantnet.scene.georeference import Georeference, check_same_grid, ring_area

GRID = Affine(10, 0, 500000, 0, -10, 5200000)


def tiff(path: Path, *, shape: tuple[int, int] = (20, 30), **profile: Any) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", height=shape[0], width=shape[1], count=1, dtype="float32", **profile
    ) as dataset:
        dataset.write(np.ones(shape, np.float32), 1)
    return path


def check(first: Path, second: Path) -> None:
    with open_band(first) as before, open_band(second) as after:
        check_same_grid(before, after)


def test_the_same_grid_passes_and_is_kept(tmp_path: Path) -> None:
    first = tiff(tmp_path / "a.tif", crs="EPSG:32632", transform=GRID)
    check(first, tiff(tmp_path / "b.tif", crs="EPSG:32632", transform=Affine(10, 0, 500000.001, 0, -10, 5200000)))
    with open_band(first) as band:
        assert band.georeference is not None
        assert band.georeference.transform == tuple(GRID)[:6]
        assert band.georeference.pixel_area(20, 30) == 100


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ({"shape": (20, 31)}, "same size"),
        ({"crs": "EPSG:32633"}, "EPSG:32632.*EPSG:32633"),
        ({"transform": Affine(10, 0, 500005, 0, -10, 5200000)}, "off by 0.5 pixels"),
        ({"transform": Affine(10.1, 0, 500000, 0, -10.1, 5200000)}, "off by 0.3 pixels"),
        ({"crs": None, "transform": Affine.identity()}, "has one and .* has none"),
    ],
)
@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_mismatches_are_refused_with_the_command_that_mends_them(tmp_path: Path, profile: Any, words: str) -> None:
    base = {"crs": "EPSG:32632", "transform": GRID}
    first = tiff(tmp_path / "a.tif", **base)
    with pytest.raises(InputError, match=words) as caught:
        check(first, tiff(tmp_path / "b.tif", **(base | profile)))
    if "crs" not in profile or profile["crs"]:
        assert "gdalwarp -r bilinear -t_srs EPSG:32632 -te 500000 5199800 500300 5200000 -ts 30 20" in str(caught.value)


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_radar_geometry_is_refused_with_a_pointer_to_terrain_correction(tmp_path: Path) -> None:
    points = [GroundControlPoint(r, c, 10 + c / 100, 50 - r / 100) for r, c in ((0, 0), (0, 30), (20, 0), (20, 30))]
    path = tiff(tmp_path / "grd.tif", gcps=points, crs="EPSG:4326")
    with pytest.raises(InputError, match=r"ground control points.*Terrain"), open_band(path):
        pass


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_plain_images_have_no_place(tmp_path: Path) -> None:
    with open_band(tiff(tmp_path / "a.tif")) as band:
        assert band.georeference is None
    check_same_grid(ArrayBand(np.ones((3, 4)), "a"), ArrayBand(np.ones((3, 4)), "b"))


def test_area_of_a_pixel_of_a_degree_grid_is_that_on_the_ellipsoid(tmp_path: Path) -> None:
    """One arc second at 60 degrees north: 30.9 m by half of that."""
    step = 1 / 3600
    with open_band(
        tiff(tmp_path / "a.tif", crs="EPSG:4326", transform=Affine(step, 0, 10, 0, -step, 60 + 10 * step))
    ) as band:
        assert band.georeference is not None
        area = band.georeference.pixel_area(20, 30)
    a, f = 6378137.0, 1 / 298.257223563
    e2, phi = f * (2 - f), math.radians(60)
    meridian = a * (1 - e2) / (1 - e2 * math.sin(phi) ** 2) ** 1.5
    normal = a / math.sqrt(1 - e2 * math.sin(phi) ** 2)
    assert area == pytest.approx(meridian * normal * math.cos(phi) * math.radians(step) ** 2, rel=1e-4)


def test_feet_become_metres_and_no_system_has_no_area() -> None:
    feet = rasterio.crs.CRS.from_epsg(2263).to_wkt()
    transform = (10.0, 0.0, 0.0, 0.0, -10.0, 0.0)
    assert Georeference(feet, transform).pixel_area(5, 5) == pytest.approx(100 * 0.3048006096**2, rel=1e-9)
    assert Georeference(None, transform).pixel_area(5, 5) is None


def test_ring_area_far_from_the_origin() -> None:
    ring = [(5e5 + x, 5.2e6 + y) for x, y in ((0, 0), (3, 0), (3, 2), (0, 2), (0, 0))]
    assert ring_area(ring) == 6
