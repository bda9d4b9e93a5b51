"""When a pixel changed, how, for how long: exact accounts, then a whole series as users run it."""

import json
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
from rasterio.transform import Affine

from lantnet.cli.main import main
from lantnet.generated.pairs import Recipe, speckled_pair
from lantnet.results.maps import BRIGHTER, DARKER, NO_DATA
from lantnet.series.timeline import timeline

GRID = Affine(10, 0, 500000, 0, -10, 5200000)
DATES = ("20240105", "20240117", "20240129", "20240210")
NAN = np.nan


@pytest.mark.parametrize(
    ("levels", "found", "expected"),
    [
        ([0, 0, 0, 0], [0, 0, 0], (0, 0, 0, 0, 0)),
        ([0, 2, 2, 2], [1, 0, 0], (1, BRIGHTER, 3, 2, 1)),
        ([0, 0, -2, -2], [0, 1, 0], (2, DARKER, 2, 1, 1)),
        ([0, 0, 0, 2], [0, 0, 1], (3, BRIGHTER, 1, 0, 1)),
        ([0, -2, 0, 0], [1, 1, 0], (1, DARKER, 1, 0, 2)),  # a flood that goes again: its return is no change of its own
        ([0, -2, -2, 0], [1, 0, 1], (1, DARKER, 2, 1, 2)),
        ([0, 1, 0, -2], [1, 0, 1], (1, BRIGHTER, 1, 0, 2)),
        ([0, 1, 3, 3], [1, 1, 0], (1, BRIGHTER, 3, 2, 2)),
        ([0, 0.2, 3, 3], [1, 1, 0], (1, BRIGHTER, 3, 2, 2)),
        ([0, NAN, 2, 2], [0, 1, 0], (2, BRIGHTER, 2, 1, 1)),  # against the last date that held data
        ([0, 2, NAN, 2], [1, 0, 0], (1, BRIGHTER, 2, 1, 1)),
        ([0, 2, NAN, 0], [1, 0, 0], (1, BRIGHTER, 1, 0, 1)),
        ([NAN, NAN, 2, NAN], [0, 0, 0], (NO_DATA,) * 5),
    ],
)
def test_accounts_of_single_pixels(levels: list[float], found: list[int], expected: tuple[int, ...]) -> None:
    """(date, direction, persistence, confirmed, changes), derived by hand from the rules of the module's docstring."""
    account = timeline(np.array(found, dtype=bool)[:, None, None], np.array(levels, dtype=np.float32)[:, None, None])
    values = (account.date, account.direction, account.persistence, account.confirmed, account.changes)
    assert tuple(int(value[0, 0]) for value in values) == expected


