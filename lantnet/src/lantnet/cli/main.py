"""The `lantnet` command."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lantnet import __version__
from lantnet.errors import InputError

INTERRUPTED, TERMINATED = 130, 143
EXTRA = ("PIL", "pyogrio", "rasterio", "scipy", "shapely")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 when done, 2 on something the user can fix, 130 on Ctrl-C, 143 on SIGTERM."""
    options = _parser().parse_args(arguments)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminated)
    try:
        options.run(options)
    except InputError as error:
        print(f"lantnet: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:
            raise
        print(f"lantnet: {error.name} is not installed; run: pip install lantnet", file=sys.stderr)
        return 2
    except Terminated:
        print("lantnet: stopped by SIGTERM; nothing was written.", file=sys.stderr)
        return TERMINATED
    except KeyboardInterrupt:
        print("lantnet: stopped; nothing was written.", file=sys.stderr)
        return INTERRUPTED
    return 0


class Terminated(BaseException):
    """SIGTERM: as Ctrl-C, so that scratch folders go."""


def _terminated(number: int, frame: object) -> None:
    raise Terminated


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lantnet", description="Detect what changed between two radar (SAR) images, without labels."
    )
    parser.add_argument("--version", action="version", version=f"lantnet {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _detect_arguments(commands.add_parser("detect", help="map what changed between two images"))
    _series_arguments(
        commands.add_parser("series", help="map when, how and for how long pixels changed in a time series")
    )
    _evaluate_arguments(commands.add_parser("evaluate", help="score a mask against the ground truth"))
    _compare_arguments(
        commands.add_parser("compare", help="compare recipes and simple methods against the ground truth")
    )
    _gallery_arguments(commands.add_parser("gallery", help="write a page of results on generated pairs or your own"))
    _simulate_arguments(commands.add_parser("simulate", help="write a generated pair with its ground truth"))
    return parser


def _detect_arguments(parser: argparse.ArgumentParser) -> None:
    _pair_arguments(parser)
    parser.add_argument(
        "--also", nargs=2, action="append", default=[], metavar=("BEFORE", "AFTER"),
        help="another polarization of both dates; a change in any polarization counts (may be repeated)",
    )  # fmt: skip
    _detection_arguments(parser)
    parser.set_defaults(run=_detect)


def _series_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="images of the same place, in any order")
    parser.add_argument(
        "--dates",
        metavar="LIST",
        help="one date per image, such as 2024-01-31,2024-02-12 (default: read from tags or names)",
    )
    _values_arguments(parser)
    _detection_arguments(parser)
    parser.set_defaults(run=_series)


def _series(options: argparse.Namespace) -> None:
    from lantnet.cli.commands import Reading, Running
    from lantnet.cli.series import series_files, summary

    report = series_files(
        options.images, options.out, _settings(options), dates=options.dates.split(",") if options.dates else None,
        reading=Reading(options.band, options.nodata, options.align),
        running=Running(options.workers, options.dask), progress=not options.quiet,
    )  # fmt: skip
    print(summary(report, options.out))


def _detection_arguments(parser: argparse.ArgumentParser) -> None:
    """What every detection takes, of two dates or of many."""
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    parser.add_argument("--recipe", default="default", help="default, or paper (exactly the published method)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0); equal seeds give equal results")
    parser.add_argument("--min-pixels", type=int, default=21, help="smallest region kept, in pixels (default: 21)")
    parser.add_argument("--min-area", type=float, help="smallest region kept, in square meters")
    parser.add_argument(
        "--threshold", type=float, default=0.5, help="probability above which a pixel counts as changed (default: 0.5)"
    )
    parser.add_argument(
        "--false-alarm", type=float, metavar="RATE",
        help="share of unchanged pixels that may be reported as changed because of speckle, such as 0.0001 "
             "(default: 0.001)",
    )  # fmt: skip
    parser.add_argument(
        "--tile", type=int, default=1024, help="side of the processing windows in pixels; limits memory (default: 1024)"
    )
    parser.add_argument(
        "--align", nargs="?", choices=("grid", "measured"), const="grid",
        help="warp the second image to the grid of the first; measured: also correct the measured shift",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, default=1, help="number of processes or dask workers (default: 1)")
    parser.add_argument(
        "--dask", metavar="WHERE", help="threads or processes on this machine, or a scheduler tcp://HOST:PORT"
    )
    parser.add_argument("--quiet", action="store_true", help="do not show progress bars")


def _pair_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", help="image of the first date: GeoTIFF, PNG, BMP, TIFF, .npy")
    parser.add_argument("after", help="image of the second date, on the same grid")
    _values_arguments(parser)


def _values_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scale", help="8bit, amplitude, power or db (default: detected)")
    parser.add_argument("--band", help="band to use if a file has several: number (from 1) or name")
    parser.add_argument("--nodata", type=float, help="no-data value, in addition to the one in the file")


def _settings(options: argparse.Namespace) -> Any:
    from lantnet.api import declared_scale
    from lantnet.detection import Options

    return Options(
        options.recipe, options.seed, declared_scale(options.scale), options.min_pixels, options.min_area,
        options.threshold, options.tile, options.false_alarm,
    )  # fmt: skip


