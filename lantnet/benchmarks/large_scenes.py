"""How time and memory grow with a scene and its workers.

    python lantnet/benchmarks/large_scenes.py workers --size 3072     one process against two, alternating: a ratio
    python lantnet/benchmarks/large_scenes.py memory --size 10000     greatest memory of a run, its workers included
    python lantnet/benchmarks/large_scenes.py frame                   a Sentinel-1 frame, from a smaller run

--members 1 trains one network instead of four: its layers take as much memory as theirs, one after the other, in a
quarter of the time. Each prints one JSON object. Times are seconds of this machine under whatever else it does: read
ratios, not times, and of two processes only where others left two cores free ("cores of others").
Every process computes on one core (OMP_NUM_THREADS=1 is set for all of them).
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FRAME = (25_800, 16_700)
"""Pixels of a Sentinel-1 IW ground-range frame at 10 m: 258 by 167 km."""


def simulate(folder: Path, size: int) -> tuple[str, str]:
    run("simulate", "-o", str(folder), "--size", str(size), "--quiet")
    return str(folder / "before.tif"), str(folder / "after.tif")


WITH_MEMBERS = """
import sys
from dataclasses import replace
from lantnet.cli.main import main
from lantnet.methods.recipes import DEFAULT, RECIPES
RECIPES["default"] = replace(DEFAULT, training=replace(DEFAULT.training, members={members}))
sys.exit(main(sys.argv[1:]))
"""


def run(*arguments: str, members: int | None = None) -> float:
    start = time.perf_counter()
    program = ["-m", "lantnet"] if members is None else ["-c", WITH_MEMBERS.format(members=members)]
    command = [sys.executable, *program, *arguments]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def detect(pair: tuple[str, str], out: Path, tile: int, workers: int, members: int | None = None) -> dict[str, Any]:
    options = ("--tile", str(tile), "--workers", str(workers), "--quiet")
    busy, own = machine_seconds(), own_seconds()
    wall = run("detect", *pair, "-o", str(out), *options, members=members)
    others = (machine_seconds() - busy - (own_seconds() - own)) / wall
    report: dict[str, Any] = json.loads((out / "report.json").read_text())
    changed = report["result"]["changed_pixels"]
    return {"wall": wall, "seconds": report["seconds"], "changed": changed, "others": others}


def machine_seconds() -> float:
    """Processor seconds of all processes of the machine since it started (Linux): not idle, waiting or stolen."""
    fields = [int(text) for text in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4] - fields[7]) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    """Those of the processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compare_workers(size: int, tile: int, runs: int) -> dict[str, Any]:
    """Ratios of one process's time to two's, medians over `runs` pairs; of everything, and of the phases in windows."""
    found: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pair = simulate(folder, size)
        for number in range(runs):
            one, two = (detect(pair, folder / f"{number}-{workers}", tile, workers) for workers in (1, 2))
            if one["changed"] != two["changed"]:
                raise SystemExit(f"results differ: {one['changed']} and {two['changed']} changed pixels")
            phases = [{k: v for k, v in each["seconds"].items() if k in IN_WINDOWS} for each in (one, two)]
            found.append(
                {
                    "whole run": one["wall"] / two["wall"],
                    "passes over windows": sum(phases[0].values()) / sum(phases[1].values()),
                    "map": phases[0]["map"] / phases[1]["map"],
                    "training": one["seconds"]["training"] / two["seconds"]["training"],
                    "cores of others, one": one["others"],
                    "cores of others, two": two["others"],
                    "seconds of one": one["wall"],
                    "seconds of training": one["seconds"]["training"],
                }
            )
    return {key: round(statistics.median(each[key] for each in found), 2) for key in found[0]} | {"runs": runs}


IN_WINDOWS = ("scale", "survey", "log-ratio", "calibration", "denoising", "levels", "labels", "samples", "map")


def greatest_memory(size: int, tile: int, workers: int, members: int | None) -> dict[str, Any]:
    """GB of the run's processes: the greatest of one process (which the kernel counts), times the workers."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pair = simulate(folder, size)
        made = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        measured = detect(pair, folder / "out", tile, workers, members)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        "size": size,
        "GB of the greatest process": round(peak / 2**20, 2),
        "GB to simulate": round(made / 2**20, 2),
        "workers": workers,
        "seconds": measured["seconds"],
    }


def frame(size: int, tile: int) -> dict[str, Any]:
    """What a frame would take, from a run of size x size: seconds a pixel of all passes, and the training once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seconds = detect(simulate(folder, size), folder / "out", tile, 1)["seconds"]
    pixels = FRAME[0] * FRAME[1]
    each = (seconds["with files"] - seconds["training"]) / size**2
    return {
        "pixels": pixels,
        "windows": -(-FRAME[0] // 1024) * -(-FRAME[1] // 1024),
        "hours on one core": round((seconds["training"] + each * pixels) / 3600, 2),
        "GB of results, uncompressed": round(6 * pixels / 1e9, 1),
        "GB of disk while it runs": round(29 * pixels / 1e9, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("workers", "memory", "frame"))
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--tile", type=int, default=None, help="default: 384 for workers, else 1024")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--members", type=int, default=None, help="networks, for memory (default: the recipe's)")
    options = parser.parse_args()
    if options.what == "workers":
        result = compare_workers(options.size, options.tile or 384, options.runs)
    elif options.what == "memory":
        result = greatest_memory(options.size, options.tile or 1024, options.workers, options.members)
    else:
        result = frame(options.size, options.tile or 1024)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