def test_of_two_changes_the_one_that_lasts_is_told() -> None:
    """A false alarm at the first date, then a true change."""
    levels = np.array([0, 1, 0.1, -3, -3, -3], np.float32)[:, None, None]
    account = timeline(np.array([1, 0, 1, 0, 0], bool)[:, None, None], levels)
    assert (account.date[0, 0], account.direction[0, 0], account.confirmed[0, 0]) == (3, DARKER, 2)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Four dates: a square gets darker at the third and stays, another brighter at the second and goes back."""
    folder = tmp_path_factory.mktemp("series")
    lasting, passing = np.zeros((2, 128, 128), dtype=bool)
    lasting[20:60, 20:60] = True
    passing[70:110, 70:110] = True
    names = []
    for number, date in enumerate(DATES):
        land = speckled_pair(128, 128, Recipe("none", 0, 6000, 1)).before
        power = land * np.random.default_rng(number).gamma(6, 1 / 6, land.shape)
        power = np.where(lasting & (number >= 2), power / 8, power)
        power = np.where(passing & (number == 1), power * 8, power).astype(np.float32)
        path = folder / f"S1A_{date}T170000.tif"
        with rasterio.open(
            path, "w", driver="GTiff", height=128, width=128, count=1, dtype="float32", crs="EPSG:32632", transform=GRID
        ) as dataset:
            dataset.write(power, 1)
        names.append(str(path))
    return names, lasting, passing


@pytest.mark.slow
def test_a_series_as_users_run_it(
    images: tuple[list[str], np.ndarray, np.ndarray], tmp_path: Path, quick_default: object,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    names, lasting, passing = images
    arguments = ["--quiet", "--tile", "64"]
    assert main(["series", *reversed(names), "-o", str(tmp_path / "one"), *arguments]) == 0
    arguments += ["--workers", "2", "--dask", "processes"]
    assert main(["series", *names, "-o", str(tmp_path / "two"), *arguments]) == 0
    assert "2024-01-29T17:00:00Z" in capsys.readouterr().out
    maps = {}
    for name in ("date", "direction", "persistence", "confirmed", "changes"):
        paths = [tmp_path / run / f"{name}.tif" for run in ("one", "two")]
        with rasterio.open(paths[0]) as one, rasterio.open(paths[1]) as two:
            maps[name] = one.read(1)
            np.testing.assert_array_equal(maps[name], two.read(1))
            assert one.tags()["LANTNET_DATES"].startswith("2024-01-05")
    inner = np.zeros_like(lasting)
    inner[25:55, 25:55] = True
    assert (maps["date"][inner] == 2).mean() > 0.95
    told = inner & (maps["date"] == 2)
    assert (maps["direction"][told] == DARKER).all()
    assert (maps["persistence"][told] == 2).mean() > 0.95
    assert (maps["confirmed"][told] == 1).mean() > 0.95
    gone = np.zeros_like(passing)
    gone[75:105, 75:105] = True
    assert (maps["date"][gone] == 1).mean() > 0.95
    assert (maps["persistence"][gone & (maps["date"] == 1)] == 1).mean() > 0.95
    assert (maps["changes"][gone] == 2).mean() > 0.9
    assert (maps["date"][~lasting & ~passing] > 0).mean() < 0.05
    fields = pyogrio.raw.read(tmp_path / "one" / "changes.gpkg")
    rows = [dict(zip(fields[0]["fields"], values, strict=True)) for values in zip(*fields[3], strict=True)]
    largest = max((row for row in rows if row["date"].startswith("2024-01-29")), key=lambda row: row["pixels"])
    assert (largest["before"], largest["direction"], largest["confirmed"]) == ("2024-01-17T17:00:00Z", "darker", "yes")
    assert largest["area_m2"] == pytest.approx(100 / 0.9996**2 * largest["pixels"], rel=1e-4)
    item = json.loads((tmp_path / "one" / "item.json").read_text())
    assert item["properties"]["start_datetime"] == "2024-01-05T17:00:00Z"
    assert (tmp_path / "one" / "date.qml").read_text().count("paletteEntry") == 4


@pytest.mark.parametrize(
    ("count", "extra", "words"),
    [
        (2, [], "3 to 250 images; got 2"),
        (4, ["--dates", "2024-01-01,2024-01-02"], "2 dates and 4 images"),
        (4, ["--dates", "2024-01-01,2024-01-02,2024-01-02,2024-01-03"], "2024-01-02 occurs twice"),
    ],
)
def test_what_is_no_series(
    images: tuple[list[str], np.ndarray, np.ndarray], tmp_path: Path, count: int, extra: list[str], words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert main(["series", *images[0][:count], "-o", str(tmp_path / "out"), *extra]) == 2
    assert words in capsys.readouterr().err


def test_images_without_a_date_are_asked_for_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "abc":
        np.save(tmp_path / f"{name}.npy", np.ones((20, 20), np.float32))
    assert main(["series", *(str(tmp_path / f"{name}.npy") for name in "abc"), "-o", str(tmp_path / "out")]) == 2
    assert "the date of" in capsys.readouterr().err
