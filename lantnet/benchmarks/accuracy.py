"""How right the maps are, on real pairs with truth: runs, then tables of them.

    python lantnet/benchmarks/accuracy.py run --pairs DIR [--variants "default;paper"] [--seeds 5]   one line a run
    python lantnet/benchmarks/accuracy.py tables                        accuracy, ablation, leave-one-out, confidence

DIR holds one folder a pair: im1, im2 and gt as BMP, PNG or TIFF. Runs are appended to --runs (benchmarks/runs.jsonl),
each with its date; a run that is there with the same settings is not repeated, so a long grid can be stopped at any
time. Tables are made from the file alone. Seconds are processor seconds of one core.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import tables
import torch
from PIL import Image
from variants import CHOICES, VARIANTS

import lantnet
from lantnet.methods.baselines import BASELINES
from lantnet.methods.recipes import RECIPES
from lantnet.results.cleanup import erase_small_regions

RUNS = Path(__file__).parent / "runs.jsonl"


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


def learned(pair: Pair, variant: str, seed: int) -> dict[str, Any]:
    """Scores of one run, and how often change was true by its probability (20 bins of pixels and changed pixels)."""
    with mock.patch.dict(RECIPES, default=VARIANTS[variant]):
        start = time.process_time()
        result = lantnet.detect(pair.before, pair.after, seed=seed)
        seconds = time.process_time() - start
    index = np.minimum((result.probability * 20).astype(int), 19).ravel()
    pixels, changed = (np.bincount(index, weights=w, minlength=20) for w in (np.ones(index.size), pair.truth.ravel()))
    scores = lantnet.evaluate(result.mask, pair.truth).as_dict()
    reliability = [[int(a), int(b)] for a, b in zip(pixels, changed, strict=True)]
    return scores | {"seconds": round(seconds, 2), "reliability": reliability}


def quick(pair: Pair, name: str) -> dict[str, Any]:
    before, after = pair.before.astype(np.float32), pair.after.astype(np.float32)
    start = time.process_time()
    mask = erase_small_regions(BASELINES[name](before, after), 21)
    seconds = time.process_time() - start
    return lantnet.evaluate(mask, pair.truth).as_dict() | {"seconds": round(seconds, 2)}


def settings(variant: str) -> str:
    """A digest of all values of a recipe: a run belongs to them, not to a name."""
    if variant in BASELINES:
        return "fixed"
    text = json.dumps(asdict(VARIANTS[variant]) | {"name": ""}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def run(pairs: list[Pair], variants: list[str], seeds: int, path: Path) -> None:
    done = {(r["variant"], r["settings"], r["pair"], r["seed"]) for r in tables.read(path)}
    grid = [(v, seed, pair) for seed in range(seeds) for v in variants for pair in pairs]
    for variant, seed, pair in grid:
        key = (variant, settings(variant), pair.name, seed)
        if key in done or (variant in BASELINES and seed):
            continue
        scores = quick(pair, variant) if variant in BASELINES else learned(pair, variant, seed)
        line = dict(zip(("variant", "settings", "pair", "seed"), key, strict=True)) | scores
        line["date"] = f"{datetime.now(UTC):%Y-%m-%d %H:%M}"
        with path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(f"{variant:<36}{pair.name:<14}{seed:>3}{line['kc']:>8.2f}{line['seconds']:>7.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "tables"])
    parser.add_argument("--pairs", type=Path, help="folder of pairs with truth")
    parser.add_argument(
        "--variants", default=";".join([*BASELINES, *VARIANTS]), help="of variants.py, and quick methods"
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=RUNS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.what == "tables":
        current = {name: settings(name) for name in [*BASELINES, *VARIANTS]}
        runs = [r for r in tables.read(options.runs) if current.get(r["variant"]) == r["settings"]]
        print(tables.all_tables(runs, CHOICES))
    elif not options.pairs:
        parser.error("--pairs is needed: a folder with one subfolder a pair")
    else:
        run(list(real_pairs(options.pairs)), options.variants.split(";"), options.seeds, options.runs)


if __name__ == "__main__":
    main()
