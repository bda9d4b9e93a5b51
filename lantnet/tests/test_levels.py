"""The pre-labels of the default recipe: what they must not depend on, and what they must find."""

import numpy as np
import pytest

from lantnet.generated.pairs import Recipe, speckled_pair
from lantnet.methods.histograms import histogram
from lantnet.methods.levels import Calibration, Statistics, change_level, label, log_ratio, majority
from lantnet.published.prelabels import CHANGED, UNCERTAIN, UNCHANGED


def calibrated(before: np.ndarray, after: np.ndarray) -> Calibration:
    statistics = Statistics()
    statistics.add(log_ratio(before, after).ravel(), before.ravel(), after.ravel())
    return statistics.calibration()


def level_of(before: np.ndarray, after: np.ndarray) -> float | None:
    calibration = calibrated(before, after)
    return change_level(histogram(majority(calibration.difference(before, after))), calibration.noise)


def amplitudes(recipe: Recipe, size: int = 160) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pair = speckled_pair(size, size, recipe)
    return 80 * np.sqrt(pair.before), 80 * np.sqrt(pair.after), pair.truth


@pytest.mark.parametrize("gain", [0.5, 1.0, 1.7])
def test_a_gain_between_the_dates_is_found_beside_the_change(gain: float) -> None:
    before, after, _ = amplitudes(Recipe("fields", 0.2, 4, 2))
    assert calibrated(before, gain * after).shift == pytest.approx(np.log(gain), abs=0.05)


def test_noise_is_that_of_unchanged_ground() -> None:
    before, after, truth = amplitudes(Recipe("fields", 0.2, 4, 2))
    exact = log_ratio(before, after)[~truth].std()
    assert calibrated(before, after).noise == pytest.approx(exact, rel=0.3)


def test_windows_add_up_to_the_whole() -> None:
    before, after, _ = amplitudes(Recipe("mixed", 0.1, 4, 3), 64)
    ratio = log_ratio(before, after)
    parts = Statistics()
    for rows in (slice(0, 20), slice(20, 64)):
        parts.add(ratio[rows].ravel(), before[rows].ravel(), after[rows].ravel())
    assert parts.calibration() == calibrated(before, after)


def test_normalised_dates_have_mean_0_and_deviation_1() -> None:
    before, after, _ = amplitudes(Recipe("none", 0, 4, 2))
    images = calibrated(before, after).normalised(before, after)
    assert images.shape == (2, *before.shape)
    assert abs(images.mean()) < 0.02
    assert images.std() == pytest.approx(1, abs=0.02)


def test_scarce_change_is_found_where_two_clusters_split_the_noise() -> None:
    """Some discs in 160 x 160 pixels, 10 dB brighter (1.15 nepers): half-way is the threshold to find."""
    before, after, truth = amplitudes(Recipe("objects", 0.06, 4, 6))
    assert 0 < truth.mean() < 0.005
    level = level_of(before, after)
    assert level is not None
    assert 0.3 < level < 0.9


@pytest.mark.parametrize("looks", [1, 4, 16])
def test_speckle_alone_has_no_level_of_change(looks: int) -> None:
    before, after, _ = amplitudes(Recipe("none", 0, looks, 6))
    assert level_of(before, after) is None


def test_majority_is_the_median_of_5_by_5() -> None:
    image = np.random.default_rng(0).random((9, 9)).astype(np.float32)
    assert majority(image)[4, 4] == np.median(image[2:7, 2:7])


def test_labels_leave_the_margin_uncertain() -> None:
    for value, expected in [
        (0.0, UNCHANGED), (0.69, UNCHANGED), (0.71, UNCERTAIN), (1.29, UNCERTAIN), (1.31, CHANGED), (5, CHANGED),
    ]:  # fmt: skip
        assert (label(np.full((7, 7), value, np.float32), 1.0, 0.3) == expected).all()


def test_a_grain_without_a_majority_is_uncertain() -> None:
    image = np.zeros((9, 9), dtype=np.float32)
    image[4, 4] = 5
    labels = label(image, 1.0, 0.3)
    assert labels[4, 4] == UNCERTAIN
    assert (labels == UNCHANGED).sum() == 80


def test_dates_without_any_spread_have_no_noise() -> None:
    flat = np.full((20, 20), 50, dtype=np.float32)
    calibration = calibrated(flat, flat)
    assert calibration.noise < 1e-3
    assert abs(calibration.shift) < 1e-3
