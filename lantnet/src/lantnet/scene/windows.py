"""Rectangles of a scene, and walking a scene in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Window:
    """Rows [top, top + height), columns [left, left + width) of a scene, in pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        return self.top + self.height

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grow(self, halo: int, height: int, width: int) -> "Window":
        """The window with `halo` pixels of context on every side, cut at the border of a height x width scene."""
        top, left = max(self.top - halo, 0), max(self.left - halo, 0)
        bottom, right = min(self.bottom + halo, height), min(self.right + halo, width)
        return Window(top, left, bottom - top, right - left)

    def cut(self, values: NDArray[Any], outer: "Window") -> NDArray[Any]:
        """This window's part of `values`, whose last two axes cover `outer`."""
        top, left = self.top - outer.top, self.left - outer.left
        return values[..., top : top + self.height, left : left + self.width]


def tiles(height: int, width: int, size: int) -> list[Window]:
    """Non-overlapping windows of at most size x size that cover a scene, row by row."""
    return [
        Window(top, left, min(size, height - top), min(size, width - left))
        for top in range(0, height, size)
        for left in range(0, width, size)
    ]


def strips(height: int, width: int, rows: int) -> Iterator[Window]:
    """Windows of full width and at most `rows` rows, from the top down."""
    for top in range(0, height, rows):
        yield Window(top, 0, min(rows, height - top), width)
