"""The levels of the default recipe: what they must not depend on, and what they must find."""

import math

import numpy as np
import pytest

from lantnet.generated.nasty import Nasty, nasty_pair
from lantnet.generated.pairs import Recipe, speckled_pair
from lantnet.methods.calibration import FINE, LAGS, WIDE, Calibration, Statistics, lagged, log_ratio
from lantnet.methods.histograms import histogram
from lantnet.methods.levels import Levels, border_threshold, measure_levels, member_labels
from lantnet.scene.scene import View


def calibrated(before: np.ndarray, after: np.ndarray) -> Calibration:
    statistics = Statistics()
    statistics.add_pixels(log_ratio(before, after).ravel(), before.ravel(), after.ravel())
    for sigma, lag in LAGS.items():
        statistics.add_lags(sigma, lagged(log_ratio(before, after, sigma), np.ones(before.shape, bool), lag))
    return statistics.calibration()


def levels_of(before: np.ndarray, after: np.ndarray, rate: float = 1e-3) -> Levels:
    calibration = calibrated(before, after)
    view = View(before, after, np.ones(before.shape, bool))
    fine, wide = (calibration.strength(view, sigma) for sigma in (FINE, WIDE))
    return measure_levels([(fine, wide)], histogram(fine), calibration, rate, 0.3)


def amplitudes(recipe: Recipe, size: int = 160) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pair = speckled_pair(size, size, recipe)
    return 80 * np.sqrt(pair.before), 80 * np.sqrt(pair.after), pair.truth


@pytest.mark.parametrize("gain", [0.5, 1.0, 1.7])
def test_a_gain_between_the_dates_is_found_beside_the_change(gain: float) -> None:
    before, after, _ = amplitudes(Recipe("fields", 0.2, 4, 2))
    assert calibrated(before, gain * after).shift == pytest.approx(np.log(gain), abs=0.05)


def test_the_shift_is_not_that_of_clipped_water() -> None:
    """Most of the scene is black in both dates, where no gain shows: the mode of all pixels is 0 there."""
    before, after, _ = amplitudes(Recipe("none", 0, 4, 2))
    after *= 1.6
    before[:, :100] = after[:, :100] = 0
    ratio = log_ratio(before, after)
    assert np.median(ratio) == pytest.approx(0, abs=1e-6)
    assert calibrated(before, after).shift == pytest.approx(np.log(1.6), abs=0.05)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4])
def test_noise_does_not_depend_on_how_much_changed(share: float) -> None:
    pair = nasty_pair(256, 256, Nasty(share=share, strengths=(-8.0,), water=0, points=0, blob=14))
    before, after = 80 * np.sqrt(pair.before), 80 * np.sqrt(pair.after)
    assert pair.truth.mean() == pytest.approx(share, abs=0.01)
    exact = log_ratio(before, after)[~pair.truth & (np.abs(log_ratio(before, after)) < 0.5)].std()
    assert calibrated(before, after).noise == pytest.approx(exact, rel=0.2)


def test_windows_add_up_to_the_whole() -> None:
    before, after, _ = amplitudes(Recipe("mixed", 0.1, 4, 3), 64)
    whole, parts = Statistics(), Statistics()
    ratio = log_ratio(before, after)
    whole.add_pixels(ratio.ravel(), before.ravel(), after.ravel())
    for rows in (slice(0, 20), slice(20, 64)):
        parts.add_pixels(ratio[rows].ravel(), before[rows].ravel(), after[rows].ravel())
    assert (whole.ratios == parts.ratios).all()
    assert (whole.levels == parts.levels).all()


def test_normalised_dates_have_mean_0_and_deviation_1() -> None:
    before, after, _ = amplitudes(Recipe("none", 0, 4, 2))
    images = calibrated(before, after).normalised(before, after)
    assert images.shape == (2, *before.shape)
    assert abs(images.mean()) < 0.02
    assert images.std() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_the_border_threshold_lies_half_way_whatever_the_share(share: float) -> None:
    rng = np.random.default_rng(0)
    side = round(200 * math.sqrt(share))
    image = np.abs(rng.normal(0, 0.05, (200, 200))).astype(np.float32)
    image[20 : 20 + side, 20 : 20 + side] += 1
    for start in (0.3, 0.9):
        assert border_threshold([image], start, 0.2) == pytest.approx(0.54, abs=0.05)
    assert border_threshold([image], 0.3, 0.8) == 0.8


@pytest.mark.parametrize("looks", [1, 3, 8, 20])
@pytest.mark.parametrize("rate", [1e-2, 1e-4])
def test_speckle_alone_has_no_level_of_change(looks: int, rate: float) -> None:
    pair = nasty_pair(256, 256, Nasty(share=0, looks=looks, seed=looks))
    levels = levels_of(80 * np.sqrt(pair.before), 80 * np.sqrt(pair.after), rate)
    assert levels.strong is None
    assert levels.weak is None


def test_a_strong_change_does_not_hide_a_weak_one() -> None:
    base = nasty_pair(256, 256, Nasty(share=0, looks=4, water=0))
    after = base.after.copy()
    after[60:110, 120:200] *= 0.1
    strong = levels_of(80 * np.sqrt(base.before), 80 * np.sqrt(after))
    assert strong.strong is not None
    assert strong.weak is None
    after[140:190, 60:110] *= 10**-0.3
    assert levels_of(80 * np.sqrt(base.before), 80 * np.sqrt(after)).weak is not None


def test_labels_leave_the_margin_uncertain() -> None:
    levels = Levels((1.0, 1.0), None, 0.3)
    for value, target, weight in [(0.0, 0, 1), (0.79, 0, 1), (0.81, 0, 0), (1.19, 1, 0), (1.21, 1, 1)]:
        image = np.full((30, 30), value, np.float32)
        found = member_labels(image, image, levels, 1.0, 0.2)
        assert [float(part.mean()) for part in found] == [target, weight]


def test_members_learn_from_thresholds_between_the_two_measured() -> None:
    thresholds = Levels((0.5, 0.8), None, 0.3).thresholds(5)
    assert thresholds == sorted(thresholds)
    assert (thresholds[0], thresholds[-1]) == (pytest.approx(0.5), pytest.approx(0.8))
    assert Levels((0.4, 0.9), None, 0.3).thresholds(1) == [pytest.approx(0.6)]
