"""What the commands do: files in, files out."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lantnet.detection import Options, Progress, detect_bands
from lantnet.results.files import as_json, staged
from lantnet.results.maps import BRIGHTER, DARKER, NO_DATA, UNCHANGED, MemoryMaps, RasterMaps
from lantnet.results.pictures import save_png
from lantnet.results.polygons import write_polygons
from lantnet.results.quicklook import quick_look
from lantnet.results.report import run_report
from lantnet.scene.bands import Band, gdal, open_band

MASK_GREY = {UNCHANGED: 0, BRIGHTER: 255, DARKER: 255, NO_DATA: 0}
DIRECTION_GREY = {UNCHANGED: 0, BRIGHTER: 255, DARKER: 128, NO_DATA: 0}


@contextmanager
def both_bands(before: Path, after: Path, *, band: int | None, nodata: float | None) -> Iterator[tuple[Band, Band]]:
    with open_band(before, band=band, nodata=nodata) as first, open_band(after, band=band, nodata=nodata) as second:
        yield first, second


def detect_files(
    before: Path, after: Path, out: Path, options: Options, *, band: int | None, nodata: float | None, progress: bool
) -> dict[str, Any]:
    """Detect changes between two files; write maps, polygons, quick-look and report into `out`; the report."""
    start = time.perf_counter()
    with gdal(), both_bands(before, after, band=band, nodata=nodata) as (first, second), staged(out) as scratch:
        tracker = Progress(progress)
        if "tif" in (first.kind, second.kind):
            with RasterMaps(scratch, first.height, first.width, first.georeference) as maps:
                outcome = detect_bands(first, second, maps, options, tracker)
                save_png(scratch / "quicklook.png", quick_look(outcome.scene, maps))
                maps.finish()
            count = write_polygons(scratch, scratch / "direction.tif", first.georeference)
        else:
            memory = MemoryMaps(first.height, first.width)
            outcome = detect_bands(first, second, memory, options, tracker)
            save_png(scratch / "quicklook.png", quick_look(outcome.scene, memory))
            _save_arrays(scratch, memory, first.kind)
            count = write_polygons(scratch, memory.directions, None)
        report = run_report(outcome, options) | {"polygons": count}
        report["seconds"]["with files"] = round(time.perf_counter() - start, 3)
        report["files"] = sorted([*(path.name for path in scratch.iterdir()), "report.json"])
        (scratch / "report.json").write_text(as_json(report), encoding="utf-8")
    return report


def _save_arrays(folder: Path, maps: MemoryMaps, kind: str) -> None:
    """Maps in the form of the input: .npy for NumPy, else PNG, transparent where there is no data, and a float TIFF."""
    if kind == "npy":
        mask = np.where(maps.directions == NO_DATA, NO_DATA, maps.directions != UNCHANGED)
        np.save(folder / "mask.npy", mask.astype(np.uint8))
        np.save(folder / "probability.npy", maps.probabilities)
        np.save(folder / "direction.npy", maps.directions)
        return
    for name, levels in (("mask", MASK_GREY), ("direction", DIRECTION_GREY)):
        table = np.zeros(256, dtype=np.uint8)
        table[list(levels)] = list(levels.values())
        picture = Image.fromarray(table[maps.directions])
        missing = maps.directions == NO_DATA
        if missing.any():
            picture.putalpha(Image.fromarray(np.where(missing, 0, 255).astype(np.uint8)))
        save_png(folder / f"{name}.png", picture)
    Image.fromarray(maps.probabilities).save(folder / "probability.tif")
