"""Erasing small regions strip by strip equals doing it at once, and both equal a flood fill."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rasterio.crs import CRS

from lantnet.detection import Progress
from lantnet.results.cleanup import erase_small_regions, find_regions
from lantnet.results.maps import MemoryMaps, clean
from lantnet.scene.areas import pixel_areas
from lantnet.scene.georeference import Georeference
from lantnet.scene.windows import Window

TRACK = Progress(False).track


def flood_fill(mask: np.ndarray, smallest: int) -> np.ndarray:
    kept = np.zeros_like(mask)
    seen = np.zeros_like(mask)
    for start in zip(*np.nonzero(mask), strict=True):
        if seen[start]:
            continue
        region, stack = [], [start]
        seen[start] = True
        while stack:
            row, col = stack.pop()
            region.append((row, col))
            for i in range(max(row - 1, 0), min(row + 2, mask.shape[0])):
                for j in range(max(col - 1, 0), min(col + 2, mask.shape[1])):
                    if mask[i, j] and not seen[i, j]:
                        seen[i, j] = True
                        stack.append((i, j))
        if len(region) >= smallest:
            kept[tuple(zip(*region, strict=True))] = True
    return kept


masks = arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 12)))


@given(masks, st.integers(1, 20))
def test_equals_a_flood_fill(mask: np.ndarray, smallest: int) -> None:
    assert (erase_small_regions(mask, smallest) == flood_fill(mask, smallest)).all()


@given(masks, st.integers(1, 20), st.integers(1, 5))
def test_strips_change_nothing(mask: np.ndarray, smallest: int, rows: int) -> None:
    strips = [mask[top : top + rows] for top in range(0, len(mask), rows)]
    regions = find_regions((strip, None) for strip in strips)
    erased = [regions.erase_small(number, strip, smallest) for number, strip in enumerate(strips)]
    assert (np.concatenate(erased) == flood_fill(mask, smallest)).all()


def test_of_two_regions_of_equal_pixels_the_one_near_the_pole_is_the_smaller() -> None:
    """A grid of degrees from 0 to 80 north: areas in square meters are those of the pixels themselves."""
    step = 0.1
    placed = Georeference(CRS.from_epsg(4326).to_wkt(), (step, 0, 10, 0, -step, 80))
    maps = MemoryMaps(800, 60)
    probability = np.zeros((800, 60), np.float32)
    probability[100:110, 10:20] = probability[700:710, 10:20] = 1  # at 69.5 and 9.5 degrees north
    whole = Window(0, 0, 800, 60)
    maps.put(whole, probability, np.ones((800, 60), np.uint8))
    north, south = (float(pixel_areas(Window(row, 10, 10, 10), placed).sum()) for row in (100, 700))
    assert north < 0.4 * south
    clean(maps, threshold=0.5, smallest=0.9 * south, track=TRACK, areas=lambda window: pixel_areas(window, placed))
    assert maps.directions[700:710, 10:20].all() and maps.directions.sum() == 100
    clean(maps, threshold=0.5, smallest=0.9 * north, track=TRACK, areas=lambda window: pixel_areas(window, placed))
    assert maps.directions.sum() == 200


def test_published_rule_erases_20_pixels_and_keeps_21() -> None:
    mask = np.zeros((8, 30), dtype=bool)
    mask[1:5, 1:6] = True
    mask[1:4, 15:22] = True
    assert erase_small_regions(mask, 21).sum() == 21
