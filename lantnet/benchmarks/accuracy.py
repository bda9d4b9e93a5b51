"""Every number of docs/lantnet.md. Each command prints what it measures; all run on one core.

    python lantnet/benchmarks/accuracy.py accuracy --pairs DIR        default recipe and quick methods, 5 seeds
    python lantnet/benchmarks/accuracy.py paper --pairs DIR           the published recipe, 3 seeds (1.5 minutes each)
    python lantnet/benchmarks/accuracy.py ablation --pairs DIR        what every part of the default recipe is worth
    python lantnet/benchmarks/accuracy.py generated                   generated pairs, change and no change
    python lantnet/benchmarks/accuracy.py scale --side 10000          a generated GeoTIFF pair: memory and time

DIR holds one folder a pair: im1, im2 and gt as BMP, PNG or TIFF. Times are processor seconds.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image
from variants import VARIANTS

import lantnet
from lantnet.generated.pairs import Recipe, as_8bit, speckled_pair
from lantnet.methods.baselines import BASELINES
from lantnet.methods.recipes import RECIPES
from lantnet.results.cleanup import erase_small_regions


@dataclass(frozen=True)
class Pair:
    name: str
    before: np.ndarray
    after: np.ndarray
    truth: np.ndarray


def real_pairs(folder: Path) -> Iterator[Pair]:
    for directory in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = {path.stem: path for path in directory.iterdir()}
        before, after, truth = (np.asarray(Image.open(files[name]).convert("L")) for name in ("im1", "im2", "gt"))
        yield Pair(directory.name, before, after, truth > 127)


def generated_pairs() -> Iterator[Pair]:
    for change, density, looks in [
        ("fields", 0.15, 4), ("fields", 0.05, 1), ("flood", 0.1, 4), ("flood", 0.03, 1), ("objects", 0.15, 4),
        ("objects", 0.02, 4), ("mixed", 0.1, 4), ("mixed", 0.05, 1), ("none", 0, 4), ("none", 0, 1),
    ]:  # fmt: skip
        pair = speckled_pair(256, 256, Recipe(change, density, looks, 21))
        yield Pair(f"{change} {density} L{looks}", as_8bit(pair.before), as_8bit(pair.after), pair.truth)


def kappas(pair: Pair, recipe: str, seeds: int) -> tuple[list[float], float]:
    """KC of every seed, and processor seconds a run."""
    start = time.process_time()
    masks = [lantnet.detect(pair.before, pair.after, recipe=recipe, seed=seed).mask for seed in range(seeds)]
    seconds = (time.process_time() - start) / seeds
    return [lantnet.evaluate(mask, pair.truth).kc for mask in masks], seconds


def quick(pair: Pair) -> dict[str, float]:
    before, after = pair.before.astype(np.float32), pair.after.astype(np.float32)
    return {
        name: lantnet.evaluate(erase_small_regions(method(before, after), 21), pair.truth).kc
        for name, method in BASELINES.items()
    }


def spread(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def accuracy(pairs: Iterator[Pair], recipe: str, seeds: int) -> None:
    rows = []
    print(f"{'pair':<16}{recipe:>9}{'+-':>6}{'seconds':>9}" + "".join(f"{name:>28}" for name in BASELINES))
    for pair in pairs:
        values, seconds = kappas(pair, recipe, seeds)
        others = quick(pair)
        rows.append([statistics.fmean(values), *others.values()])
        print(
            f"{pair.name:<16}{rows[-1][0]:>9.2f}{spread(values):>6.2f}{seconds:>9.1f}"
            + "".join(f"{value:>28.2f}" for value in others.values())
            + "   "
            + " ".join(f"{value:.2f}" for value in values),
            flush=True,
        )
    means = [statistics.fmean(column) for column in zip(*rows, strict=True)]
    print(f"{'mean':<16}{means[0]:>9.2f}{'':>15}" + "".join(f"{value:>28.2f}" for value in means[1:]))


def ablation(folder: Path, seeds: int, only: str) -> None:
    """Mean KC over seeds a pair, one stage changed at a time."""
    pairs = list(real_pairs(folder))
    print(f"{'variant':<36}" + "".join(f"{pair.name[:11]:>12}" for pair in pairs) + f"{'mean':>9}{'worst +-':>9}")
    for name, recipe in VARIANTS.items():
        if only not in name:
            continue
        with mock.patch.dict(RECIPES, default=recipe):
            runs = [kappas(pair, "default", seeds)[0] for pair in pairs]
        means = [statistics.fmean(values) for values in runs]
        worst = max(spread(values) for values in runs)
        shown = "".join(f"{mean:>12.2f}" for mean in means)
        print(f"{name:<36}{shown}{statistics.fmean(means):>9.2f}{worst:>9.2f}", flush=True)


def run_scale(side: int, folder: Path) -> None:
    """Generate a pair, detect in a process of its own, and print its memory and time."""
    command = [sys.executable, "-m", "lantnet"]
    names = [folder / name for name in ("before.tif", "after.tif", "truth.tif")]
    if not all(name.exists() for name in names):
        simulate = [
            *command,
            "simulate",
            "-o",
            str(folder),
            "--size",
            str(side),
            "--density",
            "0.03",
            "--seed",
            "1",
            "--quiet",
        ]
        subprocess.run(simulate, check=True)
    out = folder / f"result_{side}"
    start, earlier = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*command, "detect", *map(str, names[:2]), "-o", str(out), "--quiet"], check=True)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall, processor = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
    processor -= earlier.ru_utime + earlier.ru_stime
    print(f"{side} x {side}: {wall:.0f} s wall, {processor:.0f} s processor, peak {usage.ru_maxrss / 1024:.0f} MB")
    print(json.dumps(json.loads((out / "report.json").read_text())["seconds"]))
    subprocess.run([*command, "evaluate", str(out / "mask.tif"), str(names[2])], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["accuracy", "paper", "ablation", "generated", "scale"])
    parser.add_argument("--pairs", type=Path, help="folder of pairs with truth")
    parser.add_argument("--seeds", type=int, help="how many seeds")
    parser.add_argument("--only", default="", help="of the ablation: variants whose name holds this")
    parser.add_argument("--side", type=int, default=10_000, help="of the generated scene, pixels")
    parser.add_argument("--folder", type=Path, help="where the generated scene is kept (default: a temporary folder)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.what in ("accuracy", "paper", "ablation") and not options.pairs:
        parser.error("--pairs is needed: a folder with one subfolder a pair")
    if options.what == "accuracy":
        accuracy(real_pairs(options.pairs), "default", options.seeds or 5)
    elif options.what == "paper":
        accuracy(real_pairs(options.pairs), "paper", options.seeds or 3)
    elif options.what == "ablation":
        ablation(options.pairs, options.seeds or 3, options.only)
    elif options.what == "generated":
        accuracy(generated_pairs(), "default", options.seeds or 1)
    elif options.what == "scale":
        with tempfile.TemporaryDirectory() as temporary:
            run_scale(options.side, options.folder or Path(temporary))


if __name__ == "__main__":
    main()
