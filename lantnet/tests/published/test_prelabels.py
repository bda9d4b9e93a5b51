"""Difference image and pre-labels against vectors of the authors' code, on a made pair and on real ones."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lantnet.generated.nasty import gray_levels, nasty_pair, random_recipe
from lantnet.published import prelabels
from lantnet.published.prelabels import CHANGED, UNCERTAIN, UNCHANGED, difference_image, hierarchical_clustering

from .plain import plain_fuzzy_c_means

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())


def stored_pair() -> tuple[np.ndarray, np.ndarray]:
    before, after = (
        np.array([list(bytes.fromhex(row)) for row in VECTORS[name]], dtype=np.float32) for name in ("before", "after")
    )
    return before, after


def test_difference_image_equals_the_authors_code() -> None:
    np.testing.assert_allclose(difference_image(*stored_pair()), VECTORS["difference"], atol=2e-5)


def test_pre_labels_equal_the_authors_code_pixel_by_pixel() -> None:
    difference = difference_image(*stored_pair())
    labels = hierarchical_clustering(difference.ravel()).label(difference)
    stored = np.array([[int(code) for code in row] for row in VECTORS["labels"]])
    assert (labels == stored).all()
    assert len(np.unique(stored)) == 3


@pytest.mark.parametrize(
    ("name", "unchanged", "uncertain", "changed"),
    [
        ("ottawa", 82796, 5472, 13232),
        ("sulzberger1", 50265, 4292, 10979),
        ("farmland", 78917, 6009, 4120),
        ("bern", 89407, 674, 520),
    ],
)
def test_counts_of_the_authors_code_on_real_pairs(
    real_pair: Callable[[str], tuple[np.ndarray, ...]], name: str, unchanged: int, uncertain: int, changed: int
) -> None:
    before, after, _ = real_pair(name)
    difference = difference_image(before, after)
    labels = hierarchical_clustering(difference.ravel()).label(difference)
    found = np.bincount(labels.ravel(), minlength=3)
    assert found[[UNCHANGED, UNCERTAIN, CHANGED]].tolist() == [unchanged, uncertain, changed]


def plain_pre_labels(difference: np.ndarray) -> np.ndarray:
    """The published rule in words: clusters by their mean, walked from the top; no thresholds."""
    flat = difference.ravel().astype(np.float64)
    two, five = (plain_fuzzy_c_means(flat, clusters)[1] for clusters in (2, 5))
    smaller = min((two == 0).sum(), (two == 1).sum())
    order = sorted(range(5), key=lambda c: -flat[five == c].mean())
    labels = np.full(flat.shape, UNCHANGED)
    labels[five == order[0]] = CHANGED
    count, uncertain = (five == order[0]).sum(), False
    for cluster in order[1:]:
        count += (five == cluster).sum()
        if count < round(smaller / 1.10):
            labels[five == cluster] = CHANGED
        elif count < round(smaller * 1.25) or not uncertain:
            labels[five == cluster] = UNCERTAIN
            uncertain = True
    return labels.reshape(difference.shape)


@pytest.mark.parametrize("seed", [0, 1, 8])
def test_equals_the_plain_method_on_nasty_pairs(seed: int) -> None:
    pair = nasty_pair(48, 64, random_recipe(seed))
    difference = difference_image(*(image.astype(np.float32) for image in gray_levels(pair)))
    found = hierarchical_clustering(difference.ravel()).label(difference)
    assert (found == plain_pre_labels(difference)).all()


def test_the_rule_of_the_walk_from_the_top_cluster_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clusters of 10, 10, 10, 10 and 1000 pixels, T = 40: changed ends where the count reaches 36.4."""
    centers = {2: np.array([0.1, 3.4]), 5: np.array([0.1, 2.8, 3.2, 3.6, 4.0])}
    monkeypatch.setattr(prelabels, "fuzzy_c_means", lambda values, clusters: centers[clusters])
    values = np.repeat(np.float32([4, 3.6, 3.2, 2.8, 0.1]), [10, 10, 10, 10, 1000])
    labels = hierarchical_clustering(values).label(np.float32([4, 3.6, 3.2, 2.8, 0.1]))
    assert labels.tolist() == [CHANGED, CHANGED, CHANGED, UNCERTAIN, UNCHANGED]


def test_at_least_one_cluster_is_uncertain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where the second cluster alone takes the count past 1.25 T."""
    centers = {2: np.array([3.6, 4.2]), 5: np.array([0.1, 0.4, 1.0, 3.5, 4.0])}
    monkeypatch.setattr(prelabels, "fuzzy_c_means", lambda values, clusters: centers[clusters])
    values = np.repeat(np.float32([4, 3.5, 1.0, 0.4, 0.1]), [30, 100, 20, 500, 1000])
    labels = hierarchical_clustering(values).label(np.float32([4, 3.5, 1.0, 0.4, 0.1]))
    assert labels.tolist() == [CHANGED, UNCERTAIN, UNCHANGED, UNCHANGED, UNCHANGED]


def test_an_empty_cluster_counts_as_the_highest(monkeypatch: pytest.MonkeyPatch) -> None:
    """As published, where its mean is NaN: then the rule holds for the highest cluster with pixels too."""
    centers = {2: np.array([0.1, 4.0]), 5: np.array([0.1, 0.4, 1.0, 4.0, 9.0])}
    monkeypatch.setattr(prelabels, "fuzzy_c_means", lambda values, clusters: centers[clusters])
    values = np.repeat(np.float32([4, 1.0, 0.4, 0.1]), [30, 20, 500, 1000])
    labels = hierarchical_clustering(values).label(np.float32([4, 1.0, 0.4, 0.1]))
    assert labels.tolist() == [UNCERTAIN, UNCHANGED, UNCHANGED, UNCHANGED]
