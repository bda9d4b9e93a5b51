"""Erase small changed regions of a mask that is read in strips, exactly as if it were read at once."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lantnet.types import Float64, Int64, Mask

EIGHT = np.ones((3, 3), dtype=np.int8)


@dataclass(frozen=True)
class Regions:
    """Sizes of the 8-connected regions of a mask, by strip and by label within the strip: pixels, or the sums of what
    pixels weigh."""

    sizes: list[Float64]

    def erase_small(self, number: int, mask: Mask, smallest: float) -> Mask:
        """Strip `number` (from 0) without regions smaller than `smallest`."""
        labels, _ = ndimage.label(mask, EIGHT)
        kept = np.concatenate([[False], self.sizes[number] >= smallest])
        result: Mask = kept[labels]
        return result


def find_regions(strips: Iterable[tuple[Mask, Float64 | None]]) -> Regions:
    """One pass over the full-width strips (H, W) of a mask, from the top down, with what each pixel weighs (None: 1).

    Strips are labeled one by one; labels that touch across a seam are joined afterwards.
    """
    above: Int64 | None = None
    counts: list[Float64] = []
    joints: list[Int64] = []
    first = 0
    for mask, weights in strips:
        labels, found = ndimage.label(mask, EIGHT)
        flat = None if weights is None else weights.ravel()
        counts.append(np.bincount(labels.ravel(), flat, minlength=found + 1)[1:].astype(np.float64))
        edge = np.where(labels[0] > 0, labels[0] + (first - 1), -1)
        if above is not None:
            joints += [_touching(above, edge, shift) for shift in (-1, 0, 1)]
        above = np.where(labels[-1] > 0, labels[-1] + (first - 1), -1)
        first += found
    if not first:
        return Regions(counts)
    pairs = np.concatenate([*joints, np.empty((0, 2), np.int64)])
    graph = coo_array((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), shape=(first, first))
    _, region = connected_components(graph, directed=False)
    sizes = np.bincount(region, weights=np.concatenate(counts))[region]
    ends = np.cumsum([len(count) for count in counts])[:-1]
    return Regions(np.split(sizes, ends))


def erase_small_regions(mask: Mask, smallest: int) -> Mask:
    """(H, W) mask without its 8-connected regions of fewer than `smallest` pixels."""
    return find_regions([(mask, None)]).erase_small(0, mask, smallest)


def _touching(above: Int64, below: Int64, shift: int) -> Int64:
    """Pairs of labels of two rows of which one lies over the other, `shift` columns to its side; -1 is no label."""
    width = len(above)
    upper = above[max(shift, 0) : width + min(shift, 0)]
    lower = below[max(-shift, 0) : width + min(-shift, 0)]
    both = (upper >= 0) & (lower >= 0)
    return np.unique(np.stack([upper[both], lower[both]], axis=1), axis=0).astype(np.int64)
