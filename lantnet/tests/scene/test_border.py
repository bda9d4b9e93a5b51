"""Border noise: frames and wedges are found and left out, lakes at the border and gaps are not."""

from dataclasses import replace

import numpy as np
import pytest

from lantnet.detection import Progress
from lantnet.generated.nasty import Nasty, nasty_pair, random_recipe
from lantnet.scene import border
from lantnet.scene.border import mask_frame
from lantnet.scene.scene import Scene, open_scene
from lantnet.scene.windows import Window

from ..sources import array_source

TRACK = Progress(False).track


def framed(before: np.ndarray, after: np.ndarray) -> tuple[Scene, np.ndarray]:
    """The scene, and where it is left out as border noise."""
    scene = open_scene(array_source(before), array_source(after), scale=None, tile=64, track=TRACK)
    whole = Window(0, 0, scene.height, scene.width)
    before_masking = scene.read(whole).valid
    mask_frame(scene, TRACK)
    lost = before_masking & ~scene.read(whole).valid
    assert scene.valid_pixels == before_masking.sum() - lost.sum()
    assert bool(lost.any()) == any(f"{lost.sum()} pixels of border noise" in note for note in scene.notes)
    return scene, lost


def noise(shape: tuple[int, ...]) -> np.ndarray:
    return 1e-4 * np.random.default_rng(1).gamma(2, 0.5, shape)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("rows", [512, 40])
def test_a_frame_is_left_out_with_few_pixels_more(seed: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(border, "ROWS", rows)
    pair = nasty_pair(200, 220, replace(random_recipe(seed), shift=0, clipped=0))
    true = np.zeros(pair.truth.shape, bool)
    true[:, :12] = true[-9:] = True
    after = np.where(true, noise(true.shape), pair.after)
    _, lost = framed(pair.before, after)
    assert lost[true].all()
    assert (lost & ~true).sum() <= 4 * (200 + 220)


def test_a_slanted_wedge_is_left_out() -> None:
    pair = nasty_pair(200, 220, Nasty(looks=4))
    rows, columns = np.mgrid[:200, :220]
    wedge = columns < 40 - 0.3 * rows
    _, lost = framed(np.where(wedge, noise(wedge.shape), pair.before), pair.after)
    assert lost[wedge].mean() > 0.97
    assert (lost & ~wedge).sum() < 5 * 140


@pytest.mark.parametrize("seed", range(6))
def test_a_lake_at_the_border_stays(seed: int) -> None:
    pair = nasty_pair(200, 220, Nasty(looks=4, seed=seed))
    rows, columns = np.mgrid[:200, :220]
    lake = columns < 25 + 12 * np.sin(rows / 17)
    after = np.where(lake, 1e-3 * pair.after, pair.after)
    _, lost = framed(np.where(lake, 1e-3 * pair.before, pair.before), after)
    assert not lost.any()


def test_a_declared_gap_with_a_straight_edge_is_no_border_noise() -> None:
    pair = nasty_pair(200, 220, Nasty(looks=4, water=0))
    before = pair.before.copy()
    before[:, :30] = np.nan
    _, lost = framed(before, pair.after)
    assert not lost.any()


def test_noise_beside_a_gap_is_found() -> None:
    pair = nasty_pair(200, 220, Nasty(looks=4, water=0))
    before = pair.before.copy()
    before[:, :38] = noise((200, 38))
    before[:, :30] = np.nan
    _, lost = framed(before, pair.after)
    assert lost[:, 30:38].all()