def _detect(options: argparse.Namespace) -> None:
    from lantnet.cli.commands import Reading, Running, detect_files

    report = detect_files(
        [(options.before, options.after), *(tuple(pair) for pair in options.also)], options.out,
        _settings(options),
        reading=Reading(options.band, options.nodata, options.align),
        running=Running(options.workers, options.dask), progress=not options.quiet,
    )  # fmt: skip
    print(_summary(report, options.out))


def _summary(report: dict[str, Any], out: Path) -> str:
    result = report["result"]
    area = result["changed_area_m2"]
    lines = [
        f"scale     {report['scale']['name']} ({report['scale']['source']})",
        f"changed   {result['changed_percent']:.2f} %, {result['changed_pixels']} pixels"
        + ("" if area is None else f", {area / 1e6:.4g} km2"),
        f"          brighter {result['brighter_pixels']}, darker {result['darker_pixels']}",
        f"polygons  {report['polygons']}",
        f"time      {report['seconds']['with files']:.1f} s, seed {report['options']['seed']}",
        f"written   {out}/: {', '.join(report['files'])}",
    ]
    return "\n".join(lines + [f"note      {note}" for note in report["notes"]])


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("mask", help="mask: 0 unchanged, 1 or 255 changed")
    parser.add_argument("truth", help="ground truth of the same size, with the same values")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the scores as JSON")
    parser.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> None:
    from lantnet.results.files import as_json, write_text
    from lantnet.results.truth import evaluate_files

    scores, remarks = evaluate_files(options.mask, options.truth)
    for remark in remarks:
        print(f"lantnet: {remark}", file=sys.stderr)
    names = {"fp": "false alarms", "fn": "misses", "oe": "overall error", "pcc": "% correct",
             "kc": "% kappa", "f1": "% F1", "iou": "% IoU"}  # fmt: skip
    for name, value in scores.as_dict().items():
        shown = f"{value:>10}   " if isinstance(value, int) else f"{value:>13.2f}"
        print(f"{name.upper():<4}{shown}  {names[name]}")
    if options.json:
        write_text(options.json, as_json(scores.as_dict()))


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    _pair_arguments(parser)
    parser.add_argument("truth", help="ground truth of the same size: 0 unchanged, 1 or 255 changed")
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", help="folder for compare.png and compare.json")
    parser.add_argument(
        "--recipes", default="default,paper", help="recipes, separated by commas (paper takes a minute per seed)"
    )
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds per recipe (default: 3)")
    parser.add_argument("--min-pixels", type=int, default=21, help="smallest region kept, in pixels (default: 21)")
    parser.add_argument("--quiet", action="store_true", help="do not show progress bars")
    parser.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> None:
    from lantnet.api import declared_scale
    from lantnet.cli.compare import compare_files

    print(
        compare_files(
            options.before, options.after, options.truth, options.out,
            recipes=[name for name in options.recipes.split(",") if name], seeds=options.seeds,
            min_pixels=options.min_pixels, scale=declared_scale(options.scale),
            band=options.band, nodata=options.nodata, progress=not options.quiet,
        )
    )  # fmt: skip


def _gallery_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="DIR", help="folder for index.html and the pictures"
    )
    parser.add_argument(
        "--pairs", type=Path, metavar="DIR",
        help="a folder with one subfolder per pair, containing im1.*, im2.* and optionally gt.* (default: "
             "generated pairs)",
    )  # fmt: skip
    parser.add_argument("--recipe", default="default", help="recipe to show")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--quiet", action="store_true", help="do not show progress bars")
    parser.set_defaults(run=_gallery)


def _gallery(options: argparse.Namespace) -> None:
    from lantnet.cli.gallery import write_gallery

    page = write_gallery(
        options.out, options.pairs, recipe=options.recipe, seed=options.seed, progress=not options.quiet
    )
    print(f"written   {page}")


def _simulate_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = ("fields", "flood", "objects", "mixed", "none", "all")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="DIR", help="folder for the three GeoTIFF files"
    )
    parser.add_argument("--size", type=int, default=256, help="side of the scene, in pixels of 10 m (default: 256)")
    parser.add_argument("--change", choices=kinds, default="mixed", help="kind of change (default: mixed)")
    parser.add_argument("--density", type=float, default=0.05, help="share of changed pixels, 0..1 (default: 0.05)")
    parser.add_argument("--looks", type=float, default=4, help="number of looks; fewer means more speckle (default: 4)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--quiet", action="store_true", help="do not show progress bars")
    parser.set_defaults(run=_simulate)


def _simulate(options: argparse.Namespace) -> None:
    from lantnet.detection import Progress
    from lantnet.generated.files import simulate_files
    from lantnet.generated.pairs import Recipe

    recipe = Recipe(options.change, options.density, options.looks, options.seed)
    written = simulate_files(options.out, options.size, recipe, Progress(not options.quiet).track)
    print("written   " + ", ".join(str(path) for path in written))
