"""One plan, any executor: the same maps, the same records, layers that later passes read, no seams."""

import importlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lantnet.detection import Options, Progress, detect_sources
from lantnet.execution.executors import Serial, executor
from lantnet.generated.pairs import Pair
from lantnet.methods.recipes import PAPER, RECIPES
from lantnet.results.maps import MemoryMaps
from lantnet.scene.layers import FileLayer, MemoryLayer
from lantnet.scene.plan import Plan
from lantnet.scene.scene import Scene, View, open_scene
from lantnet.scene.source import ArraySource
from lantnet.scene.windows import Window
from lantnet.types import Float32

WAYS: list[dict[str, Any]] = [{"workers": 2}, {"workers": 2, "dask": "threads"}, {"workers": 2, "dask": "processes"}]


@dataclass(frozen=True)
class Blurred:
    """A mean over 5 x 5 pixels: what a halo of 2 must make right at every seam."""

    def __call__(self, view: View, window: Window, outer: Window) -> Float32:
        padded = np.pad(view.before, 2, mode="edge")
        around = np.lib.stride_tricks.sliding_window_view(padded, (5, 5)).mean(axis=(2, 3))
        return np.stack([window.cut(around, outer), window.cut(view.after, outer)]).astype(np.float32)


def scene_of(pair: Pair) -> Scene:
    before, after = (ArraySource(values, name) for values, name in ((pair.before, "a"), (pair.after, "b")))
    return open_scene(before, after, scale=None, tile=64, track=Progress(False).track)


def test_a_layer_in_files_is_the_one_in_memory_and_has_no_seams(fields: Pair, tmp_path: Path) -> None:
    scene = scene_of(fields)
    track = Progress(False).track
    layers = [
        Plan(tile, Serial(), track, folder).layer(scene, Blurred(), channels=2, halo=2, name="blur")
        for tile, folder in ((1024, None), (32, None), (32, tmp_path))
    ]
    assert [type(layer) for layer in layers] == [MemoryLayer, MemoryLayer, FileLayer]
    whole, *others = (layer.read(Window(0, 0, 96, 112)) for layer in layers)
    for other in others:
        np.testing.assert_array_equal(whole, other)
    window = Window(20, 31, 50, 66)
    assert all((layer.read(window) == whole[:, *window.slices]).all() for layer in layers)
    assert whole.std() > 0
    assert not list(tmp_path.rglob("*.unfinished"))


@pytest.fixture(scope="module")
def holed(fields: Pair) -> tuple[ArraySource, ArraySource]:
    before = fields.before.copy()
    before[30:40, 50:70] = np.nan
    return ArraySource(before, "a"), ArraySource(fields.after, "b", valid=np.arange(112) > 3 + np.zeros((96, 1)))


@pytest.mark.usefixtures("quick_default")
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_every_executor_gives_the_same_layers_and_maps(
    holed: tuple[ArraySource, ArraySource],
    fields: Pair,
    tmp_path: Path,
    way: dict[str, Any],
) -> None:
    scene = scene_of(fields)
    blurred = Plan(32, Serial(), Progress(False).track).layer(scene, Blurred(), channels=2, halo=2, name="blur")
    one, other = MemoryMaps(96, 112), MemoryMaps(96, 112)
    first = detect_sources([holed], one, Options(tile=64), Progress(False))
    scene.before, scene.after = (source.portable(tmp_path) for source in (scene.before, scene.after))
    with executor(**way) as runs:
        plan = Plan(32, runs, Progress(False).track, tmp_path)
        layer = plan.layer(scene, Blurred(), channels=2, halo=2, name="blur")
        second = detect_sources([holed], other, Options(tile=64), Progress(False), runs, tmp_path)
    whole = Window(0, 0, 96, 112)
    np.testing.assert_array_equal(layer.read(whole), blurred.read(whole))
    np.testing.assert_array_equal(one.probabilities, other.probabilities)
    np.testing.assert_array_equal(one.directions, other.directions)
    assert first.record == second.record
    assert first.counts == second.counts
    assert first.counts["darker"] > 100
    assert first.counts["no_data"] == 4 * 96 + 200


@pytest.mark.parametrize(
    ("recipe", "module", "name", "passes"),
    [
        ("default", "lantnet.methods.calibration", "log_ratio", 3),  # in two smoothings and in none
        ("paper", "lantnet.methods.cluster_labels", "difference_image", 1),
    ],
)
def test_the_difference_image_is_computed_once(
    fields: Pair,
    recipe: str,
    module: str,
    name: str,
    passes: int,
    monkeypatch: pytest.MonkeyPatch,
    quick_default: object,
) -> None:
    """Not again in the passes for levels, labels, samples and map, wherever these ask for it."""
    asked: list[int] = []
    original = getattr(importlib.import_module(module), name)

    def counted(*arguments: Any) -> Float32:
        asked.append(arguments[0].size)
        result: Float32 = original(*arguments)
        return result

    for each in (module, "lantnet.methods.inputs", "lantnet.methods.calibration"):
        monkeypatch.setattr(f"{each}.{name}", counted, raising=False)
    short = replace(PAPER, training=replace(PAPER.training, unchanged=40, changed=20, epochs=1))
    monkeypatch.setitem(RECIPES, "paper", short)
    size = 64 if recipe == "paper" else 96
    pair = [ArraySource(values[:size, :size], date) for values, date in ((fields.before, "a"), (fields.after, "b"))]
    detect_sources([(pair[0], pair[1])], MemoryMaps(size, size), Options(recipe, tile=1024), Progress(False))
    assert asked == [size * size] * passes
