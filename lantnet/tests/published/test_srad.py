"""SRAD against a plain loop over the published formula, and against vectors of the authors' code."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lantnet.published.srad import RADIUS, srad

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())


def slow_srad(image: np.ndarray, iterations: int) -> np.ndarray:
    scale = 1.0
    for _ in range(iterations):
        scale *= math.exp(-0.15)
        image = slow_iteration(image, scale)
    return image


def slow_iteration(image: np.ndarray, q0: float) -> np.ndarray:
    height, width = image.shape
    x = np.pad(image.astype(np.float64), 1, mode="edge")

    def at(row: int, col: int) -> float:
        return x[min(max(row, 0), height + 1), min(max(col, 0), width + 1)]

    c = np.zeros_like(x)
    for row in range(height + 2):
        for col in range(width + 2):
            here = x[row, col]
            around = [at(row - 1, col), at(row + 1, col), at(row, col - 1), at(row, col + 1)]
            frame = row in (0, height + 1) or col in (0, width + 1)
            laplacian = 0.0 if frame else sum(around) / 4 - here
            q1 = math.sqrt(sum((value - here) ** 2 for value in around)) / (here + 1e-4)
            q2 = 4 * laplacian / (here + 1e-4)
            square = max((q1**2 / 2 - q2**2 / 16) / ((1 + q2 / 4) ** 2 + 0.01), 0)
            c[row, col] = 1 / (1 + (square - q0**2) / (q0**2 * (1 + q0**2)))
    result = np.empty((height, width))
    for row in range(1, height + 1):
        for col in range(1, width + 1):
            here = x[row, col]
            flow = c[row, col - 1] * (x[row, col - 1] - here) + c[row, col] * (x[row, col + 1] - here)
            flow += c[row + 1, col] * (x[row + 1, col] - here) + c[row, col] * (x[row - 1, col] - here)
            result[row - 1, col - 1] = here + 0.15 / 4 * flow
    return result


def test_equals_the_authors_code_on_the_stored_image() -> None:
    image = np.array(VECTORS["srad_input"], dtype=np.float32)
    np.testing.assert_allclose(srad(image), VECTORS["srad_output"], atol=2e-4, rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 1), (11, 8)])
def test_equals_a_loop_over_the_formula(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(3).gamma(2, 40, shape).astype(np.float32)
    np.testing.assert_allclose(srad(image, iterations=3), slow_srad(image, 3), rtol=2e-5)


@given(arrays(np.float32, (9, 9), elements=st.floats(0, 255, width=32)))
def test_is_finite_and_stays_within_the_range_of_the_image(image: np.ndarray) -> None:
    smooth = srad(image)
    assert np.isfinite(smooth).all()
    slack = 1e-3 * (1 + np.ptp(image))
    assert smooth.min() >= image.min() - slack
    assert smooth.max() <= image.max() + slack


def test_a_pixel_depends_on_no_more_than_its_radius() -> None:
    image = np.random.default_rng(0).gamma(4, 20, (61, 61)).astype(np.float32)
    moved = image.copy()
    moved[30, 30] += 100
    rows, cols = np.nonzero(srad(image) != srad(moved))
    assert max(np.abs(rows - 30).max(), np.abs(cols - 30).max()) <= RADIUS
