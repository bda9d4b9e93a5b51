"""Shift and belonging of two images, on pairs whose shift is known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from lantnet.generated.nasty import Nasty, nasty_pair, random_recipe
from lantnet.scene.pairing import Pairing, examine_pairing
from lantnet.scene.scene import View


def view(before: np.ndarray, after: np.ndarray) -> View:
    first, second = (80 * np.sqrt(image).astype(np.float32) for image in (before, after))
    return View(first, second, np.ones(before.shape, bool))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0, 2.0])
def test_the_shift_of_a_nasty_pair_is_found_to_a_third_of_a_pixel(seed: int, shift: float) -> None:
    recipe = replace(random_recipe(seed), shift=shift)
    pair = nasty_pair(192, 224, recipe)
    found = examine_pairing([view(pair.before, pair.after)])
    assert found.shift is not None
    assert found.shift == pytest.approx((shift, -shift / 2), abs=0.33)
    assert found.belongs
    assert bool(found.remarks()) == (np.hypot(*found.shift) >= 0.4)


@pytest.mark.parametrize("shift", [(7.25, -3.5), (-20.0, 11.75)])
def test_a_large_shift_is_told_in_pixels_and_direction(shift: tuple[float, float]) -> None:
    pair = nasty_pair(256, 256, Nasty(share=0.1, looks=8))
    moved = ndimage.shift(pair.after.astype(np.float64), shift, order=1, mode="reflect")
    found = examine_pairing([view(pair.before, moved)])
    assert found.shift == pytest.approx(shift, abs=0.3)
    (remark,) = found.remarks()
    assert f"{abs(found.shift[0]):.1f} pixels {'down' if shift[0] > 0 else 'up'}" in remark
    assert f"{abs(found.shift[1]):.1f} pixels {'right' if shift[1] > 0 else 'left'}" in remark
    assert "--align measured" in remark


@pytest.mark.parametrize("seed", range(12))
def test_two_places_do_not_belong_together_and_are_said_not_to(seed: int) -> None:
    one, other = (nasty_pair(256, 256, replace(random_recipe(seed), seed=number)) for number in (seed, seed + 1000))
    assert examine_pairing([view(one.before, one.after)]).belongs
    found = examine_pairing([view(one.before, other.after)])
    assert found.shift is None
    assert found.belongs is False
    assert "may show different places" in found.remarks()[0]


def test_a_turned_image_does_not_belong() -> None:
    pair = nasty_pair(256, 256, Nasty(looks=4))
    assert examine_pairing([view(pair.before, pair.after[::-1, ::-1])]).belongs is False


def test_speckle_without_structure_leaves_the_question_open() -> None:
    first, second = np.random.default_rng(0).gamma(4, 0.25, (2, 200, 200))
    found = examine_pairing([view(first, second)])
    assert found.belongs is None
    assert found.remarks() == []


def test_a_constant_image_has_no_shift() -> None:
    flat = np.full((64, 64), 3.0)
    assert examine_pairing([view(flat, flat)]) == Pairing(0.0, 0.0, None, 0.0)
