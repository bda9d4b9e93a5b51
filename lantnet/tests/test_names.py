"""What users call images by: sub-data of NetCDF and HDF5, archives, URLs; scale and offset, units, dates, bands."""

import pickle
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.transform import Affine

from lantnet import InputError
from lantnet.scene.alignment import align
from lantnet.scene.georeference import check_same_grid
from lantnet.scene.names import date_in, open_source
from lantnet.scene.scale import Scale
from lantnet.scene.scene import open_scene
from lantnet.scene.source import Source
from lantnet.scene.windows import Window

GRID = Affine(10, 0, 500000, 0, -10, 5200000)
VALUES = np.random.default_rng(3).gamma(4, 0.25, (60, 80)).astype(np.float32)


def tiff(
    path: Path, bands: list[np.ndarray], *, transform: Affine = GRID, crs: str = "EPSG:32632", **tags: Any
) -> Path:
    height, width = bands[0].shape
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=len(bands), dtype=bands[0].dtype,
        crs="EPSG:32632", transform=transform, nodata=tags.pop("nodata", None),
    ) as dataset:  # fmt: skip
        dataset.write(np.stack(bands))
        for name, value in tags.items():
            setattr(dataset, name, value)
    return path


def whole(source: Source) -> tuple[np.ndarray, np.ndarray]:
    return source.read(Window(0, 0, source.height, source.width))


def test_scaled_integers_become_what_they_measure_and_their_unit_is_heard(tmp_path: Path) -> None:
    stored = np.rint(10 * np.log10(VALUES) / 0.01).astype(np.int16)
    stored[0, :5] = -32768
    path = tiff(
        tmp_path / "S1A_20240131_vv.tif", [stored], nodata=-32768, scales=(0.01,), offsets=(0.5,), units=("dB",)
    )
    source = open_source(path)
    values, valid = whole(source)
    np.testing.assert_allclose(values[valid], (stored * 0.01 + 0.5)[valid], atol=1e-4)
    assert (~valid).sum() == 5
    assert (source.dtype, source.declared, source.date) == ("float32", Scale.DECIBEL, "2024-01-31")


def test_a_source_travels_to_other_processes_and_opens_there(tmp_path: Path) -> None:
    source = open_source(tiff(tmp_path / "a.tif", [VALUES]))
    whole(source)
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(whole(again)[0], VALUES)
    assert len(pickle.dumps(source)) < 5000


