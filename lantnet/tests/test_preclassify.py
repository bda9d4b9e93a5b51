"""Difference image and pre-labels against vectors of the authors' code, on a made pair and on real ones."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lantnet.methods.histograms import fuzzy_c_means, histogram
from lantnet.published.prelabels import CHANGED, UNCERTAIN, UNCHANGED, difference_image, hierarchical_clustering

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())


def stored_pair() -> tuple[np.ndarray, np.ndarray]:
    before, after = (
        np.array([list(bytes.fromhex(row)) for row in VECTORS[name]], dtype=np.float32) for name in ("before", "after")
    )
    return before, after


def test_difference_image_equals_the_authors_code() -> None:
    np.testing.assert_allclose(difference_image(*stored_pair()), VECTORS["difference"], atol=2e-5)


def test_pre_labels_equal_the_authors_code() -> None:
    difference = difference_image(*stored_pair())
    labels = hierarchical_clustering(histogram(difference)).label(difference)
    stored = np.array([[int(code) for code in row] for row in VECTORS["labels"]])
    assert (labels != stored).sum() <= 1  # a border inside a bin of the histogram may move one pixel in 2304


def test_cluster_centres_equal_the_authors_code() -> None:
    counts = histogram(difference_image(*stored_pair()))
    np.testing.assert_allclose(fuzzy_c_means(counts, 2), VECTORS["two_centres"], atol=5e-4)
    np.testing.assert_allclose(fuzzy_c_means(counts, 5), VECTORS["five_centres"], atol=5e-4)


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
    labels = hierarchical_clustering(histogram(difference)).label(difference)
    found = np.bincount(labels.ravel(), minlength=3)
    np.testing.assert_allclose(found[[UNCHANGED, UNCERTAIN, CHANGED]], [unchanged, uncertain, changed], atol=2)
    assert histogram(difference).sum() == before.size


def test_the_rule_of_the_walk_from_the_top_cluster_down() -> None:
    """Five far clusters of 10, 10, 10, 10 and 1000 pixels: T is 40, so changed ends where the count reaches 36.4."""
    values = np.repeat(np.float32([4, 3.6, 3.2, 2.8, 0.1]), [10, 10, 10, 10, 1000])
    labels = hierarchical_clustering(histogram(values))
    assert labels.label(np.float32([4, 3.6, 3.2])).tolist() == [CHANGED] * 3
    assert labels.label(np.float32([2.8])).tolist() == [UNCERTAIN]
    assert labels.label(np.float32([0.1])).tolist() == [UNCHANGED]


def test_at_least_one_cluster_is_uncertain() -> None:
    """Even where the second cluster alone takes the count past 1.25 T."""
    values = np.repeat(np.float32([4, 3.5, 1.0, 0.4, 0.1]), [30, 10, 20, 500, 1000])
    labels = hierarchical_clustering(histogram(values)).label(values)
    assert set(labels.tolist()) == {UNCHANGED, UNCERTAIN, CHANGED}
