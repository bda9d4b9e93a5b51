"""What can be asked about a scene of the second edition: every kind of answer that Reeltune knows.

A kind is a function from (scene, generator) to a sample's fields without `id` and `video`, or None where the scene
holds nothing to ask about. Options and labels stand in shuffled order, wrong ones are near misses where there are any,
and whatever a question names is named without doubt.
"""

from collections.abc import Callable, Sequence

import numpy as np

from reeltune.toyworld.questions import (
    TRACKED_BOXES,
    Ask,
    Choice,
    Fields,
    grounding,
    of_role,
    one_of,
    while_colored,
)
from reeltune.toyworld.second.world import names_of
from reeltune.toyworld.world import COLORS, QUALITIES, SHAPES, Scene, Thing

OPTIONS = 4
ACTIONS = {
    "stays": "it stays still",
    "appears": "it stays still",
    "moves": "it moves",
    "recolors": "it changes color",
    "returns": "it vanishes and returns",
}
NUMBERS = ("none", "one", "two", "three", "four", "five")


def _steady(scene: Scene) -> list[Thing]:
    """Things of one color all the time."""
    return [thing for thing in scene.things if thing.recolor is None]


def _all_colors(scene: Scene) -> list[str]:
    return [name.split()[0] for thing in scene.things for name in sorted(names_of(thing))]


def _shuffled(items: Sequence[str], rng: np.random.Generator) -> list[str]:
    return [str(item) for item in rng.permutation(list(items))]


# Temporal grounding: every query has exactly one true span.


def when_colored(scene: Scene, rng: np.random.Generator) -> Fields | None:
    found = while_colored(scene, rng)
    return found and grounding(scene, f"the {found[1]} {found[0].shape} is visible", found[2])


# Choices: the question, the right text, the wrong ones with the nearest misses first, and the spans that prove it.


def which_shape(scene: Scene, rng: np.random.Generator) -> Choice | None:
    colors = _all_colors(scene)
    thing = one_of([thing for thing in _steady(scene) if colors.count(thing.color) == 1], rng)
    if thing is None:
        return None
    shown = [other.shape for other in scene.things if other.shape != thing.shape]
    return f"Which shape is {thing.color}?", thing.shape, _wrong(shown, SHAPES, thing.shape, rng), list(thing.visible)


def which_color(scene: Scene, rng: np.random.Generator) -> Choice | None:
    shapes = [thing.shape for thing in scene.things]
    thing = one_of([thing for thing in _steady(scene) if shapes.count(thing.shape) == 1], rng)
    if thing is None:
        return None
    shown = [color for color in _all_colors(scene) if color != thing.color]
    known = dict.fromkeys([*COLORS, thing.color])
    question = f"What color is the {thing.shape}?"
    return question, thing.color, _wrong(shown, tuple(known), thing.color, rng), list(thing.visible)


def who_at(scene: Scene, rng: np.random.Generator) -> Choice | None:
    time = float(rng.integers(int(scene.duration)))
    steady = _steady(scene)
    thing = one_of([thing for thing in steady if thing.visible_at(time)], rng)
    if thing is None:
        return None
    absent = [other.name for other in steady if not other.visible_at(time)]
    spans = [span for span in thing.visible if span[0] <= time < span[1]]
    wrong = _shuffled(absent, rng) + strangers(scene, rng, near=thing)
    return f"Which object is visible at {time:.1f} seconds?", thing.name, wrong, spans


def what_happens(scene: Scene, rng: np.random.Generator) -> Choice | None:
    thing = one_of(scene.things, rng)
    if thing is None:
        return None
    right = ACTIONS[thing.role]
    wrong = _shuffled(sorted(set(ACTIONS.values()) - {right}), rng)
    spans = [thing.moving] if thing.moving else list(thing.visible)
    return f"What happens to the {thing.name}?", right, wrong, spans


def how_many(scene: Scene, rng: np.random.Generator) -> Choice | None:
    right = NUMBERS[len(scene.things)]
    wrong = _shuffled([number for number in NUMBERS[1:] if number != right], rng)
    return "How many objects does the video show?", right, wrong, [(0.0, scene.duration)]


