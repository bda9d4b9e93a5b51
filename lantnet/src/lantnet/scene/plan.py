"""The one way through a scene: a function of a window and its halo, on any executor, results in order.

A *reduction* adds up what the function returns (histograms, drawn pixels); a *map* writes it out; a *layer* is a map
that later passes read again, so that a difference image is computed once. Windows overlap by the halo in what they
read and not at all in what they give, so there are no seams.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from lantnet.execution.executors import Executor
from lantnet.scene.layers import FileLayer, Layer, MemoryLayer
from lantnet.scene.scene import FILL, Scene, View
from lantnet.scene.windows import Window, tiles
from lantnet.types import Float32

Result = TypeVar("Result")
Work = Callable[[View, Window, Window], Result]
"""(view, window, outer) -> anything: `view` shows `outer`, which is `window` with its halo."""


@dataclass(frozen=True)
class Plan:
    """Windows of `tile` pixels a side, worked on by `executor`. `track` shows how far a pass has come.

    folder: where layers are kept as files; None keeps them in memory, which an executor that works apart cannot read.
    """

    tile: int
    executor: Executor
    track: Callable[[Iterable[Window], str], Iterable[Window]]
    folder: Path | None = None

    def each(
        self, scene: Scene, work: Work[Result], *, halo: int, name: str, windows: list[Window] | None = None
    ) -> Iterator[tuple[Window, Result]]:
        """Every window (tiles that cover the scene, where not given) with what `work` makes of it, in order."""
        windows = tiles(scene.height, scene.width, self.tile) if windows is None else windows
        results = self.executor.each(_OnWindow(scene, work, halo), windows)
        yield from zip(self.track(windows, name), results, strict=True)

    def keep(self, scene: Scene, work: Work[Float32], names: Sequence[str], *, halo: int, name: str) -> None:
        """Compute what `work` returns, (names, height, width) of the window without its halo, for every view from here
        on to show; what is kept already is left."""
        if not set(names) <= scene.kept.keys():
            layer = self.layer(scene, work, channels=len(names), halo=halo, name=name)
            scene.kept |= {each: (layer, channel) for channel, each in enumerate(names)}

    def layer(self, scene: Scene, work: Work[Float32], *, channels: int, halo: int, name: str) -> Layer:
        """What `work` returns, (channels, height, width) of the window without its halo, for later passes."""
        if self.folder is None:
            memory = MemoryLayer(channels, scene.height, scene.width)
            for window, values in self.each(scene, work, halo=halo, name=name):
                memory.put(window, values)
            return memory
        folder = Path(tempfile.mkdtemp(prefix="layer-", dir=self.folder))
        files = FileLayer(folder, channels, scene.height, scene.width, self.tile)
        for _ in self.each(scene, _Keep(work, files), halo=halo, name=name):
            pass
        return files


@dataclass(frozen=True)
class _OnWindow(Generic[Result]):
    """Reads a window with its halo and works on it."""

    scene: Scene
    work: Work[Result]
    halo: int

    def __call__(self, window: Window) -> Result:
        outer = window.grow(self.halo + FILL, self.scene.height, self.scene.width)
        return self.work(self.scene.read(outer), window, outer)


@dataclass(frozen=True)
class _Keep:
    """Writes a window's values where they were computed, so that they need not travel."""

    work: Work[Float32]
    layer: Any

    def __call__(self, view: View, window: Window, outer: Window) -> None:
        self.layer.put(window, self.work(view, window, outer))
