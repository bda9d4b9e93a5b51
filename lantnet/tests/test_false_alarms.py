"""What the rate of false alarms promises, on pairs in which nothing changed, and on unchanged ground beside change."""

import numpy as np
import pytest

import lantnet
from lantnet.generated.nasty import Nasty, gray_levels, nasty_pair
from lantnet.generated.pairs import Recipe, speckled_pair

pytestmark = pytest.mark.usefixtures("quick_default")


@pytest.mark.parametrize("looks", [1, 2, 4, 8, 20])
@pytest.mark.parametrize("water", [0.0, 0.35])
def test_pairs_without_change_stay_below_the_rate(looks: int, water: float) -> None:
    pair = nasty_pair(224, 224, Nasty(share=0, looks=looks, water=water, points=1, offset=2, seed=looks))
    assert not pair.truth.any()
    for (before, after), rate in (
        ((pair.before, pair.after), 1e-2),
        ((pair.before, pair.after), 1e-4),
        (gray_levels(pair), 1e-3),
    ):
        assert lantnet.detect(before, after, false_alarm=rate, min_pixels=1).mask.mean() <= rate


@pytest.mark.parametrize("looks", [4, 20])
def test_what_fields_gain_and_lose_stays_below_the_rate(looks: int) -> None:
    pair = nasty_pair(224, 224, Nasty(share=0, looks=looks, seasonal=1.0, seed=50))
    assert lantnet.detect(pair.before, pair.after).mask.mean() <= 1e-3


@pytest.mark.parametrize("looks", [1, 4, 20])
@pytest.mark.parametrize("shift", [0.25, 0.5, 1.0, 2.0])
def test_registration_errors_stay_below_the_rate(looks: int, shift: float) -> None:
    """The second date lies (shift, -shift / 2) pixels off, up to 2.2 pixels in all, with bright points to be seen."""
    pair = nasty_pair(192, 192, Nasty(share=0, looks=looks, shift=shift, seed=70))
    assert lantnet.detect(pair.before, pair.after).mask.mean() <= 1e-3


@pytest.mark.parametrize("looks", [1, 4, 20])
def test_the_other_generator_stays_below_the_rate_too(looks: int) -> None:
    pair = speckled_pair(256, 256, Recipe("none", 0, looks, 5))
    assert lantnet.detect(pair.before, pair.after, false_alarm=1e-4, min_pixels=1).mask.mean() <= 1e-4


def test_a_smaller_rate_asks_for_more_evidence() -> None:
    """Beside a real change, unchanged ground far from it: fewer pixels may pass at a smaller rate."""
    pair = nasty_pair(160, 160, Nasty(share=0.05, strengths=(-10.0,), looks=4, water=0, blob=10))
    floors, passed = [], []
    for rate in (5e-2, 1e-4):
        result = lantnet.detect(pair.before, pair.after, false_alarm=rate, min_pixels=1)
        floors.append(result.report["learning"]["levels"]["floor"])
        passed.append(int((result.probability > 0).sum()))
        assert lantnet.evaluate(result.mask, pair.truth).kc > 60
    assert floors[0] < 0.6 * floors[1]
    assert passed[0] > passed[1]


@pytest.mark.parametrize("looks", [1, 2, 4, 8, 20])
@pytest.mark.parametrize("grain", [0.0, 0.5])
def test_looks_are_estimated(looks: int, grain: float) -> None:
    pair = nasty_pair(256, 256, Nasty(share=0, looks=looks, grain=grain, points=0))
    report = lantnet.detect(pair.before, pair.after).report
    assert report["learning"]["looks"] == pytest.approx(looks, rel=0.35 if grain == 0 else 0.8)


def test_images_without_speckle_have_very_many_looks() -> None:
    flat = np.full((64, 64), 90, np.uint8)
    assert lantnet.detect(flat, flat).report["learning"]["looks"] == 1000
