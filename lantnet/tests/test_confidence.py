"""A probability of change means what it says: of the pixels that have it, so many changed."""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

import lantnet
from lantnet.generated.nasty import Nasty, nasty_pair
from lantnet.methods.recipes import DEFAULT, RECIPES

RECIPES_OF_PAIRS = [
    Nasty(share=0.12, strengths=(-7.0, 6.0), looks=4, blob=9, seed=11),
    Nasty(share=0.25, strengths=(-8.0,), looks=3, blob=8, seed=12),
    Nasty(share=0.05, strengths=(9.0, -10.0), looks=8, blob=7, seed=13),
    Nasty(share=0.15, strengths=(5.0,), looks=6, texture=2.0, water=0.3, seed=14),
]
"""The two numbers that the probability depends on, `trust` and `temperature`, were chosen on other seeds (100 to 119)
and on real pairs."""


@pytest.fixture(scope="module")
def results() -> list[tuple[lantnet.Detection, np.ndarray]]:
    """By the default with one network instead of three."""
    one = replace(DEFAULT, training=replace(DEFAULT.training, members=1))
    pairs = [nasty_pair(112, 128, recipe) for recipe in RECIPES_OF_PAIRS]
    with mock.patch.dict(RECIPES, default=one):
        return [(lantnet.detect(pair.before, pair.after, min_pixels=1), pair.truth) for pair in pairs]


def reliability(probability: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels, mean probability and share of change in each tenth of the probability."""
    bins = np.minimum((probability * 10).astype(int), 9)
    pixels = np.bincount(bins, minlength=10)
    means, shares = (np.bincount(bins, weights=w, minlength=10) / np.maximum(pixels, 1) for w in (probability, truth))
    return pixels, means, shares


def calibration_error(probability: np.ndarray, truth: np.ndarray) -> float:
    pixels, means, shares = reliability(probability, truth)
    return float((pixels * np.abs(means - shares)).sum() / pixels.sum())


def test_the_probability_is_that_of_change(results: list[tuple[lantnet.Detection, np.ndarray]]) -> None:
    probability = np.concatenate([result.probability.ravel() for result, _ in results])
    truth = np.concatenate([truth.ravel() for _, truth in results])
    pixels, means, shares = reliability(probability, truth)
    assert (pixels > 50).all()
    assert calibration_error(probability, truth) < 0.03
    assert np.abs(shares - means).max() < 0.25
    assert (np.diff(shares) > -0.05).all()


def test_bolder_or_shyer_odds_would_be_worse(results: list[tuple[lantnet.Detection, np.ndarray]]) -> None:
    """Where there is evidence at all, by Brier's score: odds to the third root, and the bare map of 0 and 1."""
    probability = np.concatenate([result.probability.ravel() for result, _ in results])
    truth = np.concatenate([truth.ravel() for _, truth in results])[probability > 0].astype(float)
    probability = probability[probability > 0]
    odds = (probability / (1 - probability).clip(1e-6)) ** (1 / 3)
    shy, told, bold = (((p - truth) ** 2).mean() for p in (odds / (1 + odds), probability, probability > 0.5))
    assert told < 0.9 * min(shy, bold)


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
