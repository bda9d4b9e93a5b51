"""From two images to the maps of change: the one flow behind the command and the Python function."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tqdm import tqdm

from lantnet.errors import InputError
from lantnet.methods.calibration import RATIO_HALO, log_ratio
from lantnet.methods.recipe import Context, Model
from lantnet.methods.recipes import recipe_named
from lantnet.results.maps import BRIGHTER, DARKER, NO_DATA, Maps, clean, draft_direction
from lantnet.scene.bands import Band
from lantnet.scene.border import mask_frame
from lantnet.scene.examination import examine
from lantnet.scene.scale import Scale
from lantnet.scene.scene import Scene, open_scene
from lantnet.scene.windows import Window


@dataclass(frozen=True)
class Options:
    """What can be chosen. `min_pixels` or `min_area` (square metres): smallest region that is kept."""

    recipe: str = "default"
    seed: int = 0
    scale: Scale | None = None
    min_pixels: int = 21
    min_area: float | None = None
    threshold: float = 0.5
    tile: int = 1024
    false_alarm: float | None = None

    def __post_init__(self) -> None:
        _require(self.seed >= 0, f"the seed must be 0 or more; {self.seed} was given.")
        _require(self.min_pixels >= 1, f"the smallest region must be at least 1 pixel; {self.min_pixels} was given.")
        _require(
            self.min_area is None or self.min_area > 0, f"the smallest area must be above 0; {self.min_area} was given."
        )
        _require(0 < self.threshold < 1, f"the threshold must lie between 0 and 1; {self.threshold} was given.")
        _require(
            self.false_alarm is None or 0 < self.false_alarm < 0.1,
            f"the rate of false alarms must lie between 0 and .1; {self.false_alarm} was given.",
        )
        _require(
            self.false_alarm is None or self.recipe != "paper",
            "--false-alarm belongs to the default recipe: the published method has no such rate. Leave it out.",
        )
        _require(self.tile >= 64, f"windows must be at least 64 pixels a side; {self.tile} was given.")


def _require(rule: bool, message: str) -> None:
    if not rule:
        raise InputError(message)


@dataclass
class Progress:
    """Shows bars on standard error where asked for, and keeps the seconds that each phase took."""

    show: bool
    seconds: dict[str, float] = field(default_factory=dict)

    def track(self, items: Iterable[Window], name: str) -> Iterator[Window]:
        with (
            self._timed(name),
            tqdm(items, desc=name, unit="window", disable=None if self.show else True, leave=False) as bar,
        ):
            yield from bar

    @contextmanager
    def steps(self, total: int, name: str) -> Iterator[Any]:
        with (
            self._timed(name),
            tqdm(total=total, desc=name, unit="step", disable=None if self.show else True, leave=False) as bar,
        ):
            yield bar.update

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)


@dataclass
class Outcome:
    """What a run found out besides its maps."""

    scene: Scene
    smallest: int
    counts: dict[str, int]
    record: dict[str, Any]
    checks: dict[str, Any]
    notes: list[str]
    seconds: dict[str, float]


def detect_bands(before: Band, after: Band, maps: Maps, options: Options, progress: Progress) -> Outcome:
    """Fill `maps` (of the size of the bands) with probability and direction of change."""
    start = time.perf_counter()
    scene = open_scene(before, after, scale=options.scale, tile=options.tile, track=progress.track)
    mask_frame(scene, progress.track)
    checks, doubts = examine(scene)
    smallest = smallest_region(scene, options)
    context = Context(options.seed, options.tile, progress.track, progress.steps, options.false_alarm)
    model = recipe_named(options.recipe).learn(scene, context)
    counts = {"brighter": 0, "darker": 0, "no_data": 0}
    _map(scene, model, maps, context)
    clean(maps, threshold=options.threshold, smallest=smallest, track=progress.track)
    for window in context.windows(scene, "counts"):
        found = np.bincount(maps.direction(window).ravel(), minlength=256)
        for name, value in (("brighter", BRIGHTER), ("darker", DARKER), ("no_data", NO_DATA)):
            counts[name] += int(found[value])
    progress.seconds["total"] = round(time.perf_counter() - start, 3)
    notes = [*scene.notes, *doubts, *_judge(scene, counts), *model.record.get("notes", [])]
    return Outcome(scene, smallest, counts, model.record, checks, notes, progress.seconds)


def smallest_region(scene: Scene, options: Options) -> int:
    """Pixels of the smallest region that is kept."""
    if options.min_area is None:
        return options.min_pixels
    area = scene.georeference.pixel_area(scene.height, scene.width) if scene.georeference else None
    if area is None:
        raise InputError(
            "a smallest area in square metres needs images with a coordinate system; these have none. "
            "Give it in pixels (--min-pixels)."
        )
    return max(1, int(np.ceil(options.min_area / area - 1e-9)))


def _map(scene: Scene, model: Model, maps: Maps, context: Context) -> None:
    for window, outer, view in context.walk(scene, max(model.halo, RATIO_HALO), "map"):
        valid = window.cut(view.valid, outer)
        probability = window.cut(model.probability(view.before, view.after), outer)
        ratio = window.cut(log_ratio(view.before, view.after), outer) - np.float32(model.shift)
        maps.put(window, np.where(valid, probability, np.float32(np.nan)), draft_direction(ratio, valid))


def _judge(scene: Scene, counts: dict[str, int]) -> list[str]:
    share = (counts["brighter"] + counts["darker"]) / scene.valid_pixels
    if share > 0.5:
        return [
            f"{100 * share:.0f} % of the scene counts as changed. The method finds what differs from the bulk of a "
            "scene; where most of it changed, calibrate both dates and check the map."
        ]
    return []
