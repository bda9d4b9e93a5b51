"""A shift between dates is measured to a fraction of a pixel through speckle and change, and taken out."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine
from scipy import ndimage

from lantnet.generated.nasty import Nasty, nasty_pair
from lantnet.generated.pairs import Recipe, speckled_pair
from lantnet.scene.alignment import ShiftedSource, align
from lantnet.scene.names import open_source
from lantnet.scene.registration import clear_shift
from lantnet.scene.source import ArraySource
from lantnet.scene.windows import Window


@pytest.mark.parametrize("looks", [1, 4, 10])
@pytest.mark.parametrize("shift", [0.0, 0.4, 1.0, 2.0, 5.3])
def test_shift_of_generated_pairs(looks: float, shift: float) -> None:
    """The generator moves the second date by (shift, -shift / 2)."""
    pair = nasty_pair(256, 256, Nasty(shift=shift, looks=looks, share=0.1, seed=3))
    found, peak = clear_shift([(np.sqrt(pair.before), np.sqrt(pair.after))])
    assert found == pytest.approx((shift, -shift / 2), abs=0.3)
    assert peak > 8


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("density", [0.1, 0.2])
def test_a_river_that_widens_is_no_shift(density: float, seed: int) -> None:
    """Its borders match each other 20 and 40 pixels away, better than the fields do; nearby, by a pixel or two."""
    pair = speckled_pair(256, 256, Recipe("flood", density, 2, seed))
    shift, _ = clear_shift([(80 * np.sqrt(pair.before), 80 * np.sqrt(pair.after))])
    assert shift is None or np.hypot(*shift) < 2


def test_speckle_alone_and_flat_ground_have_no_shift() -> None:
    rng = np.random.default_rng(0)
    noise = [tuple(rng.gamma(2, 0.5, (2, 128, 128)).astype(np.float32)) for _ in range(4)]
    shift, peak = clear_shift((first, second) for first, second in noise)
    assert shift is None and 0 < peak < 6
    assert clear_shift([(np.ones((64, 64), np.float32),) * 2]) == (None, 0.0)


def test_a_shifted_source_shows_what_lies_there_in_any_window() -> None:
    values = np.add.outer(np.arange(40.0), 3 * np.arange(50.0)).astype(np.float32)
    moved = ShiftedSource(ArraySource(values, "a"), 1.25, -2.5)
    whole, valid = moved.read(Window(0, 0, 40, 50))
    np.testing.assert_allclose(whole[valid], (values + 1.25 - 7.5)[valid], atol=1e-4)
    assert valid[:38, 3:].all() and not valid[39].any() and not valid[:, :2].any()
    part, inside = moved.read(Window(7, 9, 20, 30))
    np.testing.assert_allclose(part, whole[7:27, 9:39], atol=1e-4)
    assert (inside == valid[7:27, 9:39]).all()


def test_measured_alignment_of_arrays_and_of_rasters(tmp_path: Path) -> None:
    pair = nasty_pair(256, 256, Nasty(looks=6, share=0.05, seed=5))
    late = ndimage.shift(pair.after, (2.0, -1.0), order=1, mode="nearest")
    paths = []
    for name, values in (("a", pair.before), ("b", late)):
        paths.append(tmp_path / f"{name}.tif")
        with rasterio.open(
            paths[-1], "w", driver="GTiff", height=256, width=256, count=1, dtype="float32", crs="EPSG:32632",
            transform=Affine(10, 0, 5e5, 0, -10, 5.2e6),
        ) as dataset:  # fmt: skip
            dataset.write(values, 1)
    for before, after in (
        (ArraySource(pair.before, "a"), ArraySource(late, "b")),
        (open_source(paths[0]), open_source(paths[1])),
    ):
        moved, notes = align(before, after, "measured")
        assert "by phase correlation; it was corrected" in notes[-1]
        window = Window(20, 20, 200, 200)
        error = np.abs(moved.read(window)[0] - pair.after[window.slices]).mean()
        assert error < 0.5 * np.abs(late - pair.after)[window.slices].mean()
    far = ndimage.shift(pair.after, (20.0, -7.0), order=1, mode="reflect")
    moved, notes = align(ArraySource(pair.before, "a"), ArraySource(far, "b"), "measured")
    assert isinstance(moved, ShiftedSource) and (moved.down, moved.right) == pytest.approx((20, -7), abs=0.3)
    same, notes = align(ArraySource(pair.before, "a"), ArraySource(pair.after, "b"), "measured")
    assert "too small to correct" in notes[-1] and isinstance(same, ArraySource)
