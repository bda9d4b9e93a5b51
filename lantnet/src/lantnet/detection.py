"""From two images to the maps of change: the one flow behind the command and the Python function."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from lantnet.errors import InputError
from lantnet.execution.executors import Executor, Serial
from lantnet.methods.calibration import RATIO_HALO, ratio_of
from lantnet.methods.level_labels import LevelLabels
from lantnet.methods.recipe import Context, Model
from lantnet.methods.recipes import recipe_named
from lantnet.results.maps import BRIGHTER, DARKER, NO_DATA, Maps, clean, draft_direction
from lantnet.scene.areas import middle_area, pixel_areas
from lantnet.scene.border import mask_frame
from lantnet.scene.examination import examine
from lantnet.scene.georeference import check_same_grid
from lantnet.scene.plan import Plan
from lantnet.scene.scale import Scale
from lantnet.scene.scene import Scene, View, open_scene
from lantnet.scene.source import Source
from lantnet.scene.windows import Window, tiles
from lantnet.types import Float32, Labels


@dataclass(frozen=True)
class Options:
    """What can be chosen. `min_pixels` or `min_area` (square meters): smallest region that is kept."""

    recipe: str = "default"
    seed: int = 0
    scale: Scale | None = None
    min_pixels: int = 21
    min_area: float | None = None
    threshold: float = 0.5
    tile: int = 1024
    false_alarm: float | None = None

    def __post_init__(self) -> None:
        _require(self.seed >= 0, f"the seed must be at least 0; got {self.seed}.")
        _require(self.min_pixels >= 1, f"the smallest region must be at least 1 pixel; got {self.min_pixels}.")
        _require(self.min_area is None or self.min_area > 0, f"the smallest area must be above 0; got {self.min_area}.")
        _require(0 < self.threshold < 1, f"the threshold must be between 0 and 1; got {self.threshold}.")
        _require(
            self.false_alarm is None or 0 < self.false_alarm < 0.1,
            f"the false alarm rate must be between 0 and 0.1; got {self.false_alarm}.",
        )
        _require(
            self.false_alarm is None or self.recipe != "paper",
            "--false-alarm needs the default recipe: the published method has no such rate. Remove the option.",
        )
        _require(self.tile >= 64, f"windows must be at least 64 pixels per side; got {self.tile}.")


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
    """What a run found out besides its maps. `shift`: nepers that the dates differ by without change. `doubts`: those
    of the notes that ask for an answer."""

    scene: Scene
    shift: float
    smallest: int
    counts: dict[str, int]
    record: dict[str, Any]
    checks: dict[str, Any]
    notes: list[str]
    doubts: list[str]
    seconds: dict[str, float]


def detect_sources(
    pairs: Sequence[tuple[Source, Source]],
    maps: Maps,
    options: Options,
    progress: Progress,
    executor: Executor | None = None,
    folder: Path | None = None,
) -> Outcome:
    """Fill `maps` (of the size of the images) with probability and direction of change.

    pairs: both dates, one pair a polarization. What any of them calls changed is changed, in the direction of the one
    that is surest; each has its part of the rate of false alarms. folder: for files that later passes and other
    processes read; an executor that works apart needs one.
    """
    start = time.perf_counter()
    executor = executor or Serial()
    if executor.apart:
        if folder is None:
            raise ValueError("work in other processes needs a folder that they can access")
        pairs = [(before.portable(folder), after.portable(folder)) for before, after in pairs]
    plan = Plan(options.tile, executor, progress.track, folder)
    scenes = [
        open_scene(*pair, scale=options.scale, tile=options.tile, track=progress.track, executor=executor)
        for pair in pairs
    ]
    for scene in scenes[1:]:
        check_same_grid(scenes[0].before, scene.before)
    remarks: list[str] = []
    checks: dict[str, Any] = {}
    for scene in reversed(scenes):
        mask_frame(scene, progress.track)
        checks, found = examine(scene)
        remarks += found
    smallest = smallest_region(scenes[0], options)
    recipe = recipe_named(options.recipe)
    context = Context(options.seed, plan, progress.steps, _rate(options, len(pairs)))
    learned = [(scene, recipe.learn(scene, context)) for scene in scenes]
    work = MapOf(learned[0][1], tuple(learned[1:]))
    for window, (probability, draft) in plan.each(scenes[0], work, halo=work.halo, name="map"):
        maps.put(window, probability, draft)
    _clean(maps, scenes[0], options, smallest, progress)
    counts = {"brighter": 0, "darker": 0, "no_data": 0}
    for window in progress.track(tiles(scenes[0].height, scenes[0].width, options.tile), "counts"):
        codes = np.bincount(maps.direction(window).ravel(), minlength=256)
        for name, value in (("brighter", BRIGHTER), ("darker", DARKER), ("no_data", NO_DATA)):
            counts[name] += int(codes[value])
    progress.seconds["total"] = round(time.perf_counter() - start, 3)
    notes = [*(note for scene in scenes for note in scene.notes), *remarks, *_judge(scenes[0], counts)]
    notes += [note for _, model in learned for note in model.record.get("notes", [])]
    asking = list(dict.fromkeys(doubt for scene in scenes for doubt in scene.doubts))
    return Outcome(
        scenes[0], learned[0][1].shift, smallest, counts, _record(learned), checks, list(dict.fromkeys(notes)), asking,
        progress.seconds,
    )  # fmt: skip


def _record(learned: Sequence[tuple[Scene, Model]]) -> dict[str, Any]:
    """Of the one model, or of each by the name of its polarization; numbered where two have one name."""
    if len(learned) == 1:
        return learned[0][1].record
    names = [scene.before.channel or scene.before.name for scene, _ in learned]
    if len(set(names)) < len(names):
        names = [f"{number}: {name}" for number, name in enumerate(names, 1)]
    return {name: model.record for name, (_, model) in zip(names, learned, strict=True)}


def _rate(options: Options, channels: int) -> float | None:
    """The rate of false alarms of one of several polarizations, so that all together keep to what was asked."""
    if channels == 1 or options.recipe == "paper":
        return options.false_alarm
    return (options.false_alarm or LevelLabels.false_alarm) / channels


@dataclass(frozen=True)
class MapOf:
    """Probability and draft direction of a window, by a model; `others`: scenes of further polarizations on the same
    grid with their models."""

    model: Model
    others: tuple[tuple[Scene, Model], ...] = ()

    @property
    def halo(self) -> int:
        return max(RATIO_HALO, self.model.halo, *(model.halo for _, model in self.others))

    def __call__(self, view: View, window: Window, outer: Window) -> tuple[Float32, Labels]:
        probability, draft = self._one(self.model, view, window, outer)
        for scene, model in self.others:
            other, direction = self._one(model, scene.read(outer), window, outer)
            surer = np.isnan(probability) | (other > probability)
            draft = np.where(surer, direction, draft)
            probability = np.fmax(probability, other)
        return probability, draft

    def _one(self, model: Model, view: View, window: Window, outer: Window) -> tuple[Float32, Labels]:
        valid = window.cut(view.valid, outer)
        probability = window.cut(model.probability(view), outer)
        ratio = window.cut(ratio_of(view), outer) - np.float32(model.shift)
        return np.where(valid, probability, np.float32(np.nan)), draft_direction(ratio, valid)


def _clean(maps: Maps, scene: Scene, options: Options, smallest: int, progress: Progress) -> None:
    """Drop small regions: by pixels, or by the square meters that each of their pixels has."""
    placed = scene.georeference
    if options.min_area is None or placed is None:
        clean(maps, threshold=options.threshold, smallest=smallest, track=progress.track)
        return
    clean(
        maps,
        threshold=options.threshold,
        smallest=options.min_area,
        track=progress.track,
        areas=lambda window: pixel_areas(window, placed),
    )


def smallest_region(scene: Scene, options: Options) -> int:
    """Pixels of the smallest region that is kept (for an area: in the middle of the scene)."""
    if options.min_area is None:
        return options.min_pixels
    area = middle_area(scene.height, scene.width, scene.georeference) if scene.georeference else None
    if area is None:
        raise InputError(
            "a smallest area in square meters needs images with a coordinate system; these have none. Set it in "
            "pixels (--min-pixels)."
        )
    return max(1, int(np.ceil(options.min_area / area - 1e-9)))


def _judge(scene: Scene, counts: dict[str, int]) -> list[str]:
    share = (counts["brighter"] + counts["darker"]) / scene.valid_pixels
    if share > 0.5:
        return [
            f"{100 * share:.0f} % of the scene counts as changed. The method detects what differs from most of "
            "the scene; if most of it did change, calibrate both dates and check the map."
        ]
    return []
