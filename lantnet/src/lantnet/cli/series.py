"""What `lantnet series` does: images of many dates in; date, direction, persistence and confirmation of change out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lantnet import __version__
from lantnet.cli.commands import Reading, Running, working
from lantnet.detection import Options, Progress
from lantnet.execution.executors import executor
from lantnet.results.cogs import optimize
from lantnet.results.files import as_json, staged
from lantnet.results.polygons import write_polygons
from lantnet.results.report import versions
from lantnet.results.stac import stac_item, write_stac_item
from lantnet.results.styles import CLASSES, Color, classes_style, polygons_style, ramp_style
from lantnet.scene.alignment import align
from lantnet.scene.names import open_source
from lantnet.scene.rasters import gdal
from lantnet.series.scenes import MAPS, detect_series, in_order, told_by

LATE: tuple[Color, Color] = ((253, 231, 37, 255), (68, 1, 84, 255))
"""Of the first and the last date: the ends of viridis."""


def series_files(
    names: Sequence[str],
    out: Path,
    options: Options,
    *,
    dates: list[str] | None,
    reading: Reading,
    running: Running,
    progress: bool,
) -> dict[str, Any]:
    """Detect changes along a series; write maps, polygons with dates and a report into `out`; the report."""
    opened = [open_source(name, band=reading.band, nodata=reading.nodata) for name in names]
    images, known = in_order(opened, dates)
    notes: list[str] = []
    if reading.align is not None:
        for number in range(1, len(images)):
            images[number], words = align(images[0], images[number], reading.align)
            notes += words
    first, tracker = images[0], Progress(progress)
    with gdal(), staged(out) as scratch, working(out) as work, executor(running.workers, running.dask) as runs:
        found = detect_series(images, known, work, options, tracker, runs)
        colors = _colors(known)
        tags = {"TIFFTAG_SOFTWARE": f"lantnet {__version__}", "LANTNET_DATES": ",".join(known)}
        count, area = write_polygons(
            scratch, work / "codes.tif", first.georeference, told_by(known), work / "direction.tif"
        )
        for name in MAPS:
            classes = {"date": colors, "direction": CLASSES["direction"]}.get(name)
            optimize(work / f"{name}.tif", scratch / f"{name}.tif", tags, classes)
        _write_styles(scratch, known, colors)
        files = [*(path.name for path in scratch.iterdir()), "report.json"]
        if first.georeference is not None and first.georeference.crs is not None:
            item = stac_item(out.resolve().name, first.georeference, first.height, first.width, known, files, {})
            write_stac_item(scratch / "item.json", item)
            files.append("item.json")
        notes += [f"{date}: {note}" for date, pair in zip(known[1:], found.pairs, strict=True) for note in pair.notes]
        report = {
            "images": [image.name for image in images],
            "dates": known,
            "changed_pixels": dict(zip(known[1:], found.changed, strict=True)),
            "confirmed_pixels": dict(zip(known[1:], found.confirmed, strict=True)),
            "changed_area_m2": area,
            "polygons": count,
            "notes": list(dict.fromkeys(notes)),
            "seconds": tracker.seconds,
            "executor": {"name": type(runs).__name__, "workers": runs.workers},
            "versions": versions(),
            "files": sorted(files),
        }
        (scratch / "report.json").write_text(as_json(report), encoding="utf-8")
    return report


def summary(report: dict[str, Any], out: Path) -> str:
    lines = [f"{'first seen':<22}{'pixels':>10}{'confirmed later':>18}"]
    for date, pixels in report["changed_pixels"].items():
        lines.append(f"{date:<22}{pixels:>10}{report['confirmed_pixels'][date]:>18}")
    area = report["changed_area_m2"]
    lines.append(f"polygons  {report['polygons']}" + ("" if area is None else f", {area / 1e6:.4g} km2"))
    lines.append(f"written   {out}/: {', '.join(report['files'])}")
    return "\n".join(lines + [f"note      {note}" for note in report["notes"]])


def _colors(dates: list[str]) -> dict[int, tuple[str, Color]]:
    """From the first change to the last, and transparent where there is none."""
    found: dict[int, tuple[str, Color]] = {0: ("no change", (0, 0, 0, 0))}
    for number in range(1, len(dates)):
        part = (number - 1) / max(len(dates) - 2, 1)
        red, green, blue, alpha = (round(a + (b - a) * part) for a, b in zip(*LATE, strict=True))
        found[number] = (dates[number], (red, green, blue, alpha))
    return found


def _write_styles(folder: Path, dates: list[str], colors: dict[int, tuple[str, Color]]) -> None:
    styles = {
        "date": classes_style(colors),
        "direction": classes_style(CLASSES["direction"]),
        "changes": polygons_style("date", {dates[number]: colors[number][1] for number in range(1, len(dates))}),
    }
    for name in ("persistence", "confirmed"):
        styles[name] = ramp_style([(0.0, (0, 0, 0, 0)), (float(len(dates) - 1), LATE[1])])
    for name, text in styles.items():
        (folder / f"{name}.qml").write_text(text, encoding="utf-8")
