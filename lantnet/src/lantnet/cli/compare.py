"""Recipes and quick methods on one pair with truth: a table, a picture sheet and JSON."""

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lantnet.detection import Options, Progress, detect_sources
from lantnet.errors import InputError
from lantnet.methods.baselines import BASELINES
from lantnet.methods.recipes import recipe_named
from lantnet.results.cleanup import erase_small_regions
from lantnet.results.files import as_json, staged
from lantnet.results.maps import NO_DATA, UNCHANGED, MemoryMaps
from lantnet.results.metrics import Scores, evaluate
from lantnet.results.pictures import gray, save_png, sheet, stretch, verdicts
from lantnet.results.truth import read_truth
from lantnet.scene.names import open_source
from lantnet.scene.rasters import gdal
from lantnet.scene.scale import Scale
from lantnet.scene.scene import View, open_scene
from lantnet.scene.windows import Window
from lantnet.types import Mask


@dataclass(frozen=True)
class Row:
    """One method: its scores, one a seed (one alone for methods without chance), and the mask of the first."""

    name: str
    scores: list[Scores]
    mask: Mask

    def mean(self, key: str) -> float:
        return statistics.fmean(score.as_dict()[key] for score in self.scores)

    def deviation(self, key: str) -> float:
        """Sample standard deviation over seeds; 0 for a single run."""
        values = [float(score.as_dict()[key]) for score in self.scores]
        return statistics.stdev(values) if len(values) > 1 else 0.0


def compare_files(
    before: str,
    after: str,
    truth: str,
    out: Path | None,
    *,
    recipes: list[str],
    seeds: int,
    min_pixels: int,
    scale: Scale | None,
    band: int | str | None,
    nodata: float | None,
    progress: bool,
) -> str:
    """Run everything, write compare.png and compare.json into `out` where given; the table."""
    if seeds < 1:
        raise InputError(f"a comparison needs at least one seed; got {seeds}.")
    for name in recipes:
        recipe_named(name)
    wanted, wanted_valid, remarks = read_truth(truth)
    first, second = (open_source(name, band=band, nodata=nodata) for name in (before, after))
    with gdal():
        scene = open_scene(first, second, scale=scale, tile=1024, track=Progress(False).track)
        whole = Window(0, 0, scene.height, scene.width)
        if wanted.shape != (scene.height, scene.width):
            raise InputError(
                f"the ground truth must have the size of the images; it is {wanted.shape[1]} x {wanted.shape[0]}, "
                f"they are {scene.width} x {scene.height} (width x height)."
            )
        view = scene.read(whole)
        valid = view.valid & wanted_valid
        rows = quick_rows(view, wanted, valid, min_pixels)
        for name in recipes:
            runs = []
            for seed in range(seeds):
                maps = MemoryMaps(scene.height, scene.width)
                options = Options(recipe=name, seed=seed, scale=scene.scale, min_pixels=min_pixels)
                detect_sources([(first, second)], maps, options, Progress(progress))
                runs.append((maps.directions != UNCHANGED) & (maps.directions != NO_DATA))
            rows.append(Row(name, [evaluate(mask, wanted, valid=valid) for mask in runs], runs[0]))
    if out is not None:
        _write(out, rows, view, wanted)
    return "\n".join([table(rows), *(f"note  {remark}" for remark in scene.notes + remarks)])


def quick_rows(view: View, truth: Mask, valid: Mask, min_pixels: int) -> list[Row]:
    rows = []
    for name, method in BASELINES.items():
        mask = erase_small_regions(method(view.before, view.after) & view.valid, min_pixels)
        rows.append(Row(name, [evaluate(mask, truth, valid=valid)], mask))
    return rows


def table(rows: list[Row]) -> str:
    lines = [f"{'method':<28}{'FP':>7}{'FN':>7}{'OE':>7}{'PCC':>8}{'KC':>8}{'+-':>6}{'F1':>8}{'IoU':>8}{'runs':>6}"]
    for row in rows:
        counts = "".join(f"{row.mean(key):>7.0f}" for key in ("fp", "fn", "oe"))
        lines.append(
            f"{row.name:<28}{counts}{row.mean('pcc'):>8.2f}{row.mean('kc'):>8.2f}{row.deviation('kc'):>6.2f}"
            f"{row.mean('f1'):>8.2f}{row.mean('iou'):>8.2f}{len(row.scores):>6}"
        )
    return "\n".join(lines)


def _write(out: Path, rows: list[Row], view: View, truth: Mask) -> None:
    low, high = stretch(view.before, view.after)
    panels = [
        ("before", gray(view.before, low, high)),
        ("after", gray(view.after, low, high)),
        ("truth", gray(truth.astype(np.float32), 0, 1)),
        *((f"{row.name}: KC {row.scores[0].kc:.2f}", verdicts(row.mask, truth)) for row in rows),
    ]
    with staged(out) as scratch:
        save_png(scratch / "compare.png", sheet(panels, columns=3))
        content: dict[str, Any] = {row.name: [score.as_dict() for score in row.scores] for row in rows}
        (scratch / "compare.json").write_text(as_json(content), encoding="utf-8")
