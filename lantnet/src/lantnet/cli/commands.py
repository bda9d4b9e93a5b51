"""What `lantnet detect` does: images in, maps, polygons, pictures and records out."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lantnet import __version__
from lantnet.detection import Options, Outcome, Progress, detect_sources
from lantnet.execution.executors import Executor, executor
from lantnet.results.cogs import RasterMaps
from lantnet.results.files import as_json, staged
from lantnet.results.maps import BRIGHTER, DARKER, NO_DATA, UNCHANGED, MemoryMaps
from lantnet.results.pictures import save_png
from lantnet.results.polygons import write_polygons
from lantnet.results.quicklook import quick_look
from lantnet.results.report import run_report
from lantnet.results.stac import stac_item, write_stac_item
from lantnet.results.styles import write_styles
from lantnet.scene.alignment import Alignment, align
from lantnet.scene.names import open_source
from lantnet.scene.rasters import gdal
from lantnet.scene.source import Source

MASK_GRAY = {UNCHANGED: 0, BRIGHTER: 255, DARKER: 255, NO_DATA: 0}
DIRECTION_GRAY = {UNCHANGED: 0, BRIGHTER: 255, DARKER: 128, NO_DATA: 0}


@dataclass(frozen=True)
class Reading:
    """How images are opened: band (number or name), nodata besides the file's own, and how the second is aligned."""

    band: int | str | None = None
    nodata: float | None = None
    align: Alignment | None = None


@dataclass(frozen=True)
class Running:
    """Where the work is done: processes of this machine, or dask (see `lantnet.execution.executors.executor`)."""

    workers: int = 1
    dask: str | None = None


def open_pair(before: str, after: str, reading: Reading) -> tuple[Source, Source, list[str]]:
    """Both images, the second aligned to the first where asked for, and what was done to it."""
    first, second = (open_source(name, band=reading.band, nodata=reading.nodata) for name in (before, after))
    if reading.align is None:
        return first, second, []
    second, notes = align(first, second, reading.align)
    return first, second, notes


def detect_files(
    pairs: list[tuple[str, str]],
    out: Path,
    options: Options,
    *,
    reading: Reading = Reading(),
    running: Running = Running(),
    progress: bool = False,
) -> dict[str, Any]:
    """Detect changes between two dates; write maps, polygons, quick-look and report into `out`; the report.

    pairs: names of both dates, one pair a polarization; what changed in any of them changed.
    """
    start = time.perf_counter()
    opened = [open_pair(*pair, reading) for pair in pairs]
    sources = [(first, second) for first, second, _ in opened]
    first = sources[0][0]
    tracker = Progress(progress)
    with gdal(), staged(out) as scratch, working(out) as work, executor(running.workers, running.dask) as runs:
        if any(source.kind == "tif" for pair in sources for source in pair):
            with RasterMaps(work, first.height, first.width, first.georeference) as maps:
                outcome = detect_sources(sources, maps, options, tracker, runs, work)
                save_png(scratch / "quicklook.png", quick_look(outcome.scene, maps))
                maps.finish(scratch, _tags(sources, options))
            write_styles(scratch)
            count, area = write_polygons(scratch, scratch / "direction.tif", first.georeference)
        else:
            memory = MemoryMaps(first.height, first.width)
            outcome = detect_sources(sources, memory, options, tracker, runs, work)
            save_png(scratch / "quicklook.png", quick_look(outcome.scene, memory))
            _save_arrays(scratch, memory, first.kind)
            count, area = write_polygons(scratch, memory.directions, None)
        outcome.notes[:0] = [note for *_, notes in opened for note in notes]
        report = _report(outcome, options, runs) | {"polygons": count}
        report["result"]["changed_area_m2"] = area
        files = [*(path.name for path in scratch.iterdir()), "report.json"]
        if first.georeference is not None and first.georeference.crs is not None:
            dates = [source.date for pair in sources for source in pair]
            item = stac_item(
                out.resolve().name, first.georeference, first.height, first.width, dates, files,
                {"lantnet:recipe": options.recipe, "processing:software": {"lantnet": __version__}},
            )  # fmt: skip
            write_stac_item(scratch / "item.json", item)
            files.append("item.json")
        report["seconds"]["with files"] = round(time.perf_counter() - start, 3)
        report["files"] = sorted(files)
        (scratch / "report.json").write_text(as_json(report), encoding="utf-8")
    return report


@contextmanager
def working(out: Path) -> Iterator[Path]:
    """A folder beside the results for what is needed while they are made."""
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=out) as folder:
        yield Path(folder)


def _report(outcome: Outcome, options: Options, runs: Executor) -> dict[str, Any]:
    return run_report(outcome, options) | {"executor": {"name": type(runs).__name__, "workers": runs.workers}}


def _tags(sources: list[tuple[Source, Source]], options: Options) -> dict[str, str]:
    """What a map says of itself."""
    tags = {"TIFFTAG_SOFTWARE": f"lantnet {__version__}", "LANTNET_RECIPE": options.recipe}
    for number, (key, names) in enumerate(zip(("BEFORE", "AFTER"), zip(*sources, strict=True), strict=True)):
        tags[f"LANTNET_{key}"] = "; ".join(source.name for source in names)
        date = sources[0][number].date
        if date:
            tags[f"LANTNET_{key}_DATE"] = date
    return tags | {"LANTNET_SEED": str(options.seed)}


def _save_arrays(folder: Path, maps: MemoryMaps, kind: str) -> None:
    """Maps in the form of the input: .npy for NumPy, else PNG, transparent where there is no data, and a float TIFF."""
    if kind == "npy":
        mask = np.where(maps.directions == NO_DATA, NO_DATA, maps.directions != UNCHANGED)
        np.save(folder / "mask.npy", mask.astype(np.uint8))
        np.save(folder / "probability.npy", maps.probabilities)
        np.save(folder / "direction.npy", maps.directions)
        return
    for name, levels in (("mask", MASK_GRAY), ("direction", DIRECTION_GRAY)):
        table = np.zeros(256, dtype=np.uint8)
        table[list(levels)] = list(levels.values())
        picture = Image.fromarray(table[maps.directions])
        missing = maps.directions == NO_DATA
        if missing.any():
            picture.putalpha(Image.fromarray(np.where(missing, 0, 255).astype(np.uint8)))
        save_png(folder / f"{name}.png", picture)
    Image.fromarray(maps.probabilities).save(folder / "probability.tif")
