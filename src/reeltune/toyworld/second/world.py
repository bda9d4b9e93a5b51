"""Scenes of the second edition: edges on a grid, sizes of one kind, near misses, and harder held-out worlds.

Beside the first edition's: edges of boxes are multiples of 0.05, so that a box is four short numbers; two shapes of a
scene now and then share their color or their form, so that a question needs both; things move more often.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reeltune.toyworld.world import (
    COLORS,
    SHAPES,
    UNSEEN,
    Point,
    Scene,
    Span,
    Thing,
    WorldSettings,
    overlaps,
    shown,
)  # fmt: skip

GRID = 0.05
SIZE = 0.3


@dataclass(frozen=True)
class Settings:
    """What a scene may look like.

    `near_miss`: how often a shape takes its color or its form from an earlier one; else it takes neither. `places`: the
    step between two places of a box, a multiple of GRID.
    """

    shortest: int = 5
    longest: int = 8
    objects: tuple[int, int] = (1, 3)
    near_miss: float = 0.3
    colors: tuple[str, ...] = tuple(COLORS)
    noisy_share: float = 0.2
    places: float = GRID
    roles: tuple[tuple[str, float], ...] = (
        ("appears", 0.35), ("moves", 0.4), ("recolors", 0.1), ("returns", 0.1), ("stays", 0.05),
    )  # fmt: skip

    def role(self, rng: np.random.Generator) -> str:
        names, weights = zip(*self.roles, strict=True)
        return str(rng.choice(names, p=np.array(weights) / sum(weights)))


WORLDS: dict[str, Settings] = {
    "train": Settings(),
    "held_out": Settings(),
    "held_out_long": Settings(shortest=10, longest=14),
    "held_out_many": Settings(objects=(4, 5)),
    "held_out_colors": replace(Settings(), colors=tuple(UNSEEN), objects=(1, 2), near_miss=0.0),
}
"""A split's world. The last three are harder: longer clips, more objects, colors that no training scene shows."""


def draw(rng: np.random.Generator, settings: Settings) -> Scene:
    """A scene whose shapes all have different names, none of which another one takes by changing its color."""
    while True:
        count = int(rng.integers(settings.objects[0], settings.objects[1] + 1))
        duration = int(rng.integers(settings.shortest, settings.longest + 1))
        things: list[Thing] = []
        names: set[str] = set()
        for _ in range(100):
            thing = _draw_thing(rng, things, duration, settings)
            if not names & names_of(thing) and not overlaps((*things, thing), duration, WorldSettings().fps):
                things.append(thing)
                names |= names_of(thing)
            if len(things) == count:
                return shown(rng, tuple(things), duration, WorldSettings(noisy_share=settings.noisy_share))


def draw_parade(rng: np.random.Generator, settings: Settings) -> Scene:
    """Another shape each second, now and then none: as many labeled pictures as seconds. Names may come twice."""
    duration = int(rng.integers(settings.shortest, settings.longest + 1))
    things = []
    for second in range(duration):
        if rng.random() < 0.9:
            place = _place(rng, settings)
            span = (float(second), float(second + 1))
            color, shape = str(rng.choice(settings.colors)), str(rng.choice(SHAPES))
            things.append(Thing(color, shape, "appears", SIZE, (span,), place, place, grid=GRID))
    return shown(rng, tuple(things), duration, WorldSettings(noisy_share=settings.noisy_share))


def names_of(thing: Thing) -> set[str]:
    """What it is called, before and after it changes its color."""
    return {thing.name, f"{thing.recolor[1]} {thing.shape}"} if thing.recolor else {thing.name}


def _draw_thing(rng: np.random.Generator, others: list[Thing], duration: int, settings: Settings) -> Thing:
    used = {name.split()[0] for thing in others for name in names_of(thing)}, {thing.shape for thing in others}
    color, shape = _unlike(rng, settings.colors, used[0]), _unlike(rng, SHAPES, used[1])
    if others and rng.random() < settings.near_miss:
        other = others[int(rng.integers(len(others)))]
        color, shape = (other.color, shape) if rng.random() < 0.5 else (color, other.shape)
    role = settings.role(rng)
    if role == "returns" and duration < 3:
        role = "stays"
    start = _place(rng, settings)
    stop, moving, recolor = start, None, None
    visible: tuple[Span, ...] = ((0.0, float(duration)),)
    if role == "returns":
        cuts = np.sort(rng.choice(np.arange(duration + 1), size=4, replace=False)).astype(float)
        visible = ((float(cuts[0]), float(cuts[1])), (float(cuts[2]), float(cuts[3])))
    elif role == "appears":
        visible = (_span(rng, 0, duration, 1, 4),)
    elif role in ("moves", "recolors") and duration > 4:
        visible = (_span(rng, 0, duration, 4, duration),)
    first, last = int(visible[0][0]), int(visible[0][1])
    if role == "moves":
        moving = _span(rng, first, last, 2, 3)
        while np.hypot(stop[0] - start[0], stop[1] - start[1]) < 0.3:
            stop = _place(rng, settings)
    if role == "recolors":
        others_colors = [name for name in settings.colors if name != color]
        recolor = (float(rng.integers(first + 1, last)), str(rng.choice(others_colors)))
    return Thing(color, shape, role, SIZE, visible, start, stop, moving, recolor, grid=GRID)


def _unlike(rng: np.random.Generator, words: Sequence[str], used: set[str]) -> str:
    """One of the words that no other shape uses, where there is one."""
    return str(rng.choice([word for word in words if word not in used] or list(words)))


def _place(rng: np.random.Generator, settings: Settings) -> Point:
    """A center whose box has its edges on the grid, within the frame."""
    steps = round((1 - SIZE) / settings.places)
    x, y = (float(step) * settings.places + SIZE / 2 for step in rng.integers(steps + 1, size=2))
    return x, y


def _span(rng: np.random.Generator, low: int, high: int, shortest: int, longest: int) -> Span:
    length = int(rng.integers(shortest, min(longest, high - low) + 1))
    start = int(rng.integers(low, high - length + 1))
    return float(start), float(start + length)
