"""How right the labels are before any network learns from them: seconds instead of minutes.

    python lantnet/benchmarks/levels.py [--pairs DIR] [--generated 0:20] [--size 192]
    python lantnet/benchmarks/levels.py --no-change 1,4,20 [--size 192]     share called changed where nothing did

A table of KC (percent, regions of up to 20 pixels dropped) of the default's levels of change beside SRAD + Otsu: on
real pairs with truth, and on random pairs of the nasty generator. The levels were designed on the six real pairs and on
the generator's seeds 100 to 123; other seeds are unseen.
"""

import argparse
import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from accuracy import Pair, real_pairs

import lantnet
from generated import TROUBLES
from lantnet.detection import Progress
from lantnet.execution.executors import Serial
from lantnet.generated.nasty import Nasty, nasty_pair, random_recipe
from lantnet.methods.baselines import srad_otsu
from lantnet.methods.calibration import calibrate
from lantnet.methods.level_labels import LevelLabels
from lantnet.methods.recipe import Context
from lantnet.published.prelabels import CHANGED
from lantnet.results.cleanup import erase_small_regions
from lantnet.scene.examination import examine
from lantnet.scene.plan import Plan
from lantnet.scene.scale import Scale
from lantnet.scene.scene import open_scene
from lantnet.scene.source import ArraySource
from lantnet.scene.windows import Window


def generated_pairs(first: int, last: int, size: int) -> Iterator[Pair]:
    for seed in range(first, last):
        pair = nasty_pair(size, size, random_recipe(seed))
        yield Pair(f"generated {seed}", pair.before, pair.after, pair.truth)


def masks(pair: Pair, scale: Scale) -> tuple[np.ndarray, np.ndarray]:
    """What the levels call changed where there is evidence, and SRAD + Otsu on the same amplitudes."""
    progress = Progress(False)
    sources = ArraySource(pair.before, "before"), ArraySource(pair.after, "after")
    scene = open_scene(*sources, scale=scale, tile=1024, track=progress.track)
    examine(scene)
    context = Context(0, Plan(1024, Serial(), progress.track), progress.steps)
    labeling = LevelLabels(margin=0.0).measure(scene, context, calibrate(scene, context), 1)
    view = scene.read(Window(0, 0, scene.height, scene.width))
    found = np.zeros(view.valid.shape, dtype=bool)
    if not labeling.empty:
        found = (labeling.classes(view) == CHANGED) & view.valid
    return found, srad_otsu(view.before, view.after)


def no_change(looks: list[float], size: int) -> None:
    print("| trouble | " + " | ".join(f"{count:g} looks" for count in looks) + " |\n|---" + "|---" * len(looks) + "|")
    for name, trouble in TROUBLES.items():
        shares = []
        for count in looks:
            recipe = replace(Nasty(share=0, looks=count, seed=60), **trouble)  # type: ignore[arg-type]
            pair = nasty_pair(size, size, recipe)
            found, _ = masks(Pair(name, pair.before, pair.after, pair.truth), Scale.POWER)
            shares.append(erase_small_regions(found, 21).mean())
        print(f"| {name} | " + " | ".join(f"{share:.4f}" for share in shares) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, help="folder of pairs with truth")
    parser.add_argument("--generated", default="0:20", help="seeds of the generator, first:last")
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--no-change", help="looks of pairs without change, such as 1,4,20")
    options = parser.parse_args()
    if options.no_change:
        no_change([float(count) for count in options.no_change.split(",")], options.size)
        return
    first, last = (int(number) for number in options.generated.split(":"))
    groups = [(list(real_pairs(options.pairs)) if options.pairs else [], Scale.EIGHT_BIT)]
    groups.append((list(generated_pairs(first, last, options.size)), Scale.POWER))
    print("| pair | changed | levels | SRAD + Otsu |\n|---|---|---|---|")
    for pairs, scale in groups:
        scores = []
        for pair in pairs:
            scores.append([lantnet.evaluate(erase_small_regions(m, 21), pair.truth).kc for m in masks(pair, scale)])
            share = 100 * pair.truth.mean()
            print(f"| {pair.name} | {share:.1f} % | {scores[-1][0]:.1f} | {scores[-1][1]:.1f} |", flush=True)
        if scores:
            means = [statistics.fmean(column) for column in zip(*scores, strict=True)]
            print(f"| mean of {len(scores)} | | {means[0]:.1f} | {means[1]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
