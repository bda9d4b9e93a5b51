"""How right the maps are where the truth is known exactly: the nasty generator (lantnet.generated.nasty).

    python lantnet/benchmarks/generated.py weak [--looks 2,4,8] [--seeds 3]    -3 dB beside -10 dB, and alone
    python lantnet/benchmarks/generated.py none [--looks 1,2,4,8,20]           nothing changed: false alarms by trouble
    python lantnet/benchmarks/generated.py nasty [--seeds 10]                  random troubles, beside SRAD + Otsu

--members N trains N networks instead of three (1 is three times faster). Prints Markdown; one core.
"""

import argparse
import statistics
from collections.abc import Callable
from dataclasses import replace
from unittest import mock

import numpy as np
import torch

import lantnet
from lantnet.generated.nasty import Nasty, nasty_pair, random_recipe
from lantnet.methods.baselines import srad_otsu
from lantnet.methods.recipes import DEFAULT, RECIPES
from lantnet.results.cleanup import erase_small_regions

TROUBLES: dict[str, dict[str, float]] = {
    "speckle alone": {},
    "35 % water, clipped": {"water": 0.35, "clipped": 0.08},
    "bright points, texture of 2 dB": {"points": 1.0, "texture": 2.0},
    "offset of 3 dB": {"offset": 3.0},
    "fields gain or lose 1 dB": {"seasonal": 1.0},
    "registration error of 1 pixel": {"shift": 1.0},
}


def weak(looks: list[float], seeds: int) -> None:
    print("| looks | seed | -3 dB alone | beside -10 dB | ratio | false alarms beside |\n|---|---|---|---|---|---|")
    for count in looks:
        for seed in range(seeds):
            alone, _ = weak_found(count, seed, strong=False)
            beside, false = weak_found(count, seed, strong=True)
            ratio = beside / alone if alone else float("nan")
            print(f"| {count:g} | {seed} | {alone:.3f} | {beside:.3f} | {ratio:.3f} | {false:.5f} |", flush=True)


def weak_found(looks: float, seed: int, *, strong: bool) -> tuple[float, float]:
    """Which share is called changed of a 50 x 50 area of -3 dB, and of the ground far from all change."""
    pair = nasty_pair(256, 256, Nasty(share=0, looks=looks, water=0, seed=seed))
    area, far = np.zeros((256, 256), bool), np.ones((256, 256), bool)
    area[140:190, 60:110] = True
    far[130:200, 50:120] = far[50:120, 110:210] = False
    after = np.where(area, pair.after * 10**-0.3, pair.after)
    if strong:
        after[60:110, 120:200] *= 0.1
    mask = lantnet.detect(pair.before, after).mask
    return float(mask[area].mean()), float(mask[far].mean())


def none(looks: list[float], seeds: int) -> None:
    print("| trouble | " + " | ".join(f"{count:g} looks" for count in looks) + " |\n|---" + "|---" * len(looks) + "|")
    for name, trouble in TROUBLES.items():
        cells = []
        for count in looks:
            recipes = [replace(Nasty(share=0, looks=count, seed=seed), **trouble) for seed in range(seeds)]  # type: ignore[arg-type]
            pairs = [nasty_pair(256, 256, recipe) for recipe in recipes]
            cells.append(statistics.fmean(lantnet.detect(p.before, p.after).mask.mean() for p in pairs))
        print(f"| {name} | " + " | ".join(f"{cell:.5f}" for cell in cells) + " |", flush=True)


def nasty(seeds: int) -> None:
    print("| seed | looks | changed | offset | shift | default | SRAD + Otsu |\n|---|---|---|---|---|---|---|")
    found: list[tuple[float, float]] = []
    for seed in range(seeds):
        recipe = random_recipe(seed)
        pair = nasty_pair(256, 256, recipe)
        mask = lantnet.detect(pair.before, pair.after).mask
        before, after = (80 * np.sqrt(image) for image in (pair.before, pair.after))
        simple = erase_small_regions(srad_otsu(before, after), 21)
        found.append((lantnet.evaluate(mask, pair.truth).kc, lantnet.evaluate(simple, pair.truth).kc))
        print(
            f"| {seed} | {recipe.looks} | {100 * pair.truth.mean():.1f} % | {recipe.offset:g} dB | {recipe.shift:g} | "
            f"{found[-1][0]:.1f} | {found[-1][1]:.1f} |",
            flush=True,
        )
    print(
        "| mean | | | | | "
        + " | ".join(f"{statistics.fmean(column):.1f}" for column in zip(*found, strict=True))
        + " |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["weak", "none", "nasty"])
    parser.add_argument("--looks", default="2,4,8")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--members", type=int, default=DEFAULT.training.members)
    options = parser.parse_args()
    torch.set_num_threads(1)
    looks = [float(count) for count in options.looks.split(",")]
    recipe = replace(DEFAULT, training=replace(DEFAULT.training, members=options.members))
    run: dict[str, Callable[[], None]] = {
        "weak": lambda: weak(looks, options.seeds),
        "none": lambda: none(looks, options.seeds),
        "nasty": lambda: nasty(options.seeds),
    }
    with mock.patch.dict(RECIPES, default=recipe):
        run[options.what]()


if __name__ == "__main__":
    main()
