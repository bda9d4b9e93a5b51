"""One picture that shows a result at a glance, read in strips and thinned to screen size."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lantnet.results.maps import NO_DATA, UNCHANGED, Maps
from lantnet.results.pictures import gray, overlay, sheet, stretch
from lantnet.scene.scene import Scene
from lantnet.scene.windows import strips
from lantnet.types import Float32, Labels

LARGEST = 900
"""Pixels of the longer side of a panel."""


def quick_look(scene: Scene, maps: Maps) -> Image.Image:
    """Before, after, probability of change, and the changes: orange brighter, blue darker.

    Blocks of pixels become one: the mean of amplitudes, the greatest probability, any change.
    """
    factor = -(-max(scene.height, scene.width) // LARGEST)
    before, after, probability, direction = [], [], [], []
    for strip in strips(scene.height, scene.width, max(factor * (512 // factor), factor)):
        view = scene.read(strip)
        before.append(_blocks(view.before, factor).mean(axis=2))
        after.append(_blocks(view.after, factor).mean(axis=2))
        probability.append(_blocks(np.nan_to_num(maps.probability(strip)), factor).max(axis=2))
        codes = maps.direction(strip)
        seen = _blocks(np.where(codes == NO_DATA, UNCHANGED, codes), factor).max(axis=2)
        seen[_blocks(codes, factor).min(axis=2) == NO_DATA] = NO_DATA
        direction.append(seen)
    first, second = np.concatenate(before), np.concatenate(after)
    low, high = stretch(first, second)
    changes = overlay(gray(second, low, high), np.concatenate(direction))
    return sheet(
        [
            ("before", gray(first, low, high)),
            ("after", gray(second, low, high)),
            ("probability of change", gray(np.concatenate(probability), 0, 1)),
            ("changes: orange brighter, blue darker", changes),
        ],
        columns=2,
    )


def _blocks(values: Float32 | Labels, factor: int) -> NDArray[Any]:
    """(H, W) -> (H / factor, W / factor, factor^2); blocks cut by the border repeat its pixels."""
    height, width = values.shape
    padded = np.pad(values, ((0, -height % factor), (0, -width % factor)), mode="edge")
    split = padded.reshape(padded.shape[0] // factor, factor, padded.shape[1] // factor, factor)
    return split.swapaxes(1, 2).reshape(split.shape[0], split.shape[2], factor * factor)
