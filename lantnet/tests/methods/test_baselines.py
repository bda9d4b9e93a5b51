"""The quick methods find a plain change, and none of them trips over nothing."""

import numpy as np
import pytest

from lantnet import evaluate
from lantnet.generated.pairs import Recipe, as_8bit, speckled_pair
from lantnet.methods.baselines import BASELINES


@pytest.mark.parametrize("name", BASELINES)
def test_finds_a_flood(name: str) -> None:
    pair = speckled_pair(96, 160, Recipe("flood", 0.2, 8, 1))
    before, after = (as_8bit(image).astype(np.float32) for image in (pair.before, pair.after))
    assert evaluate(BASELINES[name](before, after), pair.truth).kc > 60


@pytest.mark.parametrize("name", BASELINES)
def test_constant_images_are_no_crash(name: str) -> None:
    flat = np.full((20, 20), 80, dtype=np.float32)
    assert BASELINES[name](flat, flat).shape == (20, 20)
    assert not BASELINES[name](flat, flat).any()
