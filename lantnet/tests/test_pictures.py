"""Sheets of pictures: every caption lies above its own picture, whole, whatever the size of the scene."""

import numpy as np
import pytest

from lantnet.results.pictures import GAP, PAPER, sheet

CAPTION = "changes: orange brighter, blue darker"


@pytest.mark.parametrize("side", [64, 100, 128, 150, 200, 256, 301])
@pytest.mark.parametrize("flat", [1, 3])
def test_captions_are_no_wider_than_their_panels(side: int, flat: int) -> None:
    """The gaps between panels and at the borders hold nothing, and captions differ in what lies above the pictures."""
    blank = np.full((side // flat, side, 3), 255, np.uint8)
    written = np.asarray(sheet([(CAPTION, blank)] * 2, columns=2))
    panel = (written.shape[1] - 3 * GAP) // 2
    for start in (0, GAP + panel, 2 * (GAP + panel)):
        assert (written[:, start : start + GAP] == PAPER).all()
    for left in (GAP, 2 * GAP + panel):
        assert (written[:, left : left + panel] != PAPER).any(axis=-1).sum() > 300


def test_small_pictures_are_enlarged_and_large_ones_are_not() -> None:
    for side, shown in ((64, 256), (128, 256), (200, 200), (301, 301)):
        black = np.zeros((side, side, 3), np.uint8)
        drawn = np.asarray(sheet([("", black)], columns=1))
        assert (drawn == 0).all(axis=-1).sum() == shown**2
