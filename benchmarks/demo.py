"""The demo at several learning rates and seeds, as tables: which rate suits GRPO and SFT, and what it gives there.

    python benchmarks/demo.py --seeds 10 --rates 3e-5 1e-4 3e-4     the sweep, on seeds that are not reported
    python benchmarks/demo.py --seeds 0 1 2                         the demo's own rate, mean and each seed

Every demo is kept in --dir: after a kill the same command goes on.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

COLUMNS = {
    "miou": "mIoU",
    "r@0.5": "R@0.5",
    "r@0.7": "R@0.7",
    "mean_overlap": "tracking, mean overlap",
    "success@0.5": "tracking, success@0.5",
    "retained": "untrained, mean",
    "seconds": "seconds",
}
Results = dict[str, dict[str, float | None]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--rates", nargs="*", default=[], type=rate, metavar="LR", help="none: the rate of the demo's recipes"
    )
    parser.add_argument("--dir", type=Path, default=Path("runs/demos"))
    parser.add_argument("settings", nargs="*", metavar="section.key=value")
    args = parser.parse_args()
    for lr in args.rates or [None]:
        found = [demo(args.dir, seed, lr, args.settings) for seed in args.seeds]
        print(f"\nlr {lr or 'of the recipes'}, seeds {', '.join(map(str, args.seeds))}: the mean, then each seed\n")
        print(table(found), flush=True)


def rate(text: str) -> str:
    """As it was typed: it names a folder. ValueError for what is no number, such as a setting after `--rates`."""
    float(text)
    return text


def demo(directory: Path, seed: int, lr: str | None, settings: Sequence[str]) -> Results:
    """results.json of one demo, run in a process of its own unless it is there already."""
    place = directory / f"lr-{lr or 'own'}" / f"seed-{seed}"
    own = [*settings, *([f"optim.lr={lr}"] if lr else [])]
    command = [sys.executable, "-m", "reeltune", "demo", "--seed", str(seed), "--dir", str(place), *own]
    if not (place / "results.json").exists():
        subprocess.run(command, check=True)
    found: Results = json.loads((place / "results.json").read_text(encoding="utf-8"))
    return found


def table(found: Sequence[Results]) -> str:
    """A Markdown row per model or trivial answer: mean (each seed) of what was measured."""
    columns = [name for name in COLUMNS if found[0]["base"].get(name) is not None]
    lines = ["| | " + " | ".join(COLUMNS[name] for name in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for row in found[0]:
        cells = [_cell([each[row].get(name) for each in found]) for name in columns]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    mean = f"{sum(known) / len(known):.1f}"
    return mean if len(known) == 1 else f"{mean} ({', '.join(f'{value:.1f}' for value in known)})"


if __name__ == "__main__":
    main()