def _wrong(shown: Sequence[str], known: Sequence[str], right: str, rng: np.random.Generator) -> list[str]:
    """What else the scene shows, then what it does not, each in random order."""
    near = dict.fromkeys(_shuffled(shown, rng))
    return [*near, *_shuffled([each for each in known if each != right and each not in near], rng)]


def strangers(scene: Scene, rng: np.random.Generator, near: Thing | None = None) -> list[str]:
    """Names that the scene never shows: first those with one word of `near`, then the others."""
    shown = set().union(*(names_of(thing) for thing in scene.things))
    names = _shuffled([f"{color} {shape}" for color in COLORS for shape in SHAPES], rng)
    names = [name for name in names if name not in shown]
    words = {near.color, near.shape} if near else set()
    return sorted(names, key=lambda name: not words & set(name.split()))


def with_options(choice: Choice, rng: np.random.Generator) -> Fields:
    question, right, wrong, _ = choice
    options = _shuffled([right, *wrong[: OPTIONS - 1]], rng)
    return {"question": question, "options": options, "target": "ABCDEFGH"[options.index(right)]}


Build = Callable[[Scene, np.random.Generator], Choice | None]


def multiple_choice(build: Build) -> Ask:
    def question(scene: Scene, rng: np.random.Generator) -> Fields | None:
        choice = build(scene, rng)
        return choice and with_options(choice, rng)

    return question


def grounded(build: Build) -> Ask:
    def question(scene: Scene, rng: np.random.Generator) -> Fields | None:
        choice = build(scene, rng)
        if choice is None:
            return None
        evidence = [list(span) for span in choice[3]]
        return {**with_options(choice, rng), "duration": scene.duration, "evidence": evidence}

    return question


def in_words(build: Build) -> Ask:
    """A question with options, asked without them: the answer is free text."""

    def question(scene: Scene, rng: np.random.Generator) -> Fields | None:
        choice = build(scene, rng)
        return choice and {"question": choice[0], "target": choice[1]}

    return question


# Numbers, labels and boxes.


def count_all(scene: Scene, rng: np.random.Generator) -> Fields | None:
    return {"question": "How many objects does the video show?", "target": float(len(scene.things)), "tolerance": 0.0}


def count_at(scene: Scene, rng: np.random.Generator) -> Fields | None:
    time = float(rng.integers(int(scene.duration)))
    seen = sum(thing.visible_at(time) for thing in scene.things)
    return {
        "question": f"How many objects are visible at {time:.1f} seconds?",
        "target": float(seen),
        "tolerance": 0.0,
    }


def seconds_seen(scene: Scene, rng: np.random.Generator) -> Fields | None:
    """A number without a tolerance: near misses count in part."""
    thing = one_of(of_role(scene, "appears", "moves"), rng)
    if thing is None:
        return None
    start, end = thing.visible[0]
    return {"question": f"For how many seconds is the {thing.name} visible?", "target": end - start}


def judge_quality(scene: Scene, rng: np.random.Generator) -> Fields | None:
    question = "How good is the picture of this video?"
    return {"question": question, "labels": _shuffled(QUALITIES, rng), "target": scene.quality}


def judge_motion(scene: Scene, rng: np.random.Generator) -> Fields | None:
    target = "moving" if of_role(scene, "moves") else "still"
    return {"question": "Does anything move?", "labels": _shuffled(("moving", "still"), rng), "target": target}


def boxes_of(thing: Thing, times: Sequence[float]) -> list[list[float]]:
    return [[round(edge, 4) for edge in thing.box_at(time)] for time in times]


def track(scene: Scene, rng: np.random.Generator) -> Fields | None:
    """A box at every whole second, at most eight, of the longest stretch in which a shape of one color is visible.

    One that moves is asked for where there is one.
    """
    thing = one_of(of_role(scene, "moves") or _steady(scene), rng)
    if thing is None:
        return None
    start, end = max(thing.visible, key=lambda span: span[1] - span[0])
    seen = np.arange(start, end)
    picks = np.linspace(0, len(seen) - 1, min(TRACKED_BOXES, len(seen))).round().astype(int)
    times = [float(seen[pick]) for pick in picks]
    boxes = boxes_of(thing, times)
    return {"object": f"the {thing.name}", "start_box": boxes[0], "times": times, "target": boxes}
