"""Scenes of colored shapes that appear, move, change color and vanish, and their pictures.

Everything is a pure function of a numpy generator. Events begin and end on whole seconds, positions are
fractions of the frame, and what a scene says about itself (who is visible when, where, doing what) is exact,
so that rewards, metrics and captions made from it need no annotator. The world and its vocabulary are our
choice.

Left out on purpose: occlusion. Two shapes never overlap while both are visible.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Span = tuple[float, float]
Point = tuple[float, float]
Box = tuple[float, float, float, float]

COLORS: dict[str, tuple[int, int, int]] = {
    "red": (225, 45, 45),
    "green": (40, 190, 70),
    "blue": (60, 90, 240),
    "yellow": (240, 215, 50),
    "purple": (175, 60, 205),
    "white": (240, 240, 240),
}
UNSEEN = {"orange": (245, 140, 30), "cyan": (50, 215, 225)}
"""Colours of the second edition's harder split: no scene of another one shows them."""
SHAPES = ("circle", "square", "triangle", "cross")
QUALITIES = ("clean", "noisy")


@dataclass(frozen=True)
class WorldSettings:
    """What a scene may look like. Seconds are whole, so that events fall between two sampled frames."""

    side: int = 64
    fps: int = 2
    shortest: int = 6
    longest: int = 10
    size: Span = (0.30, 0.34)
    noisy_share: float = 0.2
    # How often a shape only appears, moves, changes color, or comes back after it has vanished. One that stays
    # all the time asks nothing about time: the first lesson of the small model.
    roles: dict[str, float] = field(
        default_factory=lambda: {"appears": 0.6, "moves": 0.2, "recolors": 0.1, "returns": 0.1}
    )


@dataclass(frozen=True)
class Thing:
    """One shape. `visible` holds sorted, disjoint spans in seconds; an event at an end is already over."""

    color: str
    shape: str
    role: str
    size: float
    visible: tuple[Span, ...]
    start: Point
    stop: Point
    moving: Span | None = None
    recolor: tuple[float, str] | None = None
    grid: float = 0.0
    """Its upper left corner stands on multiples of this share of the frame; 0: anywhere."""

    @property
    def name(self) -> str:
        """Colour (before any change) and shape: unique in a scene."""
        return f"{self.color} {self.shape}"

    def visible_at(self, time: float) -> bool:
        return any(start <= time < end for start, end in self.visible)

    def color_at(self, time: float) -> str:
        return self.recolor[1] if self.recolor and time >= self.recolor[0] else self.color

    def center_at(self, time: float) -> Point:
        """Centre as fractions of the frame; it goes evenly from `start` to `stop` during `moving`."""
        if self.moving is None:
            return self.start
        begin, end = self.moving
        share = min(max((time - begin) / (end - begin), 0.0), 1.0)
        (x0, y0), (x1, y1) = self.start, self.stop
        x, y = x0 + share * (x1 - x0), y0 + share * (y1 - y0)
        return (x, y) if self.grid == 0 else (self._snapped(x), self._snapped(y))

    def _snapped(self, center: float) -> float:
        return round((center - self.size / 2) / self.grid) * self.grid + self.size / 2

    def box_at(self, time: float) -> Box:
        """[x0, y0, x1, y1] as fractions of width and height."""
        x, y = self.center_at(time)
        half = self.size / 2
        return x - half, y - half, x + half, y + half


