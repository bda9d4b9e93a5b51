"""What a registration error explains: log-ratio along edges that both dates show, and nothing else."""

import numpy as np
import pytest
from scipy import ndimage

from lantnet.generated.nasty import Nasty, nasty_pair
from lantnet.methods.calibration import FINE, log_ratio
from lantnet.methods.edges import LEAST_ERROR, MOST_ERROR, explained, registration_error


@pytest.mark.parametrize("shift", [0.25, 0.5, 1.0])
def test_a_shifted_edge_is_explained_by_its_shift(shift: float) -> None:
    """A blurred step of 10 dB, without speckle: what is explained by the shift is the log-ratio, to a fifth."""
    step = ndimage.gaussian_filter1d(np.where(np.arange(64) < 32, 50.0, 160.0), 1.0)
    before = np.repeat(step[None].astype(np.float32), 64, axis=0)
    after = ndimage.shift(before, (0, shift), order=1, mode="nearest")
    ratio = np.abs(log_ratio(before, after, FINE))
    assert ratio.max() > 0.05
    np.testing.assert_allclose(explained(before, after, shift, FINE, 0.0), ratio, atol=0.2 * ratio.max())


def test_the_border_of_a_change_is_not_explained() -> None:
    before = np.full((64, 64), 80, np.float32)
    after = before.copy()
    after[20:44, 20:44] = 20
    assert np.abs(log_ratio(before, after, FINE)).max() > 1
    assert not explained(before, after, 2.0, FINE, 0.0).any()
    assert explained(after, after, 2.0, FINE, 0.0).max() > 0.5


@pytest.mark.parametrize("looks", [1, 4, 20])
def test_speckle_is_no_edge(looks: float) -> None:
    pair = nasty_pair(160, 160, Nasty(share=0, looks=looks, grain=0, texture=0, water=0.3, points=0))
    even = np.random.default_rng(1).gamma(looks, 1 / looks, (2, 160, 160))
    dates = [(80 * np.sqrt(values)).astype(np.float32) for values in even]
    noise = float(log_ratio(*dates, FINE).std())
    speckle = explained(*dates, 1.0, FINE, noise)
    assert (speckle > 0).mean() < 0.04
    assert speckle.mean() < 0.01 * noise
    land = explained(80 * np.sqrt(pair.before), 80 * np.sqrt(pair.after), 1.0, FINE, noise)
    assert land.mean() > 0.03 * noise


def test_edges_are_excused_for_what_was_measured() -> None:
    assert registration_error(None) == registration_error((0.2, 0.1)) == LEAST_ERROR
    assert registration_error((2.0, -1.0)) == pytest.approx(1.35 * 5**0.5)
    assert registration_error((30.0, 0.0)) == MOST_ERROR
