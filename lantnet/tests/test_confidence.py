"""A probability of change means what it says: of the pixels that have it, so many changed."""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

import lantnet
from lantnet.generated.nasty import Nasty, nasty_pair
from lantnet.methods.recipes import DEFAULT, RECIPES


@pytest.fixture(scope="module")
def results() -> list[tuple[lantnet.Detection, np.ndarray]]:
    """By the default with one network instead of five."""
    recipes = [
        Nasty(share=0.1, strengths=(-7.0, 6.0), looks=4, blob=9, seed=1),
        Nasty(share=0.25, strengths=(-8.0,), looks=3, blob=8, seed=2),
        Nasty(share=0.05, strengths=(9.0, -10.0), looks=8, blob=7, seed=3),
    ]
    one = replace(DEFAULT, training=replace(DEFAULT.training, members=1))
    pairs = [nasty_pair(112, 128, recipe) for recipe in recipes]
    with mock.patch.dict(RECIPES, default=one):
        return [(lantnet.detect(pair.before, pair.after, min_pixels=1), pair.truth) for pair in pairs]


def test_the_probability_is_that_of_change(results: list[tuple[lantnet.Detection, np.ndarray]]) -> None:
    """In ten bins. The lowest is the exception: change that does not stand out at all gets no probability."""
    probability = np.concatenate([result.probability.ravel() for result, _ in results])
    truth = np.concatenate([truth.ravel() for _, truth in results])
    bins = np.minimum((probability * 10).astype(int), 9)
    pixels = np.bincount(bins, minlength=10)
    assert (pixels > 20).all()
    shares = np.bincount(bins, weights=truth, minlength=10) / pixels
    off = np.abs(shares - np.bincount(bins, weights=probability, minlength=10) / pixels)
    assert shares[0] < 0.1
    assert (pixels * off)[1:].sum() / pixels[1:].sum() < 0.04
    assert off[1:].max() < 0.25
    assert (np.diff(shares) > -0.1).all()


def test_the_confidence_is_that_of_the_mask(results: list[tuple[lantnet.Detection, np.ndarray]]) -> None:
    confidence = np.concatenate([result.confidence.ravel() for result, _ in results])
    right = np.concatenate([(result.mask == truth).ravel() for result, truth in results])
    assert confidence.min() >= 0.5 - 1e-6
    for low, high in ((0.5, 0.75), (0.75, 0.95), (0.95, 1.01)):
        there = (confidence >= low) & (confidence < high)
        assert right[there].mean() == pytest.approx(confidence[there].mean(), abs=0.12)


@pytest.mark.usefixtures("quick_default")
def test_confidence_of_dropped_regions_and_of_gaps() -> None:
    pair = nasty_pair(96, 96, Nasty(share=0.1, strengths=(-9.0,), blob=4, looks=8))
    before = pair.before.copy()
    before[:9] = np.nan
    result = lantnet.detect(before, pair.after, min_pixels=60)
    dropped = (result.probability > 0.5) & ~result.mask
    assert dropped.any()
    assert (result.confidence[dropped] < 0.5).all()
    assert np.isnan(result.confidence[:9]).all()
