"""Samples of a scene do not depend on the windows it is read in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lantnet.methods.sampling import draw, gather
from lantnet.scene.windows import Window, tiles

HEIGHT, WIDTH = 37, 41
CLASSES = np.random.default_rng(5).integers(0, 3, (HEIGHT, WIDTH)).astype(np.uint8)


def drawn(tile: int, wanted: dict[int, int], seed: int) -> dict[int, np.ndarray]:
    return draw(((window, CLASSES[window.slices]) for window in tiles(HEIGHT, WIDTH, tile)), wanted, seed, WIDTH)


@given(st.integers(5, 60), st.integers(0, 400), st.integers(0, 3))
def test_the_same_pixels_whatever_the_windows(tile: int, count: int, seed: int) -> None:
    whole, parts = (drawn(size, {0: count, 2: 50}, seed) for size in (100, tile))
    for c in (0, 2):
        assert (whole[c] == parts[c]).all()


def test_as_many_as_wanted_or_all_there_are_and_of_the_class() -> None:
    chosen = drawn(16, {0: 100, 2: 10_000}, 0)
    assert len(set(chosen[0].tolist())) == 100
    assert (CLASSES.ravel()[chosen[0]] == 0).all()
    assert sorted(chosen[2]) == np.flatnonzero(CLASSES.ravel() == 2).tolist()


def test_another_seed_draws_others_and_all_parts_of_the_scene() -> None:
    first, second = (drawn(100, {0: 200}, seed)[0] for seed in (0, 1))
    assert len(set(first.tolist()) & set(second.tolist())) < 120
    assert first.mean() == pytest.approx(HEIGHT * WIDTH / 2, rel=0.15)


@pytest.mark.parametrize("border", ["constant", "reflect"])
@pytest.mark.parametrize("tile", [10, 100])
def test_gathers_what_lies_around_each_pixel(border: str, tile: int) -> None:
    radius, halo = 3, 4
    stack = np.random.default_rng(1).random((2, HEIGHT, WIDTH)).astype(np.float32)
    index = np.array([0, WIDTH - 1, 5 * WIDTH + 7, 10 * WIDTH + 9, HEIGHT * WIDTH - 1, 20 * WIDTH])

    def stacks():
        for window in tiles(HEIGHT, WIDTH, tile):
            outer = window.grow(halo, HEIGHT, WIDTH)
            yield window, outer, stack[:, *outer.slices]

    padded = np.pad(stack, ((0, 0), (radius, radius), (radius, radius)), mode=border)
    expected = [padded[:, i // WIDTH : i // WIDTH + 7, i % WIDTH : i % WIDTH + 7] for i in index]
    np.testing.assert_array_equal(gather(stacks(), index, radius, WIDTH, border), expected)


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 60), st.integers(0, 9))
def test_windows_cover_a_scene_once_and_cut_undoes_grow(height: int, width: int, size: int, halo: int) -> None:
    covered = np.zeros((height, width), dtype=int)
    values = np.arange(height * width).reshape(height, width)
    for window in tiles(height, width, size):
        covered[window.slices] += 1
        outer = window.grow(halo, height, width)
        assert (window.cut(values[outer.slices], outer) == values[window.slices]).all()
    assert (covered == 1).all()


def test_a_window_grows_no_further_than_the_scene() -> None:
    assert Window(2, 0, 5, 5).grow(4, 8, 20) == Window(0, 0, 8, 9)
