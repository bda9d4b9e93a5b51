"""The whole flow on arrays: windows leave no seam, seeds repeat, and odd scenes give a sensible answer."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import lantnet
from lantnet.generated.pairs import Pair, Recipe, as_8bit, speckled_pair
from lantnet.methods.learning import Recipe as Method
from lantnet.methods.recipes import DEFAULT, PAPER, RECIPES
from lantnet.results.cleanup import erase_small_regions

pytestmark = pytest.mark.usefixtures("quick_default")


def paper(**training: Any) -> Method:
    """The published recipe with another training."""
    return replace(PAPER, training=replace(PAPER.training, **training))


def with_gaps(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    before, after = pair.before.copy(), pair.after.copy()
    before[:7] = np.nan
    after[:, -9:] = np.nan
    after[40:52, 30:60] = np.nan
    return before, after


@pytest.mark.parametrize("recipe", ["default", "paper"])
def test_windows_leave_no_seam(fields: Pair, recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, "paper", paper(unchanged=100, changed=30, epochs=1))
    before, after = with_gaps(fields)
    if recipe == "paper":  # its network is slow, and 66 rows hold a seam as well
        before, after = before[:66, :50], after[:66, :50]
    whole = lantnet.detect(before, after, recipe=recipe, tile=1024)
    parts = lantnet.detect(before, after, recipe=recipe, tile=64)
    assert (whole.mask == parts.mask).all()
    assert (whole.direction == parts.direction).all()
    np.testing.assert_allclose(parts.probability, whole.probability, atol=1e-5)
    assert np.nanmax(whole.probability) > np.nanmin(whole.probability)
    assert whole.mask.any() or recipe == "paper"
    for key in ("learning", "result", "scale"):
        assert whole.report[key] == parts.report[key]


def test_finds_the_fields_and_their_direction(fields: Pair) -> None:
    result = lantnet.detect(fields.before, fields.after)
    assert lantnet.evaluate(result.mask, fields.truth).kc > 85
    brighter = fields.truth & result.mask & (result.direction == 1)
    ratio = np.log(fields.after / fields.before)
    assert ratio[brighter].mean() > 1
    assert ratio[fields.truth & (result.direction == 2)].mean() < -1
    assert ((result.direction == 0) == ~result.mask).all()
    assert result.probability.dtype == np.float32


def test_same_seed_same_result_and_the_seed_of_torch_is_left_alone(fields: Pair) -> None:
    import torch

    torch.manual_seed(5)
    first = lantnet.detect(fields.before, fields.after, seed=3)
    after_run = torch.rand(1)
    torch.manual_seed(5)
    assert after_run == torch.rand(1)
    again = lantnet.detect(fields.before, fields.after, seed=3)
    other = lantnet.detect(fields.before, fields.after, seed=4)
    assert (first.probability == again.probability).all()
    assert (first.probability != other.probability).any()


def test_power_decibels_and_a_gain_give_one_map(fields: Pair) -> None:
    power = lantnet.detect(fields.before, fields.after)
    decibel = lantnet.detect(10 * np.log10(fields.before), 10 * np.log10(fields.after))
    assert (power.report["scale"]["name"], decibel.report["scale"]["name"]) == ("power", "db")
    assert (power.mask != decibel.mask).mean() < 0.002
    brighter = lantnet.detect(fields.before, 3 * fields.after)
    assert (power.mask != brighter.mask).mean() < 0.02
    assert brighter.report["learning"]["calibration"]["shift_db"] == pytest.approx(4.77, abs=0.5)


@pytest.mark.parametrize("recipe", ["default", "paper"])
def test_identical_and_constant_images_have_no_change(fields: Pair, recipe: str) -> None:
    flat = np.full((40, 40), 90, np.uint8)
    for before, after in ((fields.before, fields.before), (flat, flat), (flat, flat // 2)):
        result = lantnet.detect(before, after, recipe=recipe)
        assert not result.mask.any()
        assert (result.probability == 0).all()
        assert result.report["notes"]


def test_a_noiseless_square_is_found_exactly() -> None:
    before = np.full((64, 64), 90, np.uint8)
    after = before.copy()
    after[20:40, 10:30] = 200
    result = lantnet.detect(before, after)
    assert lantnet.evaluate(result.mask, after == 200).kc > 90


def test_speckle_alone_is_hardly_ever_change() -> None:
    pair = speckled_pair(160, 160, Recipe("none", 0, 4, 8))
    result = lantnet.detect(as_8bit(pair.before), as_8bit(pair.after))
    assert result.mask.mean() < 0.01


def test_a_change_of_everything_is_a_gain_and_said_to_be_one() -> None:
    pair = speckled_pair(96, 96, Recipe("all", 0, 4, 8))
    result = lantnet.detect(pair.before, pair.after)
    assert result.mask.mean() < 0.02
    assert any("dB brighter almost everywhere" in note for note in result.report["notes"])


def test_pixels_without_data_are_left_out_and_do_no_harm(fields: Pair) -> None:
    before, after = with_gaps(fields)
    gaps = ~(np.isfinite(before) & np.isfinite(after))
    result = lantnet.detect(before, after)
    assert (result.valid == ~gaps).all()
    assert not result.mask[gaps].any()
    assert np.isnan(result.probability[gaps]).all()
    assert (result.direction[gaps] == 255).all()
    assert lantnet.evaluate(result.mask, fields.truth, valid=result.valid).kc > 80
    assert result.report["result"]["no_data_pixels"] == gaps.sum()


def test_declared_nodata_and_valid_are_one(fields: Pair) -> None:
    before, after = with_gaps(fields)
    valid = np.isfinite(before) & np.isfinite(after)
    filled = lantnet.detect(np.where(valid, before, -7), np.where(valid, after, -7), nodata=-7, scale="power")
    masked = lantnet.detect(fields.before, fields.after, valid=valid)
    assert (filled.mask == masked.mask).all()


def test_a_frame_of_zeros_in_8_bit_images_is_remarked_on(fields: Pair) -> None:
    before, after = as_8bit(fields.before), as_8bit(fields.after)
    before[:10] = 0
    notes = lantnet.detect(before, after).report["notes"]
    assert any("--nodata 0" in note for note in notes)


@pytest.mark.parametrize("shape", [(16, 16), (16, 60), (33, 17)])
@pytest.mark.parametrize("recipe", ["default", "paper"])
def test_tiny_images(shape: tuple[int, int], recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, "paper", paper(epochs=1))
    rng = np.random.default_rng(0)
    before, after = rng.gamma(4, 0.25, (2, *shape)).astype(np.float32)
    after[4:12, 4:12] *= 20
    result = lantnet.detect(before, after, recipe=recipe)
    assert result.mask.shape == shape


@pytest.mark.parametrize(
    ("before", "after", "options", "words"),
    [
        (np.ones((20, 20)), np.ones((20, 21)), {}, "same size"),
        (np.ones((15, 90)), np.ones((15, 90)), {}, "at least 16 x 16"),
        (np.full((20, 20), np.nan), np.ones((20, 20)), {}, "no data"),
        (np.ones((20, 20, 3)), np.ones((20, 20, 3)), {}, "shape"),
        (np.ones((20, 20), complex), np.ones((20, 20)), {}, "complex"),
        (np.ones((20, 20)), np.ones((20, 20)), {"recipe": "magic"}, "default, paper"),
        (np.ones((20, 20)), np.ones((20, 20)), {"scale": "decibel"}, "8bit, amplitude, power, db"),
        (np.ones((20, 20)), np.ones((20, 20)), {"seed": -1}, "seed"),
        (np.ones((20, 20)), np.ones((20, 20)), {"tile": 3}, "64"),
        (np.ones((20, 20)), np.ones((20, 20)), {"threshold": 1.0}, "between 0 and 1"),
        (np.ones((20, 20)), np.ones((20, 20)), {"min_pixels": 0}, "at least 1"),
        (np.ones((20, 20)), np.ones((20, 20)), {"valid": np.ones((2, 2), bool)}, "shape of the images"),
        (np.ones((20, 20)), np.full((20, 20), -9.5), {}, "both images must have the same scale"),
    ],
)
def test_what_cannot_be_compared_is_refused(before: Any, after: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(lantnet.InputError, match=words):
        lantnet.detect(before, after, **options)


def test_paper_recipe_takes_the_published_counts_or_all_there_are(
    fields: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "paper", paper(epochs=1, unchanged=100))
    learning = lantnet.detect(fields.before[:40], fields.after[:40], recipe="paper").report["learning"]
    assert learning["samples"]["unchanged"] == 100
    assert learning["samples"]["changed"] == min(1000, learning["pre_labels"]["changed"])


def test_smallest_region(fields: Pair) -> None:
    after = fields.after.copy()
    after[4:10, 90:96] *= 50
    result = lantnet.detect(fields.before, after, min_pixels=1)
    _, count = ndimage.label(result.mask, np.ones((3, 3)))
    assert count > 1
    smaller, larger = (lantnet.detect(fields.before, after, min_pixels=size).mask for size in (21, 500))
    assert (smaller == erase_small_regions(result.mask, 21)).all()
    assert (larger == erase_small_regions(result.mask, 500)).all()
    assert larger.sum() < result.mask.sum()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "baseline"), [("ottawa", 93.40), ("sulzberger1", 95.12), ("farmland", 80.27), ("bern", 84.67)]
)
def test_default_recipe_on_real_pairs(
    name: str, baseline: float, real_pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The full recipe is never below SRAD + Otsu + clean-up by more than .3 (one seed)."""
    monkeypatch.setitem(RECIPES, "default", DEFAULT)
    before, after, truth = real_pair(name)
    result = lantnet.detect(before.astype(np.uint8), after.astype(np.uint8))
    assert lantnet.evaluate(result.mask, truth).kc > baseline - 0.3
