"""Radar pairs as nasty as reality: what trouble real pairs hold, each as a value that can be set or left out.

Not a model of radar physics: a land of textured fields, roads, water and houses, seen twice through correlated
speckle, with change of several strengths side by side. Nothing of the detector was fitted to single pairs of it;
docs/accuracy.md says what was chosen with it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lantnet.types import Float32, Float64, Labels, Mask


@dataclass(frozen=True)
class Nasty:
    """What a pair is like. Powers are relative: average land is 1.

    share: of the scene that changes. strengths: dB of the kinds of change, each of them an equal part of the share.
    looks: of speckle (gamma, smoothed over `grain` pixels). texture: dB, standard deviation of the land within fields.
    water: share of calm water. clipped: power that 8-bit black stands for. offset: dB between the dates.
    seasonal: dB, standard deviation of what fields gain or lose between the dates without counting as change.
    points: bright points (layover) a thousand pixels. shift: registration error, pixels. frame: black border, pixels.
    """

    share: float = 0.1
    strengths: tuple[float, ...] = (-6.0, 8.0)
    looks: float = 4.0
    grain: float = 0.5
    texture: float = 1.0
    water: float = 0.1
    clipped: float = 0.0
    offset: float = 0.0
    seasonal: float = 0.0
    points: float = 0.2
    shift: float = 0.0
    frame: int = 0
    blob: float = 6.0
    seed: int = 0


@dataclass(frozen=True)
class NastyPair:
    """`before`, `after`: linear power (H, W); `truth`: changed; `kind`: 0, or 1 + the number of its strength."""

    before: Float32
    after: Float32
    truth: Mask
    kind: Labels


def nasty_pair(height: int, width: int, recipe: Nasty) -> NastyPair:
    """Two dates (H, W) and what truly changed between them; a function of the recipe and the size alone."""
    rng = np.random.default_rng([recipe.seed, height, width])
    land, water, fields = _land(height, width, recipe, rng)
    kind = _changes(height, width, recipe, rng)
    decibel = np.zeros((height, width))
    for number, strength in enumerate(recipe.strengths):
        decibel[kind == number + 1] = strength
    season = rng.normal(0, recipe.seasonal, fields.max() + 1)[fields] if recipe.seasonal else 0.0
    later = land * 10 ** ((decibel + np.where(water, 0.0, season)) / 10)
    later = ndimage.shift(later, (recipe.shift, -recipe.shift / 2), order=1, mode="nearest") if recipe.shift else later
    before = land * _speckle(land.shape, recipe, rng)
    after = later * _speckle(land.shape, recipe, rng) * 10 ** (recipe.offset / 10)
    if recipe.clipped:
        before, after = (np.maximum(image - recipe.clipped, 0) for image in (before, after))
    if recipe.frame:
        after[:, : recipe.frame] = 0
        kind[:, : recipe.frame] = 0
    return NastyPair(before.astype(np.float32), after.astype(np.float32), kind > 0, kind)


def gray_levels(pair: NastyPair) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Both dates as the 8-bit amplitude in which such pairs are published."""
    first, second = (
        np.clip(np.rint(70 * np.sqrt(image)), 0, 255).astype(np.uint8) for image in (pair.before, pair.after)
    )
    return first, second


def random_recipe(seed: int) -> Nasty:
    """A recipe at random, with every trouble in its range: a sample of what may come."""
    rng = np.random.default_rng([seed, 77])
    choices = rng.choice([-10.0, -7.0, -5.0, -4.0, 4.0, 5.0, 7.0, 10.0], size=rng.integers(1, 4), replace=False)
    return Nasty(
        share=float(10 ** rng.uniform(-2, np.log10(0.3))),
        strengths=tuple(float(value) for value in choices),
        looks=float(np.round(10 ** rng.uniform(0, np.log10(20)), 1)),
        grain=float(rng.choice([0.0, 0.5, 0.7])),
        texture=float(rng.uniform(0, 2)),
        water=float(rng.choice([0.0, 0.1, 0.35])),
        clipped=float(rng.choice([0.0, 0.0, 0.08])),
        offset=float(rng.choice([0.0, -2.0, 1.0, 3.0])),
        seasonal=float(rng.choice([0.0, 0.5, 1.0])),
        points=float(rng.choice([0.0, 0.3, 1.0])),
        shift=float(rng.choice([0.0, 0.5, 1.0, 2.0])),
        frame=0,
        blob=float(rng.uniform(4, 12)),
        seed=seed,
    )


def _land(height: int, width: int, recipe: Nasty, rng: np.random.Generator) -> tuple[Float64, Mask, NDArray[np.int64]]:
    """Power of the land, where it is calm water, and the number of the field that a pixel lies in."""
    spots = rng.uniform(0, 1, (max(height * width // 1200, 4), 2)) * (height, width)
    seeds = np.ones((height, width), dtype=bool)
    seeds[tuple(np.minimum(spots.astype(int), (height - 1, width - 1)).T)] = False
    nearest = ndimage.distance_transform_edt(seeds, return_distances=False, return_indices=True)
    _, fields = np.unique(nearest[0] * width + nearest[1], return_inverse=True)
    fields = fields.reshape(height, width).astype(np.int64)
    level = rng.normal(0, 2.5, fields.max() + 1)[fields]
    level += recipe.texture * _smooth_noise((height, width), 1.5, rng)
    water = _top_share(_smooth_noise((height, width), 14.0, rng), recipe.water)
    level = np.where(water, -14.0 + 0.3 * level, level)
    points = rng.uniform(size=(height, width)) < recipe.points / 1000
    level = np.where(ndimage.binary_dilation(points, iterations=1) & ~water, 14.0, level)
    return 10 ** (level / 10), water, fields


def _changes(height: int, width: int, recipe: Nasty, rng: np.random.Generator) -> Labels:
    """Compact areas of every strength, side by side, of about the share asked for."""
    kind = np.zeros((height, width), dtype=np.uint8)
    if not recipe.share or not recipe.strengths:
        return kind
    changed = _top_share(_smooth_noise((height, width), recipe.blob, rng), recipe.share)
    parts = np.stack([_smooth_noise((height, width), 3 * recipe.blob, rng) for _ in recipe.strengths])
    kind[changed] = (1 + parts.argmax(axis=0)[changed]).astype(np.uint8)
    return kind


def _speckle(shape: tuple[int, ...], recipe: Nasty, rng: np.random.Generator) -> Float64:
    """Gamma noise of mean 1 and variance 1/looks, also after its smoothing to grains."""
    if not recipe.grain:
        return rng.gamma(recipe.looks, 1 / recipe.looks, shape)
    kernel = np.zeros((15, 15))
    kernel[7, 7] = 1
    kernel = ndimage.gaussian_filter(kernel, recipe.grain)
    finer = recipe.looks * (kernel**2).sum()
    grains: Float64 = ndimage.gaussian_filter(rng.gamma(finer, 1 / finer, shape), recipe.grain, mode="wrap")
    return grains


def _smooth_noise(shape: tuple[int, int], sigma: float, rng: np.random.Generator) -> Float64:
    noise = ndimage.gaussian_filter(rng.normal(size=shape), sigma, mode="wrap")
    scaled: Float64 = noise / noise.std()
    return scaled


def _top_share(values: Float64, share: float) -> Mask:
    top: Mask = values > np.quantile(values, 1 - share) if share else np.zeros(values.shape, dtype=bool)
    return top
