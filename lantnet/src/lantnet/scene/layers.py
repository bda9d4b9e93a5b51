"""What was computed of every pixel of a scene and is needed again: kept in memory, or as pieces in a folder."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from lantnet.scene.windows import Window, tiles
from lantnet.types import Float32


class Layer(Protocol):
    """Channels (C, H, W) of a scene, written window by window."""

    def put(self, window: Window, values: Float32) -> None: ...

    def read(self, window: Window) -> Float32:
        """(C, height, width) of a window that was written."""


class MemoryLayer:
    def __init__(self, channels: int, height: int, width: int) -> None:
        self._values = np.empty((channels, height, width), dtype=np.float32)

    def put(self, window: Window, values: Float32) -> None:
        self._values[:, *window.slices] = values

    def read(self, window: Window) -> Float32:
        return self._values[:, *window.slices]


@dataclass(frozen=True)
class FileLayer:
    """One .npy file a window of `tile` pixels: any process that sees the folder may write its window and read all."""

    folder: Path
    channels: int
    height: int
    width: int
    tile: int

    def put(self, window: Window, values: Float32) -> None:
        path = self._path(window.top, window.left)
        unfinished = path.with_suffix(".unfinished")
        with unfinished.open("wb") as file:
            np.save(file, np.ascontiguousarray(values, dtype=np.float32))
        os.replace(unfinished, path)

    def read(self, window: Window) -> Float32:
        values = np.empty((self.channels, window.height, window.width), dtype=np.float32)
        for piece in tiles(self.height, self.width, self.tile):
            top, left = max(piece.top, window.top), max(piece.left, window.left)
            bottom, right = min(piece.bottom, window.bottom), min(piece.right, window.right)
            if top >= bottom or left >= right:
                continue
            stored = np.load(self._path(piece.top, piece.left), mmap_mode="r")
            shared = Window(top, left, bottom - top, right - left)
            values[:, *_within(shared, window)] = stored[:, *_within(shared, piece)]
        return values

    def _path(self, top: int, left: int) -> Path:
        return self.folder / f"{top}_{left}.npy"


def _within(shared: Window, outer: Window) -> tuple[slice, slice]:
    top, left = shared.top - outer.top, shared.left - outer.left
    return slice(top, top + shared.height), slice(left, left + shared.width)
