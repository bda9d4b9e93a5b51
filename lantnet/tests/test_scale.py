"""Every scale becomes 8-bit-like amplitude, is found where that is safe, and asked for where it is not."""

import re

import numpy as np
import pytest

import lantnet
from lantnet import InputError
from lantnet.generated.nasty import Nasty, nasty_pair
from lantnet.generated.pairs import Recipe, speckled_pair
from lantnet.scene.scale import (
    Look,
    Scale,
    amplitude,
    amplitude_histogram,
    detect_scale,
    explained,
    frames,
    measured,
    median_amplitude,
)
from lantnet.scene.scene import open_scene
from lantnet.scene.source import ArraySource

POWER = np.random.default_rng(0).gamma(4, 0.25, 5000).astype(np.float32) * 0.1


def look(values: np.ndarray) -> Look:
    result = Look()
    for part in np.array_split(np.asarray(values, dtype=np.float32), 3):
        result.add(part, np.isfinite(part))
    return result


def speckled(looks: float, seed: int = 0) -> np.ndarray:
    """Power of smooth ground, (96, 96), a multiple of three blocks high."""
    rng = np.random.default_rng(seed)
    ground = 0.1 * (1 + np.add.outer(np.arange(144.0), np.arange(96.0)) / 400)
    return (ground * rng.gamma(looks, 1 / looks, ground.shape)).astype(np.float32)


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
        ("float32", [1.5, 99.25], "may be 8-bit gray levels"),
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


@pytest.mark.parametrize("looks", [1, 3, 8, 20])
def test_float_amplitude_is_not_taken_for_power_in_silence(looks: float) -> None:
    power = speckled(looks)
    assert detect_scale("float32", look(power), "x") is Scale.POWER
    assert "skew" not in explained(Scale.POWER, look(power), "x")[0]
    assert look(power).skew == pytest.approx(2, abs=0.35)
    (note,) = explained(Scale.POWER, look(np.sqrt(power)), "x")
    assert re.search(r"x: fractions were read as linear power, but the skew .* is [\d.]+.*--scale amplitude", note)


@pytest.mark.parametrize("looks", [1, 4, 20, 50])
@pytest.mark.parametrize("texture", [0.0, 2.0])
def test_power_of_any_land_is_read_without_a_declared_scale(looks: float, texture: float) -> None:
    """Its skew may look like amplitude's: texture and many looks hide it. It is remarked on, not refused."""
    pair = nasty_pair(160, 160, Nasty(looks=looks, texture=texture, seed=2))
    assert detect_scale("float32", look(pair.before), "x") is Scale.POWER
    assert explained(Scale.POWER, look(pair.before), "x")


def test_amplitude_that_is_read_as_power_is_warned_of_and_gives_nearly_the_same_map(quick_default: object) -> None:
    pair = speckled_pair(96, 112, Recipe("fields", 0.3, 4, 1))
    before, after = np.sqrt(pair.before), np.sqrt(pair.after)
    declared = lantnet.detect(before, after, scale="amplitude")
    with pytest.warns(UserWarning, match="Set --scale power or --scale amplitude"):
        guessed = lantnet.detect(before, after)
    assert declared.mask.any()
    assert lantnet.evaluate(guessed.mask, declared.mask).kc > 85


def test_fractional_digital_numbers_are_asked_about() -> None:
    with pytest.raises(InputError, match="median above 10 are digital numbers"):
        detect_scale("float32", look(3000 * np.sqrt(speckled(4))), "x")


def test_an_undeclared_zero_frame_around_decibels_is_no_data_and_said() -> None:
    decibel = 10 * np.log10(speckled(4))
    framed = decibel.copy()
    framed[:, :20] = 0
    seen = look(framed)
    assert detect_scale("float32", seen, "x") is Scale.DECIBEL
    assert seen.framed and not look(decibel).framed
    assert "exactly 0 dB" in frames(Scale.DECIBEL, seen, "x")[0]
    assert measured(framed, Scale.DECIBEL, framed=True).sum() == 144 * 76
    assert measured(framed, Scale.DECIBEL).all()
    mostly = np.zeros((144, 96), np.float32)
    mostly[:6] = decibel[:6]
    assert detect_scale("float32", look(mostly), "x") is Scale.DECIBEL, "a frame over 95 % of the image"


def test_a_frame_around_a_scene_whose_mean_is_zero_decibels() -> None:
    decibel = (10 * np.log10(speckled(4))).astype(np.float32)
    decibel -= np.median(decibel)
    assert not look(decibel).framed
    for step in (0.1, 0.25):
        rounded = (np.rint(decibel / step) * step).astype(np.float32)
        assert (rounded == 0).sum() > 50 and not look(rounded).framed
    decibel[:, :16] = 0
    seen = look(decibel)
    assert seen.zeros < seen.near, "too few to tell by those within a decibel"
    assert seen.framed


def test_bright_decibels_around_zero_are_no_frame() -> None:
    rounded = np.rint(speckled(4) * 100 - 12).astype(np.float32)
    assert (rounded == 0).sum() > 50
    assert not look(rounded + np.float32(0.25) * (rounded != 0)).framed


def test_another_fill_value_is_pointed_out() -> None:
    decibel = 10 * np.log10(speckled(4))
    decibel[:20] = -50
    assert "--nodata -50" in frames(Scale.DECIBEL, look(decibel), "x")[0]


def test_a_scene_of_framed_decibels_loses_the_frame() -> None:
    pair = [10 * np.log10(speckled(4, seed)) for seed in (1, 2)]
    pair[1][:, -30:] = 0
    sources = [ArraySource(values, name) for values, name in zip(pair, "ab", strict=True)]
    scene = open_scene(*sources, scale=None, tile=64, track=lambda windows, name: windows)
    assert scene.framed == (False, True)
    assert scene.valid_pixels == 144 * 66
    assert any("b: 4320 pixels are exactly 0 dB" in note for note in scene.notes)
    declared = open_scene(*sources, scale=Scale.DECIBEL, tile=64, track=lambda windows, name: windows)
    assert declared.valid_pixels == 144 * 66
