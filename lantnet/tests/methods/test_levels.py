"""The levels of the default recipe: what they must not depend on, and what they must find."""

import math

import numpy as np
import pytest

from lantnet.generated.nasty import Nasty, nasty_pair
from lantnet.generated.pairs import Recipe, speckled_pair
from lantnet.methods.calibration import LAGS, WIDE, Calibration, Statistics, lagged, log_ratio
from lantnet.methods.denoising import total_variation
from lantnet.methods.histograms import histogram
from lantnet.methods.level_labels import DENOISING
from lantnet.methods.levels import Levels, Strengths, border_threshold, evidence, measure_levels, member_labels


def calibrated(before: np.ndarray, after: np.ndarray) -> Calibration:
    statistics = Statistics()
    statistics.add_pixels(log_ratio(before, after).ravel(), before.ravel(), after.ravel())
    for sigma, lag in LAGS.items():
        statistics.add_lags(sigma, lagged(log_ratio(before, after, sigma), np.ones(before.shape, bool), lag))
    return statistics.calibration()


def strengths_of(before: np.ndarray, after: np.ndarray) -> tuple[Calibration, Strengths]:
    calibration = calibrated(before, after)
    plain = np.log((after + 1) / (before + 1))
    smoothed = [log_ratio(before, after), *(total_variation(plain, w * calibration.speckle) for w in DENOISING)]
    wide = log_ratio(before, after, WIDE)
    shift = np.float32(calibration.shift)
    edges = np.zeros((2, *wide.shape), np.float32)
    found = Strengths(np.abs(np.stack(smoothed) - shift), np.abs(wide - shift), np.ones(wide.shape, bool), edges)
    return calibration, found


def levels_of(before: np.ndarray, after: np.ndarray, rate: float = 1e-3) -> Levels:
    calibration, strengths = strengths_of(before, after)
    return measure_levels([strengths], [histogram(part) for part in strengths.smoothed], calibration, rate, 0.3)


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


def test_normalized_dates_have_mean_0_and_deviation_1() -> None:
    before, after, _ = amplitudes(Recipe("none", 0, 4, 2))
    images = calibrated(before, after).normalized(before, after)
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
        assert border_threshold([image], start) == pytest.approx(0.54, abs=0.05)


@pytest.mark.parametrize("looks", [1, 3, 8, 20])
@pytest.mark.parametrize("rate", [1e-2, 1e-4])
def test_speckle_alone_has_no_level_of_change(looks: int, rate: float) -> None:
    pair = nasty_pair(256, 256, Nasty(share=0, looks=looks, seed=looks))
    assert levels_of(80 * np.sqrt(pair.before), 80 * np.sqrt(pair.after), rate).thresholds is None


@pytest.mark.parametrize("looks", [4, 20])
def test_what_fields_gain_and_lose_is_no_change(looks: int) -> None:
    pair = nasty_pair(192, 192, Nasty(share=0, looks=looks, seasonal=1.0, seed=50))
    assert levels_of(80 * np.sqrt(pair.before), 80 * np.sqrt(pair.after)).thresholds is None


@pytest.mark.parametrize(("looks", "seed"), [(2, 0), (2, 1), (4, 0), (8, 0)])
def test_a_strong_change_does_not_hide_a_weak_one(looks: int, seed: int) -> None:
    """At 2 looks half of the weak area, and less, exceeds what noise does."""
    base = nasty_pair(256, 256, Nasty(share=0, looks=looks, water=0, seed=seed))
    after = base.after.copy()
    after[60:110, 120:200] *= 0.1
    strong = levels_of(80 * np.sqrt(base.before), 80 * np.sqrt(after))
    assert strong.thresholds is not None
    assert strong.weak is None
    after[140:190, 60:110] *= 10**-0.3
    weak = levels_of(80 * np.sqrt(base.before), 80 * np.sqrt(after)).weak
    assert weak == pytest.approx(0.345 / 2, abs=0.05), "half of what 3 dB are in nepers"


def test_a_weak_one_that_is_passed_over_is_said() -> None:
    base = nasty_pair(256, 256, Nasty(share=0, looks=20, water=0))
    after = base.after.copy()
    after[60:110, 120:200] *= 1e-3
    after[140:190, 60:110] *= 10**-0.25
    levels = levels_of(80 * np.sqrt(base.before), 80 * np.sqrt(after))
    assert levels.weak is None
    assert levels.passed_over == pytest.approx(0.288, abs=0.05)


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_four_decibels_are_found_at_five_looks(share: float) -> None:
    """Single pixels of such a change hardly exceed the noise: a floor for pixels would lose most of it."""
    pair = nasty_pair(192, 192, Nasty(share=share, strengths=(-4.0,), looks=5, water=0, blob=9, seed=7))
    _, strengths = strengths_of(80 * np.sqrt(pair.before), 80 * np.sqrt(pair.after))
    levels = levels_of(80 * np.sqrt(pair.before), 80 * np.sqrt(pair.after))
    target, _ = member_labels(strengths, levels, "together", 0.2)
    found = (target > 0) & evidence(strengths, levels)
    assert found[pair.truth].mean() > 0.7
    assert found[~pair.truth].mean() < 0.03


def test_labels_leave_the_margin_uncertain() -> None:
    levels = Levels((1.0, 2.0, 4.0), 1.0, None, 0.3, 0.3)
    for value, target, weight in [(0.0, 0, 1), (0.79, 0, 1), (0.81, 0, 0), (1.19, 1, 0), (1.21, 1, 1)]:
        image = np.full((30, 30), value, np.float32)
        strengths = Strengths(
            np.stack([image, 2 * image, 4 * image]), image, np.ones(image.shape, bool), np.zeros((2, *image.shape))
        )
        for seen in ("gaussian", "denoised twice", "together"):
            found = member_labels(strengths, levels, seen, 0.2)
            assert [float(part.mean()) for part in found] == [target, weight]


def test_what_exceeds_the_threshold_without_evidence_is_uncertain() -> None:
    image = np.zeros((40, 40), np.float32)
    image[5:10, 5:10] = 1.5
    image[30, 30] = 1.5
    strengths = Strengths(image[None], np.zeros_like(image), np.ones(image.shape, bool), np.zeros((2, *image.shape)))
    levels = Levels((0.5,), 0.5, None, 1.0, 1.0)
    target, weight = member_labels(strengths, levels, "together", 0.2)
    assert target[7, 7] == weight[7, 7] == 1
    assert target[30, 30] == 1 and weight[30, 30] == 0
    assert not evidence(strengths, levels)[30, 30]


def test_the_low_labeling_goes_by_the_lower_of_two_thresholds() -> None:
    """Small areas far apart pull Otsu's threshold below the one half-way across their border."""
    before, after, _ = amplitudes(Recipe("fields", 0.1, 4, 2))
    _, strengths = strengths_of(before, after)
    levels = levels_of(before, after)
    assert levels.thresholds is not None and levels.low < levels.thresholds[0]
    low, middle = (member_labels(strengths, levels, seen, 0.2)[0] for seen in ("gaussian, low", "gaussian"))
    assert (low == (strengths.smoothed[0] > np.float32(levels.low))).all()
    assert low.sum() > middle.sum()
