"""The generated scenes are what they say: gamma speckle, known change, the same land window by window."""

import numpy as np
import pytest

from lantnet.generated.pairs import Recipe, as_8bit, speckled_pair


@pytest.mark.parametrize("looks", [1, 4])
def test_speckle_has_the_variance_of_its_looks(looks: float) -> None:
    recipe = Recipe("none", 0, looks, 3)
    pair = speckled_pair(200, 200, recipe)
    calm = speckled_pair(200, 200, Recipe("none", 0, 1e8, 3)).before
    for image in (pair.before, pair.after):
        speckle = image / calm
        assert speckle.mean() == pytest.approx(1, abs=0.02)
        assert speckle.var() == pytest.approx(1 / looks, rel=0.06)
    assert np.corrcoef((pair.before / calm).ravel(), (pair.after / calm).ravel())[0, 1] == pytest.approx(0, abs=0.02)


def test_windows_show_one_scene() -> None:
    recipe = Recipe("mixed", 0.1, 1e8, 5)
    whole = speckled_pair(120, 90, recipe)
    part = speckled_pair(50, 40, recipe, top=60, left=30)
    assert (part.truth == whole.truth[60:110, 30:70]).all()
    np.testing.assert_allclose(part.after, whole.after[60:110, 30:70], rtol=1e-3)


@pytest.mark.parametrize("change", ["fields", "flood", "objects", "mixed"])
def test_power_changes_exactly_where_the_truth_says(change: str) -> None:
    pair = speckled_pair(128, 256, Recipe(change, 0.15, 1e8, 4))
    moved = np.abs(np.log(pair.after / pair.before)) > 0.01
    assert (moved <= pair.truth).all()
    assert moved[pair.truth].mean() > 0.9
    assert 0 < pair.truth.mean() < 0.7


def test_nothing_and_everything() -> None:
    assert not speckled_pair(30, 30, Recipe("none")).truth.any()
    assert speckled_pair(30, 30, Recipe("all")).truth.all()


def test_8_bit_is_amplitude() -> None:
    assert as_8bit(np.float32([0, 1, 4, 1e6])).tolist() == [0, 60, 120, 255]
