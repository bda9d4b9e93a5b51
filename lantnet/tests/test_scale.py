"""Every scale becomes 8-bit-like amplitude, is found where that is safe, and asked for where it is not."""

import numpy as np
import pytest

from lantnet import InputError
from lantnet.scene.scale import (
    Look,
    Scale,
    amplitude,
    amplitude_histogram,
    detect_scale,
    measured,
    median_amplitude,
)

POWER = np.random.default_rng(0).gamma(4, 0.25, 5000).astype(np.float32) * 0.1


def look(values: np.ndarray) -> Look:
    result = Look()
    for part in np.array_split(np.asarray(values, dtype=np.float32), 3):
        result.add(part, np.isfinite(part))
    return result


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        ("uint8", [0, 255], Scale.EIGHT_BIT),
        ("float32", [0, 17, 255], Scale.EIGHT_BIT),
        ("uint16", [0, 812, 40000], Scale.AMPLITUDE),
        ("float32", POWER, Scale.POWER),
        ("float32", [*POWER, -0.001], Scale.POWER),
        ("float32", 10 * np.log10(POWER), Scale.DECIBEL),
    ],
)
def test_detected(dtype: str, values: np.ndarray, expected: Scale) -> None:
    assert detect_scale(dtype, look(values), "x") is expected


@pytest.mark.parametrize(
    ("dtype", "values", "words"),
    [
        ("int16", [-2200, -300], "scaled decibels"),
        ("float32", [-5000.5, 3.2], "within -100..60"),
        ("float32", [1.5, 99.25], "may be 8-bit grey levels"),
    ],
)
def test_doubt_is_an_error_that_says_how_to_declare(dtype: str, values: list[float], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        detect_scale(dtype, look(np.array(values)), "scene.tif")
    assert "scene.tif" in str(caught.value)
    assert "--scale" in str(caught.value)


def test_power_and_its_decibels_are_one_amplitude() -> None:
    np.testing.assert_allclose(amplitude(10 * np.log10(POWER), Scale.DECIBEL), amplitude(POWER, Scale.POWER), rtol=1e-5)
    np.testing.assert_allclose(amplitude(POWER, Scale.POWER) ** 2, POWER, rtol=1e-5)


def test_power_below_zero_is_dark_ground_and_exactly_zero_is_no_measurement() -> None:
    values = np.array([-0.01, 0.0, 0.2, np.nan, np.inf], dtype=np.float32)
    assert amplitude(values[:1], Scale.POWER)[0] == 0
    assert measured(values, Scale.POWER).tolist() == [True, False, True, False, False]
    assert measured(values, Scale.EIGHT_BIT).tolist() == [True, True, True, False, False]


def test_median_of_the_histogram_is_the_median() -> None:
    counts = sum(amplitude_histogram(part) for part in np.array_split(POWER, 7))
    assert median_amplitude(counts) == pytest.approx(float(np.median(POWER)), rel=3e-3)
    assert median_amplitude(amplitude_histogram(np.zeros(3, np.float32))) == 0
