"""Total variation: its energy against a plain solver's, its seams, its edges."""

import numpy as np
import pytest
from scipy.optimize import minimize

from lantnet.methods.denoising import STEPS, total_variation


def energy(smooth: np.ndarray, image: np.ndarray, weight: float) -> float:
    """Isotropic total variation with forward differences."""
    down, right = np.zeros_like(image), np.zeros_like(image)
    down[:-1], right[:, :-1] = np.diff(smooth, axis=0), np.diff(smooth, axis=1)
    return float(((smooth - image) ** 2).sum() / 2 + weight * np.sqrt(down**2 + right**2 + 1e-8).sum())


def test_it_comes_close_to_the_least_energy() -> None:
    rng = np.random.default_rng(0)
    image = np.where(np.add.outer(np.arange(6), np.arange(7)) > 5, 1.0, 0.0) + 0.3 * rng.normal(size=(6, 7))
    best = minimize(lambda x: energy(x.reshape(6, 7), image, 0.3), image.ravel(), method="L-BFGS-B")
    found = energy(total_variation(image.astype(np.float32), 0.3), image, 0.3)
    assert best.fun * 0.999 < found < best.fun + 0.02 * (energy(image, image, 0.3) - best.fun)


def test_windows_with_a_halo_have_no_seams() -> None:
    image = np.random.default_rng(1).normal(size=(90, 100)).astype(np.float32)
    whole = total_variation(image, 0.8)
    for rows in (slice(0, 40), slice(40, 90)):
        top, bottom = max(rows.start - STEPS, 0), min(rows.stop + STEPS, 90)
        part = total_variation(image[top:bottom], 0.8)[rows.start - top : rows.stop - top]
        np.testing.assert_array_equal(part, whole[rows])


def test_areas_become_flat_and_borders_stay() -> None:
    truth = np.zeros((60, 60), np.float32)
    truth[20:40, 20:40] = 1
    noisy = truth + 0.4 * np.random.default_rng(2).normal(size=truth.shape).astype(np.float32)
    smooth = total_variation(noisy, 0.4)
    assert smooth[truth == 0].std() < 0.25 * noisy[truth == 0].std()
    assert ((smooth > 0.5) == (truth > 0)).mean() > 0.99
    assert total_variation(noisy, 0.0) is noisy


def test_the_mean_is_kept() -> None:
    image = np.random.default_rng(3).normal(2, 1, (33, 47)).astype(np.float32)
    assert total_variation(image, 1.0).mean() == pytest.approx(image.mean(), abs=1e-4)
