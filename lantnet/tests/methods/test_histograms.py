"""Thresholds on histograms against plain computations on the values themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lantnet.methods.histograms import histogram, kittler_illingworth, otsu


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