def test_bands_by_name(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", [VALUES, 2 * VALUES], descriptions=("VV", "VH"))
    with pytest.raises(InputError, match=r"2 bands that differ.*\(VV, VH\)"):
        open_source(path)
    source = open_source(path, band="vh")
    np.testing.assert_array_equal(whole(source)[0], 2 * VALUES)
    assert source.channel == "VH"
    with pytest.raises(InputError, match="one of the bands VV, VH"):
        open_source(path, band="HH")


def test_variables_of_netcdf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    xarray = pytest.importorskip("xarray")
    coordinates = {"y": 5199995.0 - 10 * np.arange(60), "x": 500005.0 + 10 * np.arange(80)}
    mapped = {"grid_mapping": "crs"}
    data: dict[str, Any] = {name: (("y", "x"), factor * VALUES, mapped) for name, factor in (("VV", 1), ("VH", 2))}
    text = rasterio.crs.CRS.from_epsg(32632).to_wkt()
    data["crs"] = ((), 0, {"crs_wkt": text, "spatial_ref": text, "GeoTransform": "500000 10 0 5200000 0 -10"})
    xarray.Dataset(data, coordinates).to_netcdf(tmp_path / "x.nc", engine="scipy")
    for name in (f"{tmp_path}/x.nc:VH", f'NETCDF:"{tmp_path}/x.nc":VH'):
        source = open_source(name)
        np.testing.assert_array_equal(whole(source)[0], 2 * VALUES)
        assert source.georeference is not None and source.georeference.transform == tuple(GRID)[:6]
    with pytest.raises(InputError, match=r"several images: VV, VH. Name one as .*x.nc:NAME"):
        open_source(tmp_path / "x.nc")


def test_a_netcdf_without_coordinates_is_said_to_be_read_from_its_last_row(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    xarray.Dataset({"VV": (("y", "x"), VALUES)}).to_netcdf(tmp_path / "plain.nc", engine="scipy")
    source = open_source(tmp_path / "plain.nc")
    np.testing.assert_array_equal(whole(source)[0][::-1], VALUES)
    again = open_source(tmp_path / "plain.nc")
    scene = open_scene(source, again, scale=None, tile=64, track=lambda windows, name: windows)
    assert sum("reads its last row first" in note for note in scene.notes) == 2
    placed = open_source(tiff(tmp_path / "a.tif", [VALUES]))
    assert placed.remark is None


def test_datasets_of_hdf5(tmp_path: Path) -> None:
    rasterio.shutil.copy(tiff(tmp_path / "a.tif", [VALUES]), tmp_path / "a.nc", driver="netCDF", FORMAT="NC4")
    (tmp_path / "a.nc").rename(tmp_path / "a.h5")
    for name in ("Band1", "/Band1"):
        source = open_source(f"{tmp_path}/a.h5:{name}")
        values, _ = whole(source)
        assert source.georeference is None and source.remark is None  # GDAL's HDF5 has no order of its own
        np.testing.assert_array_equal(values[::-1], VALUES)  # NetCDF counts rows from the south
    with pytest.raises(InputError, match=r"a\.h5:Band7"):
        open_source(f"{tmp_path}/a.h5:Band7")


def test_archives(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", [VALUES])
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "deep/a.tif")
    for name in (tmp_path / "a.zip", f"/vsizip/{tmp_path}/a.zip/deep/a.tif"):
        np.testing.assert_array_equal(whole(open_source(name))[0], VALUES)
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        archive.write(path, "other.tif")
    with pytest.raises(InputError, match=r"must contain one raster.*deep/a.tif, other.tif"):
        open_source(tmp_path / "a.zip")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of a server that gives parts of the files of a folder."""
    command = [sys.executable, str(Path(__file__).with_name("file_server.py")), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        server.kill()


def test_urls(tmp_path: Path, served: str) -> None:
    tiff(tmp_path / "a_20240105T101112.tif", [VALUES])
    source = open_source(f"{served}/a_20240105T101112.tif")
    np.testing.assert_array_equal(whole(source)[0], VALUES)
    assert source.date == "2024-01-05T10:11:12Z"
    with pytest.raises(InputError, match="cannot be read as an image"):
        open_source(f"{served}/none.tif")


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("S1A_IW_GRDH_1SDV_20240131T170000_20240131T170025_052.tif", "2024-01-31T17:00:00Z"),
        ("2024:01:31 10:20:30", "2024-01-31T10:20:30Z"),
        ("scene_2024-01-31", "2024-01-31"),
        ("scene_20241331.tif", None),
        ("scene_1202401310.tif", None),
    ],
)
def test_dates(text: str, date: str | None) -> None:
    assert date_in(text) == date


def test_another_grid_is_warped_to_the_first(tmp_path: Path) -> None:
    """A smooth field, known in meters, on a grid of another pixel, origin and zone: the same numbers come back."""

    def field(place: Affine, height: int, width: int) -> np.ndarray:
        columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        x, y = place.a * columns + place.c, place.e * rows + place.f
        return (2 + np.sin((x - 500000) / 90) * np.cos((y - 5200000) / 120)).astype(np.float32)

    finer = Affine(7, 0, 499903, 0, -7, 5200071)
    before = open_source(tiff(tmp_path / "a.tif", [field(GRID, 60, 80)]))
    after = open_source(tiff(tmp_path / "b.tif", [field(finer, 120, 150)], transform=finer))
    with pytest.raises(InputError, match="--align"):
        check_same_grid(before, after)
    aligned, notes = align(before, after, "grid")
    check_same_grid(before, aligned)
    values, valid = whole(aligned)
    assert "warped" in notes[0]
    assert valid.mean() > 0.95
    assert np.abs(values - whole(before)[0])[valid].max() < 0.01
    part = aligned.read(Window(11, 20, 30, 40))[0]
    np.testing.assert_array_equal(part, values[11:41, 20:60])


def test_a_zero_frame_does_not_bleed_into_what_is_warped(tmp_path: Path) -> None:
    framed = np.full((60, 80), -12.0, np.float32)
    framed[:, :10] = 0
    before = open_source(tiff(tmp_path / "a.tif", [framed]))
    half = Affine(10, 0, 499995, 0, -10, 5200005)
    aligned, _ = align(before, open_source(tiff(tmp_path / "b.tif", [framed], transform=half)), "grid")
    values, valid = whole(aligned)
    np.testing.assert_allclose(values[valid], -12, atol=1e-4)
    assert 0.8 < valid.mean() < 0.95


def test_what_cannot_be_aligned(tmp_path: Path) -> None:
    np.save(tmp_path / "b.npy", VALUES[:50])
    before = open_source(tiff(tmp_path / "a.tif", [VALUES]))
    with pytest.raises(InputError, match="coordinate systems"):
        align(before, open_source(tmp_path / "b.npy"), "grid")
