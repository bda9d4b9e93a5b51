"""How right the maps are where the truth is known exactly: the nasty generator (lantnet.generated.nasty).

    python lantnet/benchmarks/generated.py weak [--looks 2,4,8] [--seeds 3]    -3 dB next to -10 dB, and alone
    python lantnet/benchmarks/generated.py none [--looks 1,4,20] [--seeds 3]   nothing changed: false alarms
    python lantnet/benchmarks/generated.py nasty [--first 0] [--seeds 10]      random pairs, next to SRAD + Otsu
    python lantnet/benchmarks/generated.py shifts [--seeds 20]                 shifts told, and those of floods

--variant NAME takes another recipe than the default (variants.py), such as "levels alone, no network"; --size the side
of a pair of none and nasty. Prints Markdown; one core.
"""

import argparse
import statistics
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import torch
from scipy import ndimage
from variants import VARIANTS

import lantnet
from lantnet.generated.nasty import Nasty, nasty_pair, random_recipe
from lantnet.generated.pairs import Recipe, speckled_pair
from lantnet.methods.baselines import srad_otsu
from lantnet.methods.recipes import RECIPES
from lantnet.results.cleanup import erase_small_regions
from lantnet.scene.registration import clear_shift

TROUBLES: dict[str, dict[str, float]] = {
    "speckle alone": {},
    "35 % water, clipped": {"water": 0.35, "clipped": 0.08},
    "bright points, texture of 2 dB": {"points": 1.0, "texture": 2.0},
    "offset of 3 dB": {"offset": 3.0},
    "fields gain or lose 1 dB": {"seasonal": 1.0},
    "registration error of 0.3 pixels": {"shift": 0.25},
    "registration error of 0.6 pixels": {"shift": 0.5},
    "registration error of 1.1 pixels": {"shift": 1.0},
    "registration error of 2.2 pixels": {"shift": 2.0},
}
FIRST_UNCHANGED = 200
"""Seed of the first pair without change: none of the choices was made on it."""
FLOODS = (0.05, 0.1, 0.2, 0.3)


def weak(looks: list[float], seeds: int) -> None:
    print("| looks | seed | -3 dB alone | next to -10 dB | ratio | false alarms |\n|---|---|---|---|---|---|")
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


def none(looks: list[float], seeds: int, size: int) -> None:
    heads = [f"{count:g} look{'' if count == 1 else 's'}" for count in looks]
    print("| disturbance | " + " | ".join(heads) + " |\n|---" + "|---" * len(looks) + "|")
    numbers = range(FIRST_UNCHANGED, FIRST_UNCHANGED + seeds)
    for name, trouble in TROUBLES.items():
        cells = []
        for count in looks:
            recipes = [replace(Nasty(share=0, looks=count, seed=seed), **trouble) for seed in numbers]  # type: ignore[arg-type]
            pairs = [nasty_pair(size, size, recipe) for recipe in recipes]
            cells.append(statistics.fmean(lantnet.detect(p.before, p.after).mask.mean() for p in pairs))
        print(f"| {name} | " + " | ".join(f"{cell:.5f}" for cell in cells) + " |", flush=True)


def nasty(first: int, seeds: int, size: int, variant: str) -> None:
    print(f"| seed | looks | changed | offset | shift | {variant} | SRAD + Otsu |\n|---|---|---|---|---|---|---|")
    found: list[tuple[float, float]] = []
    for seed in range(first, first + seeds):
        recipe = random_recipe(seed)
        pair = nasty_pair(size, size, recipe)
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


def shifts(seeds: int) -> None:
    """Which shifts are told: of rivers in flood, where there is none, and of random pairs moved by 20 and -7 pixels."""
    print("| pairs | number | right to .4 pixels | wrong by .4 to 3 | by more |\n|---|---|---|---|---|")
    floods = [
        (0.0, 0.0, speckled_pair(256, 256, Recipe("flood", density, looks, seed)))
        for density in FLOODS
        for looks in (1, 4)
        for seed in range(seeds)
    ]
    shift_row(f"floods over {FLOODS[0]:.0%} to {FLOODS[-1]:.0%}, 1 and 4 looks, no shift", floods)
    moved, lying = [], []
    for seed in range(seeds):
        recipe = random_recipe(seed)
        pair = nasty_pair(256, 256, recipe)
        lying.append((recipe.shift, -recipe.shift / 2, pair))
        far = ndimage.shift(pair.after, (20, -7), order=1, mode="reflect")
        moved.append((recipe.shift + 20, -recipe.shift / 2 - 7, replace(pair, after=far)))
    shift_row("random pairs, 0 to 2 pixels", lying)
    shift_row("random pairs, 20 pixels further", moved)


def shift_row(name: str, pairs: list[tuple[float, float, Any]]) -> None:
    right = near = far = 0
    for down, over, pair in pairs:
        told, _ = clear_shift([(80 * np.sqrt(pair.before), 80 * np.sqrt(pair.after))])
        error = (
            0.0 if told is None and not down and not over else np.hypot(*(np.subtract(told or (0, 0), (down, over))))
        )
        right += error <= 0.4
        near += 0.4 < error <= 3
        far += error > 3
    print(f"| {name} | {len(pairs)} | {right} | {near} | {far} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["weak", "none", "nasty", "shifts"])
    parser.add_argument("--looks", default="2,4,8")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="first seed of nasty")
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--variant", default="default", choices=VARIANTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    looks = [float(count) for count in options.looks.split(",")]
    run: dict[str, Callable[[], None]] = {
        "weak": lambda: weak(looks, options.seeds),
        "none": lambda: none(looks, options.seeds, options.size),
        "nasty": lambda: nasty(options.first, options.seeds, options.size, options.variant),
        "shifts": lambda: shifts(options.seeds),
    }
    with mock.patch.dict(RECIPES, default=VARIANTS[options.variant]):
        run[options.what]()


if __name__ == "__main__":
    main()
