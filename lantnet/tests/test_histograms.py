"""Thresholds and clusters on histograms against plain computations on the values themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lantnet.methods.histograms import BINS, TOP, fuzzy_c_means, histogram, kittler_illingworth, otsu, two_means

BIN = TOP / BINS


def mixture(seed: int, share: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    changed = int(4000 * share)
    return np.abs(np.concatenate([rng.normal(0, 0.2, 4000 - changed), rng.normal(1.5, 0.3, changed)])).astype(
        np.float32
    )


@given(st.lists(st.floats(0, 100, width=32), max_size=50))
def test_every_value_is_counted_once_and_windows_add_up(values: list[float]) -> None:
    array = np.array(values, dtype=np.float32)
    whole = histogram(array)
    assert whole.sum() == len(values)
    assert (whole == histogram(array[::2]) + histogram(array[1::2])).all()


def slow_otsu(values: np.ndarray) -> float:
    """Every possible threshold, the variance between the classes computed anew."""
    best, where = -1.0, 0.0
    for threshold in np.unique(values)[:-1]:
        low, high = values[values <= threshold], values[values > threshold]
        between = len(low) * len(high) * (low.mean() - high.mean()) ** 2
        if between > best:
            best, where = between, threshold
    return where


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_otsu_splits_as_the_exhaustive_search_does(share: float) -> None:
    values = mixture(1, share)
    exact = slow_otsu(values.astype(np.float64))
    found = otsu(histogram(values))
    assert ((values > found) != (values > exact)).sum() <= 2


def test_kittler_illingworth_lies_between_the_two_bells() -> None:
    threshold = kittler_illingworth(histogram(mixture(2, 0.2)))
    assert 0.5 < threshold < 1.2


def test_kittler_illingworth_on_one_value_falls_back_to_otsu() -> None:
    counts = histogram(np.full(100, 0.5, dtype=np.float32))
    assert kittler_illingworth(counts) == otsu(counts)


def slow_fuzzy_c_means(values: np.ndarray, clusters: int) -> np.ndarray:
    """The published loop on the values, from random memberships."""
    membership = np.random.RandomState(42).rand(len(values), clusters)
    membership /= membership.sum(axis=1, keepdims=True)
    for _ in range(150):
        mass = membership**2
        centres = values @ mass / mass.sum(axis=0)
        inverse = 1 / np.maximum((values[:, None] - centres) ** 2, 1e-30)
        before, membership = membership, inverse / inverse.sum(axis=1, keepdims=True)
        if np.linalg.norm(membership - before) < 1e-5:
            break
    return np.sort(centres)


@pytest.mark.parametrize("clusters", [2, 3])
def test_fuzzy_c_means_equals_the_loop_over_values(clusters: int) -> None:
    values = mixture(3, 0.25)
    exact = slow_fuzzy_c_means(values.astype(np.float64), clusters)
    np.testing.assert_allclose(fuzzy_c_means(histogram(values), clusters), exact, atol=2 * BIN)


@settings(max_examples=25)
@given(st.floats(0.05, 1.4), st.integers(0, 20))
def test_two_means_rests_half_way_between_its_sides(start: float, seed: int) -> None:
    values = mixture(seed, 0.2)
    threshold = two_means(histogram(values), start=start, floor=0.0)
    middle = (values[values > threshold].mean() + values[values <= threshold].mean()) / 2
    assert threshold == pytest.approx(middle, abs=2e-3)


def test_two_means_never_goes_below_its_floor() -> None:
    assert two_means(histogram(mixture(1, 0.2)), start=0.1, floor=1.3) == 1.3


def test_two_means_with_nothing_above_returns_the_floor() -> None:
    assert two_means(histogram(np.zeros(10, dtype=np.float32)), start=0.0, floor=0.5) == 0.5
