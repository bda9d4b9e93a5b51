"""How a still image becomes pieces of a tower's side: the rules of InternVL, SmolVLM and LLaVA-OneVision.

Source: transformers' image processors (GotOcr2, SmolVLM, LlavaOnevision), whose pixels these equal.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from reeltune.video.resize import resize_frame, with_longer_side

# Of grids of one shape the larger, while the image fills at least this share of it (GotOcr2's rule).
LEAST_FILLED = 0.5
# SmolVLM's processor has it written in.
LONGEST_SIDE = 4096


def tiles(image: np.ndarray, rows: int, columns: int, side: int) -> list[np.ndarray]:
    """An image [rows * side, columns * side, 3] in squares, row by row."""
    return [
        image[row * side : (row + 1) * side, column * side : (column + 1) * side]
        for row in range(rows)
        for column in range(columns)
    ]


def closest_grid(height: int, width: int, side: int, least: int, most: int) -> tuple[int, int]:
    """(rows, columns) of `least` to `most` tiles nearest to the image's shape; of two as near the larger, unless the
    image would be enlarged to more than twice its area.
    """
    grids = [(r, c) for c in range(1, most + 1) for r in range(1, most + 1) if least <= r * c <= most]
    best, gap = (1, 1), math.inf
    for rows, columns in sorted(grids, key=lambda grid: grid[0] * grid[1]):
        own = abs(width / height - columns / rows)
        fills = height * width > LEAST_FILLED * side * side * rows * columns
        if own < gap or (own == gap and fills):
            best, gap = (rows, columns), own
    return best


def cut_to_grid(
    image: np.ndarray, rows: int, columns: int, side: int, resize: Callable[..., np.ndarray] = resize_frame
) -> np.ndarray:
    """The image stretched over the grid and cut; of several tiles the whole image as the last: [T, side, side, 3]."""
    pieces = tiles(resize(image, rows * side, columns * side), rows, columns, side)
    return np.stack([*pieces, resize(image, side, side)] if len(pieces) > 1 else pieces)


def enlarged_size(height: int, width: int, longest: int) -> tuple[int, int]:
    """SmolVLM's first size: the longer side `longest`, the shorter even."""
    height, width = with_longer_side(height, width, longest)
    if max(height, width) > LONGEST_SIDE:
        shape = width / height
        pair = (
            (int(LONGEST_SIDE / shape), LONGEST_SIDE) if width >= height else (LONGEST_SIDE, int(LONGEST_SIDE * shape))
        )
        height, width = max(pair[0], 1), max(pair[1], 1)
    return height, width


def whole_tiles(height: int, width: int, side: int) -> tuple[int, int]:
    """(rows, columns) of tiles that an image of this size is enlarged to: SmolVLM's rule, longer side first."""
    shape = width / height
    if width >= height:
        columns = math.ceil(width / side)
        return math.ceil(int(columns * side / shape) / side), columns
    rows = math.ceil(height / side)
    return rows, math.ceil(int(rows * side * shape) / side)


def best_resolution(height: int, width: int, known: Sequence[Sequence[int]]) -> tuple[int, int]:
    """Of the `known` (height, width) the one that keeps most of the image's pixels, then wastes least (LLaVA-NeXT)."""

    def worth(size: Sequence[int]) -> tuple[int, int]:
        scale = min(size[1] / width, size[0] / height)
        kept = min(int(width * scale) * int(height * scale), width * height)
        return kept, kept - size[0] * size[1]

    best = max(known, key=worth)
    return best[0], best[1]


def fitted(height: int, width: int, within: tuple[int, int]) -> tuple[int, int]:
    """The image's size, shape kept, in a canvas `within`: one side fills it, the other is rounded up (LLaVA-NeXT)."""
    across, down = within[1] / width, within[0] / height
    if across < down:
        return min(math.ceil(height * across), within[0]), within[1]
    return within[0], min(math.ceil(width * down), within[1])


def on_canvas(image: np.ndarray, canvas: tuple[int, int]) -> np.ndarray:
    """The image in the middle of a black canvas, resized to fill it in one direction."""
    height, width = fitted(image.shape[0], image.shape[1], canvas)
    whole = np.zeros((*canvas, 3), np.uint8)
    top, left = (canvas[0] - height) // 2, (canvas[1] - width) // 2
    whole[top : top + height, left : left + width] = resize_frame(image, height, width)
    return whole
