"""Fuzzy c-means of pixels: equal to the plain loop, on a scene too where another start ends elsewhere."""

import json
from pathlib import Path

import numpy as np
import pytest

from lantnet.generated.nasty import gray_levels, nasty_pair, random_recipe
from lantnet.published import clustering
from lantnet.published.clustering import fuzzy_c_means
from lantnet.published.prelabels import difference_image

from .plain import plain_fuzzy_c_means

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())


def differences(seed: int) -> np.ndarray:
    pair = nasty_pair(64, 64, random_recipe(seed))
    return difference_image(*(image.astype(np.float32) for image in gray_levels(pair))).ravel()


def spread_start(values: np.ndarray, clusters: int) -> np.ndarray:
    """Centers of the same iteration from centers spread over the range, the usual shortcut."""
    centers = values.min() + np.ptp(values) * (np.arange(clusters) + 0.5) / clusters
    for _ in range(400):
        mass = ((values[:, None] - centers) ** 2 + 1e-30) ** -1.0
        mass = (mass / mass.sum(axis=1, keepdims=True)) ** 2
        centers = values @ mass / mass.sum(axis=0)
    return np.sort(centers)


@pytest.mark.parametrize("seed", [0, 1, 8])
@pytest.mark.parametrize("clusters", [2, 5])
def test_equals_the_plain_loop(seed: int, clusters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values = differences(seed)
    exact = np.sort(plain_fuzzy_c_means(values.astype(np.float64), clusters)[0])
    np.testing.assert_allclose(fuzzy_c_means(values, clusters), exact, rtol=1e-9)
    monkeypatch.setattr(clustering, "AT_ONCE", 1000)
    np.testing.assert_allclose(fuzzy_c_means(values, clusters), exact, rtol=1e-9)


def test_holds_where_another_start_ends_in_another_optimum() -> None:
    values = differences(8)
    exact, _ = plain_fuzzy_c_means(values.astype(np.float64), 5)
    other = spread_start(values.astype(np.float64), 5)
    assert np.abs(np.sort(exact) - other).max() > 0.1
    np.testing.assert_allclose(fuzzy_c_means(values, 5), np.sort(exact), rtol=1e-9)


def test_centers_equal_the_authors_code() -> None:
    before, after = (
        np.array([list(bytes.fromhex(row)) for row in VECTORS[name]], dtype=np.float32) for name in ("before", "after")
    )
    values = difference_image(before, after).ravel()
    np.testing.assert_allclose(fuzzy_c_means(values, 2), VECTORS["two_centers"], atol=5e-5)
    np.testing.assert_allclose(fuzzy_c_means(values, 5), VECTORS["five_centers"], atol=5e-5)


def test_pixels_without_data_take_a_random_number_and_no_part() -> None:
    values = differences(1)
    gaps = values.copy()
    gaps[100:300] = np.nan
    membership = np.random.RandomState(42).rand(len(values), 2)[~np.isnan(gaps)]
    mass = (membership / membership.sum(axis=1, keepdims=True)) ** 2
    kept = values[~np.isnan(gaps)].astype(np.float64)
    centers = kept @ mass / mass.sum(axis=0)
    for _ in range(150):
        inverse = (kept[:, None] - centers) ** -2
        mass = (inverse / inverse.sum(axis=1, keepdims=True)) ** 2
        centers = kept @ mass / mass.sum(axis=0)
    np.testing.assert_allclose(fuzzy_c_means(gaps, 2), np.sort(centers), atol=1e-4)
