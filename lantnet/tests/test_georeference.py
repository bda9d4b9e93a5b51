"""Grids that match, grids that do not, radar geometry, and areas on the ground."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.transform import Affine

from lantnet import InputError
from lantnet.scene.georeference import check_same_grid
from lantnet.scene.names import open_source
from lantnet.scene.source import ArraySource

GRID = Affine(10, 0, 500000, 0, -10, 5200000)


def tiff(path: Path, *, shape: tuple[int, int] = (20, 30), **profile: Any) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", height=shape[0], width=shape[1], count=1, dtype="float32", **profile
    ) as dataset:
        dataset.write(np.ones(shape, np.float32), 1)
    return path


def check(first: Path, second: Path) -> None:
    check_same_grid(open_source(first), open_source(second))


def test_the_same_grid_passes_and_is_kept(tmp_path: Path) -> None:
    first = tiff(tmp_path / "a.tif", crs="EPSG:32632", transform=GRID)
    check(first, tiff(tmp_path / "b.tif", crs="EPSG:32632", transform=Affine(10, 0, 500000.001, 0, -10, 5200000)))
    place = open_source(first).georeference
    assert place is not None
    assert place.transform == tuple(GRID)[:6]


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
def test_mismatches_are_refused_with_the_command_that_fixes_them(tmp_path: Path, profile: Any, words: str) -> None:
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
    with pytest.raises(InputError, match=r"ground control points.*Terrain"):
        open_source(path)


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_plain_images_have_no_place(tmp_path: Path) -> None:
    assert open_source(tiff(tmp_path / "a.tif")).georeference is None
    check_same_grid(ArraySource(np.ones((3, 4)), "a"), ArraySource(np.ones((3, 4)), "b"))
