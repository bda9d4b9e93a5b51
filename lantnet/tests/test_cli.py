"""The command as its users meet it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
from PIL import Image
from rasterio.transform import Affine

import lantnet
from lantnet import detection
from lantnet.cli.main import main
from lantnet.generated.pairs import Pair, Recipe, as_8bit, speckled_pair

pytestmark = pytest.mark.usefixtures("quick_default")
GRID = Affine(20, 0, 500000, 0, -20, 5200000)


def geotiff(path: Path, values: np.ndarray) -> str:
    height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=1, dtype=values.dtype,
        crs="EPSG:32632", transform=GRID, nodata=np.nan if values.dtype.kind == "f" else None,
    ) as dataset:  # fmt: skip
        dataset.write(values, 1)
    return str(path)


def png(path: Path, values: np.ndarray) -> str:
    Image.fromarray(values).save(path)
    return str(path)


def test_geotiff_in_and_out(fields: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    holed = fields.before.copy()
    holed[:6] = np.nan
    before, after = geotiff(tmp_path / "a.tif", holed), geotiff(tmp_path / "b.tif", fields.after)
    out = tmp_path / "out"
    assert main(["detect", before, after, "-o", str(out), "--min-area", "20000", "--tile", "64"]) == 0
    names = ["changes.geojson", "changes.gpkg", "direction.tif", "mask.tif", "probability.tif", "quicklook.png"]
    styles = [f"{name}.qml" for name in ("changes", "direction", "mask", "probability")]
    assert sorted(path.name for path in out.iterdir()) == sorted([*names, *styles, "item.json", "report.json"])
    arrays = {}
    for name in ("mask", "probability", "direction"):
        with rasterio.open(out / f"{name}.tif") as dataset:
            assert (dataset.crs.to_epsg(), dataset.transform) == (32632, GRID)
            arrays[name], nodata = dataset.read(1), dataset.nodata
        assert np.isnan(nodata) if name == "probability" else nodata == 255
    expected = lantnet.detect(holed, fields.after, min_pixels=50)
    assert (arrays["mask"] == np.where(expected.valid, expected.mask, 255)).all()
    assert (arrays["direction"] == expected.direction).all()
    np.testing.assert_allclose(arrays["probability"], expected.probability, atol=1e-5)
    report = json.loads((out / "report.json").read_text())
    changed = int(expected.mask.sum())
    area = 400 / 0.9996**2  # on the central meridian of UTM
    assert report["result"]["changed_area_m2"] == pytest.approx(area * changed, rel=1e-4)
    assert (report["options"]["seed"], report["smallest_region_pixels"]) == (0, 50)
    assert {"torch", "numpy", "lantnet"} <= report["versions"].keys()
    assert report["learning"]["pre_labels"]["changed"] > 0
    layer = pyogrio.raw.read(out / "changes.gpkg", columns=["area_m2"], read_geometry=False)
    assert layer[3][0].sum() == pytest.approx(area * changed, rel=1e-4)
    printed = capsys.readouterr().out
    assert "power (detected)" in printed
    assert "have no data" in printed


def test_a_second_polarization_is_taken_along(fields: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """VV shows a field in the left half, VH one in the right: the result holds both."""
    names = []
    for channel, columns in (("VV", slice(10, 40)), ("VH", slice(70, 100))):
        land = speckled_pair(96, 112, Recipe("none", 0, 6, 3 if channel == "VV" else 4))
        after = land.after.copy()
        after[30:60, columns] *= 10
        names += [geotiff(tmp_path / f"{date}_{channel}.tif", v) for date, v in (("a", land.before), ("b", after))]
    out = tmp_path / "out"
    assert main(["detect", *names[:2], "--also", *names[2:], "-o", str(out), "--quiet"]) == 0
    with rasterio.open(out / "direction.tif") as dataset:
        direction, tags = dataset.read(1), dataset.tags()
    assert (direction[34:56, 14:36] == 1).mean() > 0.95 and (direction[34:56, 74:96] == 1).mean() > 0.95
    assert (direction[:, 45:65] == 0).mean() > 0.95
    assert all(name in tags["LANTNET_BEFORE"] for name in ("a_VV.tif", "a_VH.tif"))
    report = json.loads((out / "report.json").read_text())
    assert len(report["learning"]) == 2
    assert len(json.loads((out / "changes.geojson").read_text())["features"]) >= 2
    capsys.readouterr()
    short = geotiff(tmp_path / "short.tif", fields.before[:90])
    assert main(["detect", *names[:2], "--also", short, short, "-o", str(tmp_path / "no")]) == 2
    assert "same size" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["png", "bmp", "npy"])
def test_plain_images_in_and_out(fields: Pair, tmp_path: Path, suffix: str) -> None:
    before, after = as_8bit(fields.before), as_8bit(fields.after)
    paths = [str(tmp_path / f"{name}.{suffix}") for name in "ab"]
    for path, values in zip(paths, (before, after), strict=True):
        np.save(path, values) if suffix == "npy" else Image.fromarray(values).save(path)
    out = tmp_path / "out"
    assert main(["detect", *paths, "-o", str(out), "--quiet"]) == 0
    expected = lantnet.detect(before, after)
    if suffix == "npy":
        mask, probability = np.load(out / "mask.npy"), np.load(out / "probability.npy")
        assert (np.load(out / "direction.npy") == expected.direction).all()
    else:
        mask, probability = (np.asarray(Image.open(out / name)) for name in ("mask.png", "probability.tif"))
        assert set(np.unique(np.asarray(Image.open(out / "direction.png")))) <= {0, 128, 255}
    assert ((mask > 0) == expected.mask).all()
    assert (probability == expected.probability).all()


def test_missing_pixels_of_a_png_are_transparent_and_evaluate_leaves_them_out(fields: Pair, tmp_path: Path) -> None:
    before, after = as_8bit(fields.before), as_8bit(fields.after)
    before[:10] = 0
    paths = [png(tmp_path / "a.png", before), png(tmp_path / "b.png", after)]
    assert main(["detect", *paths, "-o", str(tmp_path / "o"), "--quiet", "--nodata", "0"]) == 0
    mask = Image.open(tmp_path / "o" / "mask.png")
    assert mask.mode == "LA"
    assert not np.asarray(mask)[:10, :, 1].any()
    truth = fields.truth.copy()
    truth[:10] = True
    scores = tmp_path / "scores.json"
    png(tmp_path / "t.png", truth)
    assert main(["evaluate", str(tmp_path / "o" / "mask.png"), str(tmp_path / "t.png"), "--json", str(scores)]) == 0
    kept = np.asarray(mask)[..., 1] > 0
    expected = lantnet.evaluate(np.asarray(mask)[..., 0] > 0, truth, valid=kept)
    assert json.loads(scores.read_text()) == expected.as_dict()


def test_evaluate_prints_a_table_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = np.zeros((20, 20), np.uint8)
    truth[:10] = 255
    mask = np.zeros((20, 20), np.uint8)
    mask[1:11] = 1
    geotiff(tmp_path / "mask.tif", mask)
    png(tmp_path / "truth.png", truth)
    arguments = [
        "evaluate",
        str(tmp_path / "mask.tif"),
        str(tmp_path / "truth.png"),
        "--json",
        str(tmp_path / "s.json"),
    ]
    assert main(arguments) == 0
    scores = json.loads((tmp_path / "s.json").read_text())
    assert list(scores) == ["fp", "fn", "oe", "pcc", "kc", "f1", "iou"]
    assert (scores["fp"], scores["fn"], scores["oe"], scores["pcc"]) == (20, 20, 40, 90)
    assert scores["kc"] == pytest.approx(80)
    assert "80.00" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("values", "words"),
    [(np.full((9, 9), 0.3, np.float32), "probability map"), (np.full((9, 9), np.nan, np.float32), "must contain data")],
)
def test_evaluate_refuses_what_is_no_mask(
    tmp_path: Path, values: np.ndarray, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = geotiff(tmp_path / "p.tif", values)
    assert main(["evaluate", path, path]) == 2
    assert words in capsys.readouterr().err


def test_gray_truths_are_read_with_a_remark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = png(tmp_path / "t.png", np.tile(np.uint8([0, 100, 200, 255]), (4, 1)))
    assert main(["evaluate", path, path]) == 0
    assert "8 pixels are neither 0 nor 255" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--recipe", "x"], "default, paper"),
        (["--scale", "x"], "8bit"),
        (["--min-area", "5"], "square meters needs"),
        (["--min-area", "-5"], "above 0"),
        (["--band", "2"], "band 2 was requested"),
        (["--threshold", "2"], "between 0 and 1"),
        (["-o", "FILE"], "folder that can be written"),
    ],
)
def test_bad_input_is_one_message_and_code_2(
    fields: Pair, tmp_path: Path, extra: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "FILE").write_text("in the way")
    extra = [str(tmp_path / part) if part == "FILE" else part for part in extra]
    paths = [png(tmp_path / f"{name}.png", as_8bit(fields.before)) for name in "ab"]
    assert main(["detect", *paths, "-o", str(tmp_path / "out"), "--quiet", *extra]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.startswith("lantnet: ")
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_missing_arguments_are_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["detect", "a.tif"])
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_ctrl_c_leaves_what_was_there(
    fields: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(detection, "clean", interrupted)
    out = tmp_path / "out"
    out.mkdir()
    (out / "mask.tif").write_text("of an earlier run")
    paths = [geotiff(tmp_path / "a.tif", fields.before), geotiff(tmp_path / "b.tif", fields.after)]
    assert main(["detect", *paths, "-o", str(out), "--quiet"]) == 130
    assert [path.name for path in out.iterdir()] == ["mask.tif"]
    assert (out / "mask.tif").read_text() == "of an earlier run"
    assert "stopped" in capsys.readouterr().err


def test_runs_without_the_packages_of_the_other_system(fields: Pair, tmp_path: Path) -> None:
    """`python -m lantnet` in a process that cannot import transformers, pydantic or av."""
    png(tmp_path / "t.png", fields.truth)
    block = "import sys; sys.modules.update({n: None for n in ('transformers', 'pydantic', 'av', 'reeltune')}); "
    run = "import runpy; sys.argv = ['lantnet', *sys.argv[1:]]; runpy.run_module('lantnet', run_name='__main__')"
    command = [sys.executable, "-c", block + run, "evaluate", str(tmp_path / "t.png"), str(tmp_path / "t.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "100.00" in done.stdout


def test_compare_shows_recipes_and_quick_methods(
    fields: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [png(tmp_path / "a.png", as_8bit(fields.before)), png(tmp_path / "b.png", as_8bit(fields.after))]
    truth = png(tmp_path / "t.png", fields.truth)
    arguments = ["compare", *paths, truth, "-o", str(tmp_path / "out"), "--recipes", "default", "--seeds", "2"]
    assert main([*arguments, "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = ["srad + otsu", "srad + kittler-illingworth", "mean ratio + otsu", "pca + k-means", "default"]
    assert [line[:28].strip() for line in lines[1:6]] == names
    content = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert {name: len(runs) for name, runs in content.items()} == {name: 1 + (name == "default") for name in names}
    assert Image.open(tmp_path / "out" / "compare.png").width > 3 * 112
    assert main([*arguments[:-1], "0"]) == 2
    assert main(["compare", *paths, png(tmp_path / "small.png", fields.truth[:50])]) == 2


def test_gallery_of_a_folder_of_pairs(fields: Pair, tmp_path: Path) -> None:
    folder = tmp_path / "pairs" / "<field>"
    folder.mkdir(parents=True)
    for name, values in (("im1", as_8bit(fields.before)), ("im2", as_8bit(fields.after)), ("gt", fields.truth)):
        png(folder / f"{name}.png", values)
    assert main(["gallery", "-o", str(tmp_path / "out"), "--pairs", str(tmp_path / "pairs"), "--quiet"]) == 0
    page = (tmp_path / "out" / "index.html").read_text()
    assert "&lt;field&gt;" in page
    assert "<field>" not in page
    assert "pair01.png" in page
    assert Image.open(tmp_path / "out" / "pair01.png").width > 3 * 112
    assert main(["gallery", "-o", str(tmp_path / "o2"), "--pairs", str(tmp_path / "out")]) == 2


def test_simulate_writes_a_pair_that_the_other_commands_take(tmp_path: Path) -> None:
    out = tmp_path / "pair"
    assert main(["simulate", "-o", str(out), "--size", "64", "--change", "fields", "--density", "1", "--quiet"]) == 0
    with rasterio.open(out / "before.tif") as before, rasterio.open(out / "truth.tif") as truth:
        assert (before.crs.to_epsg(), before.shape, before.dtypes) == (32632, (64, 64), ("float32",))
        expected = speckled_pair(64, 64, Recipe("fields", 1.0, 4, 0))
        assert (before.read(1) == expected.before).all()
        assert (truth.read(1) == expected.truth).all()
    assert main(["evaluate", str(out / "truth.tif"), str(out / "truth.tif")]) == 0
    assert main(["simulate", "-o", str(out), "--size", "3"]) == 2
    assert main(["simulate", "-o", str(out), "--density", "7"]) == 2
