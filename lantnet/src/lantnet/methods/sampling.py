"""Random pixels of a scene that is read in windows, the same ones whatever the windows, and what surrounds them."""

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lantnet.randomness import scramble
from lantnet.scene.windows import Window
from lantnet.types import Float32, Int64, Labels


def draw(labeled: Iterable[tuple[Window, Labels]], wanted: dict[int, int], seed: int, width: int) -> dict[int, Int64]:
    """For each class c at most wanted[c] pixels, uniformly at random, as flat indices row * width + column.

    `labeled` yields windows of a scene `width` pixels wide with their (H, W) classes. Every pixel gets a
    random number from its index and the seed; the pixels with the smallest numbers are drawn, in their order.
    """
    best = {c: (np.empty(0, np.uint64), np.empty(0, np.int64)) for c in wanted}
    for window, labels in labeled:
        rows, cols = window.slices
        index = np.arange(rows.start, rows.stop)[:, None] * width + np.arange(cols.start, cols.stop)
        for c, count in wanted.items():
            candidates = index[labels == c]
            keys = np.concatenate([best[c][0], _keys(candidates, seed)])
            candidates = np.concatenate([best[c][1], candidates])
            if len(keys) > count:
                kept = np.argpartition(keys, count)[:count]
                keys, candidates = keys[kept], candidates[kept]
            best[c] = (keys, candidates)
    return {c: candidates[np.argsort(keys)] for c, (keys, candidates) in best.items()}


def gather(
    stacks: Iterable[tuple[Window, Window, Float32]],
    index: Int64,
    radius: int,
    width: int,
    border: Literal["constant", "reflect"],
) -> Float32:
    """The (S, C, 2 radius + 1, 2 radius + 1) neighborhoods of S pixels given as flat indices.

    `stacks` yields windows of the scene, the larger windows they were read with, and the (C, H, W) channels
    of those. Beyond the scene's border the channels continue with zeros ("constant") or mirrored ("reflect").
    """
    rows, cols = np.divmod(index, width)
    side = 2 * radius + 1
    patches: Float32 | None = None
    for window, outer, stack in stacks:
        if patches is None:
            patches = np.zeros((len(index), len(stack), side, side), dtype=np.float32)
        inside = (rows >= window.top) & (rows < window.bottom) & (cols >= window.left) & (cols < window.right)
        if not inside.any():
            continue
        padded = np.pad(stack, ((0, 0), (radius, radius), (radius, radius)), mode=border)
        around = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(1, 2))
        patches[inside] = around[:, rows[inside] - outer.top, cols[inside] - outer.left].swapaxes(0, 1)
    if patches is None:
        raise ValueError("a scene has at least one window")
    return patches


def _keys(index: Int64, seed: int) -> NDArray[np.uint64]:
    return scramble(scramble(index.astype(np.uint64)) ^ np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64))
