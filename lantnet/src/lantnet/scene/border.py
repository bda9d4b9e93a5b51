"""Border noise: dark frames and wedges around a scene that are no ground and no declared gap (our choice of method).

Such a frame starts at the border of the image, is darker than any ground, and ends in a straight line, upright or
slanted. A calm lake at the border is dark too; it does not end in a straight line.
"""

from dataclasses import dataclass

import numpy as np

from lantnet.scene.frame import Frame
from lantnet.scene.scene import FILL, Scene, Track
from lantnet.scene.windows import Window, strips
from lantnet.types import Float64, Int64, Mask

DARK = 1 / 12
"""Of the median amplitude, below which a pixel may be border noise: 22 dB under it."""
STRAIGHT = 1.5
"""Pixels that nine tenths of a frame's edge may lie off a straight line."""
SHORTEST = 24
"""Rows or columns that a frame's edge runs along at least."""
FEWEST = 2
"""Pixels of border noise from which there is a frame."""
GROWN = 3
"""Pixels that a found frame is made wider by: resampling blurs its edge."""
ROWS = 512


def mask_frame(scene: Scene, track: Track) -> None:
    """Leave border noise out of a scene, and say so in its notes."""
    frame = find_frame(scene, track)
    if frame is None:
        return
    lost = 0
    for window in strips(scene.height, scene.width, ROWS):
        lost += int((scene.read(window).valid & ~frame.inside(window)).sum())
    if not 0 < lost < 0.5 * scene.valid_pixels:
        return
    scene.frame = frame
    scene.valid_pixels -= lost
    scene.notes.append(
        f"{lost} pixels of border noise (a dark frame or wedge with a straight edge) are excluded from the result."
    )


def find_frame(scene: Scene, track: Track) -> Frame | None:
    """The frame around either date, from one pass; None where there is none."""
    height, width = scene.height, scene.width
    limit = np.float32(DARK * scene.median)
    gaps, depths = _Depths.of(height, width), _Depths.of(height, width)
    for window in track(list(strips(height, width, ROWS)), "border"):
        outer = window.grow(FILL, height, width)
        view = scene.read(outer)
        bright = np.minimum(view.before, view.after) > limit
        gaps.add(window, window.cut(view.valid, outer))
        depths.add(window, window.cut(bright & view.valid, outer))
    sides = [_straight(depth, gap) for depth, gap in zip(depths.sides, gaps.sides, strict=True)]
    return Frame(*sides) if any(side.any() for side in sides) else None


@dataclass
class _Depths:
    """How far from each side of the scene the first True lies, -1 for lines without any; from the top down."""

    height: int
    sides: list[Int64]
    """left, right (of each row), top, bottom (of each column)."""

    @classmethod
    def of(cls, height: int, width: int) -> "_Depths":
        return cls(height, [np.full(size, -1) for size in (height, height, width, width)])

    def add(self, window: Window, ground: Mask) -> None:
        left, right, top, bottom = self.sides
        rows, _ = window.slices
        seen = ground.any(axis=1)
        left[rows] = np.where(seen, ground.argmax(axis=1), -1)
        right[rows] = np.where(seen, ground[:, ::-1].argmax(axis=1), -1)
        seen = ground.any(axis=0)
        np.copyto(top, window.top + ground.argmax(axis=0), where=seen & (top < 0))
        np.copyto(bottom, self.height - window.bottom + ground[::-1].argmax(axis=0), where=seen)


def _straight(depth: Int64, gap: Int64) -> Int64:
    """Depths of one side, a little deeper, where they reach beyond the gap and end in a straight line; else 0."""
    kept = np.zeros_like(depth)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], depth - gap >= FEWEST, [0]])))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        if last - first < SHORTEST:
            continue
        line = _line(depth[first:last])
        if np.quantile(np.abs(depth[first:last] - line), 0.9) <= STRAIGHT:
            kept[first:last] = np.maximum(np.ceil(line), 0).astype(np.int64) + GROWN
    seen = np.flatnonzero(depth >= 0)
    if len(seen):  # where frames of two sides meet, a corner lies in lines without any ground
        kept[: seen[0]] = kept[seen[0]]
        kept[seen[-1] + 1 :] = kept[seen[-1]]
    return kept


def _line(run: Int64) -> Float64:
    """The straight line through most of a run: through the medians of its first and its last third."""
    third = len(run) // 3
    start, end = float(np.median(run[:third])), float(np.median(run[-third:]))
    slope = (end - start) / (len(run) - third)
    line: Float64 = start + slope * (np.arange(len(run), dtype=np.float64) - (third - 1) / 2)
    return line
