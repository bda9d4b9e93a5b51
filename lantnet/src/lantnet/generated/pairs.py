"""Radar pairs with known change: gamma speckle over a land of fields and a river.

Every pixel is a function of its coordinates and the seed, so a scene of any size can be made window by window.
Used by the tests, the gallery and the benchmarks; nothing in the detector was fitted to it.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lantnet.randomness import scramble
from lantnet.types import Float32, Float64, Int64, Mask

Change = Literal["fields", "flood", "objects", "mixed", "none", "all"]
FIELD = 40
"""Mean spacing of the fields, pixels."""
WATER = 0.05
"""Power of calm water relative to average land."""


@dataclass(frozen=True)
class Recipe:
    """What to generate: kind and share of change, number of looks of both dates."""

    change: Change = "mixed"
    density: float = 0.15
    """Chance that a field, or the site of an object, changes."""
    looks: float = 4
    seed: int = 0


@dataclass(frozen=True)
class Pair:
    before: Float32
    after: Float32
    truth: Mask


def speckled_pair(height: int, width: int, recipe: Recipe, *, top: int = 0, left: int = 0) -> Pair:
    """A window of the endless scene `recipe` as linear power (average land = 1), and its true change.

    Speckle is gamma distributed with mean 1 and shape `looks`, independent by pixel and date.
    """
    rows, cols = np.mgrid[top : top + height, left : left + width].astype(np.int64)
    calm = _land(rows, cols, recipe.seed)
    factor = _factor(rows, cols, recipe, calm)
    generator = np.random.default_rng([recipe.seed, top, left])
    before = calm * generator.gamma(recipe.looks, 1 / recipe.looks, calm.shape)
    after = calm * factor * generator.gamma(recipe.looks, 1 / recipe.looks, calm.shape)
    return Pair(before.astype(np.float32), after.astype(np.float32), factor != 1)


def as_8bit(power: Float32) -> NDArray[np.uint8]:
    """Power to the 8-bit amplitude in which such pairs are usually published."""
    gray: NDArray[np.uint8] = np.clip(np.rint(60 * np.sqrt(power)), 0, 255).astype(np.uint8)
    return gray


def _land(rows: Int64, cols: Int64, seed: int) -> Float64:
    level = 10 ** (0.8 * _uniform(*_field_of(rows, cols, seed), seed, 1) - 0.5)
    level[_river(rows, cols, 9)] = WATER
    return level


def _river(rows: Int64, cols: Int64, half_width: float) -> Mask:
    middle = 128 + 60 * np.sin(rows / 70) + 25 * np.sin(rows / 23)
    inside: Mask = np.abs((cols % 512) - middle) < half_width
    return inside


def _factor(rows: Int64, cols: Int64, recipe: Recipe, calm: Float64) -> Float64:
    """What the power is multiplied by between the dates; exactly 1 where nothing changed."""
    factor = np.ones(calm.shape)
    if recipe.change == "none":
        return factor
    if recipe.change == "all":
        return np.full(calm.shape, 6.0)
    if recipe.change in ("flood", "mixed"):
        width = 9 + 200 * recipe.density
        flooded = _river(rows, cols, width) & (calm != WATER)
        factor[flooded] = WATER / calm[flooded]
    if recipe.change in ("fields", "mixed"):
        field = _field_of(rows, cols, recipe.seed)
        chosen = (_uniform(*field, recipe.seed, 2) < recipe.density) & (calm != WATER) & (factor == 1)
        decibel = np.where(_uniform(*field, recipe.seed, 3) < 0.5, -7.0, 7.0)
        factor[chosen] = 10 ** (decibel[chosen] / 10)
    if recipe.change in ("objects", "mixed"):
        site = (rows // 24, cols // 24)
        chosen = _uniform(*site, recipe.seed, 4) < recipe.density
        radius = 3 + 5 * _uniform(*site, recipe.seed, 5)
        near = (rows % 24 - 11.5) ** 2 + (cols % 24 - 11.5) ** 2 < radius**2
        factor[chosen & near & (factor == 1)] = 10.0
    return factor


def _field_of(rows: Int64, cols: Int64, seed: int) -> tuple[Int64, Int64]:
    """Grid index of the nearest field center: a Voronoi cell on a jittered grid."""
    row, col = rows // FIELD, cols // FIELD
    best = np.full(rows.shape, np.inf)
    owner = (row, col)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            i, j = row + down, col + right
            y = (i + _uniform(i, j, seed, 6)) * FIELD - rows
            x = (j + _uniform(i, j, seed, 7)) * FIELD - cols
            distance = y * y + x * x
            nearer = distance < best
            best = np.where(nearer, distance, best)
            owner = (np.where(nearer, i, owner[0]), np.where(nearer, j, owner[1]))
    return owner


def _uniform(i: Int64, j: Int64, seed: int, channel: int) -> Float64:
    """A number in [0, 1) that depends on nothing but its arguments."""
    key = i.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) ^ j.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    return scramble(key ^ np.uint64((seed * 64 + channel + 1) * 0x165667B19E3779F9 % 2**64)) / 2.0**64
