"""The result of a scene while it is being made: probability and direction by window, then the cleaned mask."""

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from lantnet.results.cleanup import find_regions
from lantnet.scene.scene import Track
from lantnet.scene.windows import Window, strips
from lantnet.types import Float32, Float64, Labels, Mask

UNCHANGED, BRIGHTER, DARKER, NO_DATA = 0, 1, 2, 255
"""Values of the direction map; the mask has 0, 1 and NO_DATA."""
BLOCK = 512
"""Side of the blocks of a GeoTIFF, and rows of a strip."""


class Maps(Protocol):
    """`draft` holds the direction that a pixel has if it counts as changed."""

    height: int
    width: int

    def put(self, window: Window, probability: Float32, draft: Labels) -> None: ...
    def probability(self, window: Window) -> Float32: ...
    def draft(self, window: Window) -> Labels: ...
    def put_direction(self, window: Window, direction: Labels) -> None: ...
    def direction(self, window: Window) -> Labels: ...


class MemoryMaps:
    """All maps as arrays: 6 bytes a pixel."""

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.probabilities = np.full((height, width), np.nan, dtype=np.float32)
        self.drafts = np.full((height, width), NO_DATA, dtype=np.uint8)
        self.directions = np.full((height, width), NO_DATA, dtype=np.uint8)

    def put(self, window: Window, probability: Float32, draft: Labels) -> None:
        self.probabilities[window.slices] = probability
        self.drafts[window.slices] = draft

    def probability(self, window: Window) -> Float32:
        return self.probabilities[window.slices]

    def draft(self, window: Window) -> Labels:
        return self.drafts[window.slices]

    def put_direction(self, window: Window, direction: Labels) -> None:
        self.directions[window.slices] = direction

    def direction(self, window: Window) -> Labels:
        return self.directions[window.slices]


def draft_direction(log_ratio: Float32, valid: Mask) -> Labels:
    """BRIGHTER where the smoothed ln(after/before) is above 0, else DARKER; NO_DATA where not valid."""
    direction = np.where(log_ratio > 0, BRIGHTER, DARKER).astype(np.uint8)
    direction[~valid] = NO_DATA
    return direction


def clean(
    maps: Maps,
    *,
    threshold: float,
    smallest: float,
    track: Track,
    areas: Callable[[Window], Float64 | None] = lambda window: None,
) -> None:
    """Settle the direction map: changed where the probability is above `threshold` and the region is large enough.

    smallest: pixels, or the unit of `areas`, which gives the size of every pixel of a window.
    """

    def masks(name: str) -> Iterator[tuple[Window, Mask]]:
        for strip in track(list(strips(maps.height, maps.width, BLOCK)), name):
            yield strip, maps.probability(strip) > threshold

    regions = find_regions((mask, areas(strip)) for strip, mask in masks("regions"))
    for number, (strip, mask) in enumerate(masks("clean-up")):
        kept = regions.erase_small(number, mask, smallest)
        draft = maps.draft(strip)
        maps.put_direction(strip, np.where(kept | (draft == NO_DATA), draft, UNCHANGED).astype(np.uint8))
