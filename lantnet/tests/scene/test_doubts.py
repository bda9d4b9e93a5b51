"""What the values of an image give away: clipping, a stretch from decibels, another scale than was said."""

import numpy as np
import pytest

from lantnet.generated.nasty import gray_levels, nasty_pair, random_recipe
from lantnet.scene.doubts import Values, examine_values


def values_of(image: np.ndarray) -> Values:
    return examine_values([image.astype(np.float32)], [np.ones(image.shape, bool)])


def remarks(image: np.ndarray) -> str:
    return " ".join(values_of(image).remarks("before", "8bit"))


@pytest.mark.parametrize("seed", range(16))
def test_amplitude_and_a_stretch_from_decibels_are_told_apart(seed: int) -> None:
    pair = nasty_pair(256, 256, random_recipe(seed))
    amplitude, _ = gray_levels(pair)
    decibel = 10 * np.log10(pair.before + 1e-6)
    stretched = np.rint(np.clip((decibel + 20) / 30 * 255, 0, 255))
    assert "decibels" not in remarks(amplitude)
    assert "stretched from decibels" in remarks(stretched)


def test_decibels_read_as_linear_grow_beyond_any_speckle() -> None:
    gray, _ = gray_levels(nasty_pair(256, 256, random_recipe(5)))
    assert "Check --scale" in remarks(10 ** (gray / 20))


def test_power_of_one_look_read_as_amplitude_varies_too_much() -> None:
    power = np.random.default_rng(0).gamma(1, 1, (256, 256)) * np.linspace(1, 3, 256)
    assert values_of(power).variation == pytest.approx(0.87, abs=0.08)
    assert "Check --scale" in remarks(power)
    assert remarks(np.sqrt(power)) == ""


def test_clipping_at_either_end_is_told_in_percent() -> None:
    gray = np.random.default_rng(0).gamma(4, 20, (200, 200))
    low, high = np.quantile(gray, [0.1, 0.95])
    assert remarks(gray) == ""
    notes = remarks(np.clip(gray, low, high))
    assert "10.0 % of before is clipped black" in notes
    assert "5.0 % of before is clipped white" in notes


def test_flat_and_tiny_images_raise_no_doubt_about_their_scale() -> None:
    assert values_of(np.full((64, 64), 9.0)).exponent is None
    assert values_of(np.random.default_rng(0).gamma(4, 20, (16, 16))).exponent is None
