"""Erasing small regions strip by strip equals doing it at once, and both equal a flood fill."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lantnet.results.cleanup import erase_small_regions, find_regions


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
    regions = find_regions(iter(strips))
    erased = [regions.erase_small(number, strip, smallest) for number, strip in enumerate(strips)]
    assert (np.concatenate(erased) == flood_fill(mask, smallest)).all()


def test_published_rule_erases_20_pixels_and_keeps_21() -> None:
    mask = np.zeros((8, 30), dtype=bool)
    mask[1:5, 1:6] = True
    mask[1:4, 15:22] = True
    assert erase_small_regions(mask, 21).sum() == 21