@dataclass(frozen=True)
class Scene:
    """A clip: what is in it and how it is shown. Frame i shows the world at i / fps seconds."""

    things: tuple[Thing, ...]
    duration: float
    fps: int
    side: int
    background: int
    quality: str
    noise_seed: int

    @property
    def times(self) -> NDArray[np.float64]:
        """Time of every frame in seconds, [T]."""
        return np.arange(round(self.duration * self.fps)) / self.fps

    def script(self) -> str:
        """What happens when, without places and looks: two scenes with one script ask the same questions."""
        plots = sorted((t.name, t.visible, t.moving, t.recolor) for t in self.things)
        return json.dumps([self.duration, plots])

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def digest(self) -> str:
        """Names the pixels: equal digests mean equal frames."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]


def is_held_out(scene: Scene) -> bool:
    """One script in five is held out whatever the seed, so no training scene repeats a held-out one."""
    return int(hashlib.sha256(scene.script().encode()).hexdigest(), 16) % 5 == 0


def draw_scene(rng: np.random.Generator, objects: int, settings: WorldSettings | None = None) -> Scene:
    """A scene of `objects` shapes, all of different color and of different shape.

    Raises ValueError for no object, or for more than half the colors: each may need a second one to change to.
    """
    settings = settings or WorldSettings()
    most = min(len(SHAPES), len(COLORS) // 2)
    if not 1 <= objects <= most:
        raise ValueError(f"a scene holds 1 to {most} objects, got {objects}")
    while True:
        duration = int(rng.integers(settings.shortest, settings.longest + 1))
        colors = [str(color) for color in rng.permutation(list(COLORS))]
        shapes = [str(shape) for shape in rng.permutation(SHAPES)[:objects]]
        spare = colors[objects:]
        things = tuple(
            _draw_thing(rng, color, shape, spare, duration, settings)
            for color, shape in zip(colors, shapes, strict=False)
        )
        scene = shown(rng, things, duration, settings)
        if not overlaps(things, duration, settings.fps):
            return scene


def draw_parade(rng: np.random.Generator, settings: WorldSettings | None = None) -> Scene:
    """A scene that shows another shape each second, now and then none: as many labeled pictures as seconds.

    Unlike in `draw_scene`, a name may come twice.
    """
    settings = settings or WorldSettings()
    duration = int(rng.integers(settings.shortest, settings.longest + 1))
    things = []
    for second in range(duration):
        if rng.random() < 0.9:
            size = float(rng.uniform(*settings.size))
            place = _draw_place(rng, size)
            color, shape = str(rng.choice(list(COLORS))), str(rng.choice(SHAPES))
            span = (float(second), float(second + 1))
            things.append(Thing(color, shape, "appears", size, (span,), place, place))
    return shown(rng, tuple(things), duration, settings)


def _draw_thing(
    rng: np.random.Generator,
    color: str,
    shape: str,
    spare: list[str],
    duration: int,
    settings: WorldSettings,
) -> Thing:
    names = list(settings.roles)
    role = str(rng.choice(names, p=[settings.roles[name] for name in names]))
    size = float(rng.uniform(*settings.size))
    start = _draw_place(rng, size)
    stop, moving, recolor = start, None, None
    visible: tuple[Span, ...]
    if role == "returns":
        visible = _two_spans(rng, duration)
    elif role == "stays":
        visible = ((0.0, float(duration)),)
    elif role == "appears":
        visible = (_span(rng, 0, duration, shortest=2, longest=4),)
    else:
        visible = (_span(rng, 0, duration, shortest=4, longest=duration),)
    first, last = int(visible[0][0]), int(visible[0][1])
    if role == "moves":
        moving = _span(rng, first, last, shortest=2, longest=3)
        while np.hypot(stop[0] - start[0], stop[1] - start[1]) < 0.3:
            stop = _draw_place(rng, size)
    if role == "recolors":
        # Colors still in the bag: a shape never takes the color of another one.
        recolor = (float(rng.integers(first + 1, last)), spare.pop())
    return Thing(color, shape, role, size, visible, start, stop, moving, recolor)


def shown(rng: np.random.Generator, things: tuple[Thing, ...], duration: int, settings: WorldSettings) -> Scene:
    """The scene of these shapes, on a ground and of a quality that are drawn."""
    return Scene(
        things=things,
        duration=float(duration),
        fps=settings.fps,
        side=settings.side,
        background=int(rng.integers(10, 50)),
        quality=QUALITIES[int(rng.random() < settings.noisy_share)],
        noise_seed=int(rng.integers(2**31)),
    )


def _draw_place(rng: np.random.Generator, size: float) -> Point:
    low, high = size / 2, 1 - size / 2
    return float(rng.uniform(low, high)), float(rng.uniform(low, high))


def _span(rng: np.random.Generator, low: int, high: int, *, shortest: int, longest: int) -> Span:
    length = int(rng.integers(shortest, min(longest, high - low) + 1))
    start = int(rng.integers(low, high - length + 1))
    return float(start), float(start + length)


def _two_spans(rng: np.random.Generator, duration: int) -> tuple[Span, Span]:
    cuts = np.sort(rng.choice(np.arange(duration + 1), size=4, replace=False)).astype(float)
    return (float(cuts[0]), float(cuts[1])), (float(cuts[2]), float(cuts[3]))


def overlaps(things: tuple[Thing, ...], duration: int, fps: int) -> bool:
    """Whether two shapes meet in a frame."""
    for frame in range(duration * fps):
        time = frame / fps
        boxes = [thing.box_at(time) for thing in things if thing.visible_at(time)]
        for i, (ax0, ay0, ax1, ay1) in enumerate(boxes):
            for bx0, by0, bx1, by1 in boxes[:i]:
                if min(ax1, bx1) > max(ax0, bx0) and min(ay1, by1) > max(ay0, by0):
                    return True
    return False


def render(scene: Scene) -> NDArray[np.uint8]:
    """The scene's frames, uint8 [T, side, side, 3] in RGB."""
    grid = (np.arange(scene.side) + 0.5) / scene.side
    frames = np.full((len(scene.times), scene.side, scene.side, 3), scene.background, dtype=np.int16)
    for frame, time in zip(frames, scene.times, strict=True):
        for thing in scene.things:
            if thing.visible_at(time):
                x, y = thing.center_at(time)
                mask = _mask(thing.shape, grid[None, :] - x, grid[:, None] - y, thing.size / 2)
                frame[mask] = (COLORS | UNSEEN)[thing.color_at(time)]
    if scene.quality == "noisy":
        noise = np.random.default_rng(scene.noise_seed).normal(0.0, 22.0, frames.shape)
        frames += noise.astype(np.int16)
    return frames.clip(0, 255).astype(np.uint8)


def _mask(shape: str, dx: NDArray[np.float64], dy: NDArray[np.float64], half: float) -> NDArray[np.bool_]:
    """Which pixels a shape covers, [side, side]; every shape touches all four sides of its box."""
    across, down = np.abs(dx), np.abs(dy)
    square = (across <= half) & (down <= half)
    match shape:
        case "circle":
            return np.asarray(dx**2 + dy**2 <= half**2)
        case "square":
            return square
        case "triangle":
            return square & (across <= (dy + half) / 2)
        case "cross":
            return square & ((across <= half / 4) | (down <= half / 4))
    raise ValueError(f"unknown shape {shape!r}")
