"""What can be asked about a scene, as samples of the data contract without `id` and `video`.

A question kind is one function from (scene, generator) to the sample's fields, or None when the scene holds
nothing to ask about. `KINDS` names them all as "task/kind"; `ask` draws one and notes the kind under `meta`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from reeltune.tasks.captioning import TASK as CAPTIONING
from reeltune.toyworld.captions import caption_of, events_of, subjects_of
from reeltune.toyworld.world import COLORS, QUALITIES, SHAPES, Scene, Span, Thing

Fields = dict[str, Any]
Ask = Callable[[Scene, np.random.Generator], Fields | None]

OPTIONS = 4
STEADY = ("stays", "appears", "moves", "returns")  # of one color all the time
TRACKED_BOXES = 8  # VideoChat-R1 tracks eight boxes per clip


def ask(name: str, scene: Scene, rng: np.random.Generator, questions: Mapping[str, Ask] | None = None) -> Fields | None:
    """One sample of the kind `name` ("task/kind"), or None when the scene does not allow it."""
    fields = (questions or KINDS)[name](scene, rng)
    if fields is None:
        return None
    task, kind = name.split("/")
    return {"task": task, **fields, "meta": {"kind": kind, "objects": len(scene.things)}}


def one_of(items: Sequence[Thing], rng: np.random.Generator) -> Thing | None:
    return items[int(rng.integers(len(items)))] if items else None


def of_role(scene: Scene, *roles: str) -> list[Thing]:
    return [thing for thing in scene.things if thing.role in roles]


# Temporal grounding: every query has exactly one true span.


def grounding(scene: Scene, query: str, span: Span) -> Fields:
    return {"query": query, "duration": scene.duration, "target": [list(span)]}


def when_visible(scene: Scene, rng: np.random.Generator) -> Fields | None:
    thing = one_of(of_role(scene, "appears", "moves"), rng)
    if thing is None:
        return None
    return grounding(scene, f"the {thing.name} is visible", thing.visible[0])


def when_moving(scene: Scene, rng: np.random.Generator) -> Fields | None:
    thing = one_of(of_role(scene, "moves"), rng)
    if thing is None or thing.moving is None:
        return None
    return grounding(scene, f"the {thing.name} moves", thing.moving)


def while_colored(scene: Scene, rng: np.random.Generator) -> tuple[Thing, str, Span] | None:
    """A shape that changes color, one of its two colors, and the span in which it has it; None: no shape changes."""
    thing = one_of(of_role(scene, "recolors"), rng)
    if thing is None or thing.recolor is None:
        return None
    change, new = thing.recolor
    (start, end), *_ = thing.visible
    color, span = [(thing.color, (start, change)), (new, (change, end))][int(rng.integers(2))]
    return thing, color, span


def when_colored(scene: Scene, rng: np.random.Generator) -> Fields | None:
    found = while_colored(scene, rng)
    return found and grounding(scene, f"the {found[0].shape} is {found[1]}", found[2])


# Questions with options: the question, the right text, all texts in order, and the spans that prove it. Shapes,
# colors and actions keep one order, so that a model of four layers can learn their letters.

Choice = tuple[str, str, list[str], list[Span]]


def _which_shape(scene: Scene, rng: np.random.Generator) -> Choice | None:
    thing = one_of(of_role(scene, *STEADY), rng)
    if thing is None:
        return None
    return f"Which shape is {thing.color}?", thing.shape, list(SHAPES), list(thing.visible)


def _which_color(scene: Scene, rng: np.random.Generator) -> Choice | None:
    thing = one_of(of_role(scene, *STEADY), rng)
    if thing is None:
        return None
    return f"What colour is the {thing.shape}?", thing.color, list(COLORS), list(thing.visible)


def _who_at(scene: Scene, rng: np.random.Generator) -> Choice | None:
    time = float(rng.integers(int(scene.duration)))
    seen = [thing for thing in of_role(scene, *STEADY) if thing.visible_at(time)]
    thing = one_of(seen, rng)
    if thing is None:
        return None
    absent = [other.name for other in scene.things if not other.visible_at(time) and other.role != "recolors"]
    wrong = absent + [name for name in _strangers(scene, rng) if name not in absent]
    # The shapes of the scene come first: a stranger alone would be too easy to rule out.
    spans = [span for span in thing.visible if span[0] <= time < span[1]]
    options = [str(name) for name in rng.permutation([thing.name, *wrong[: OPTIONS - 1]])]
    return f"Which object is visible at {time:.1f} seconds?", thing.name, options, spans


def _what_happens(scene: Scene, rng: np.random.Generator) -> Choice | None:
    actions = {
        "stays": "it stays still",
        "appears": "it stays still",
        "moves": "it moves",
        "recolors": "it changes colour",
        "returns": "it vanishes and returns",
    }
    thing = one_of(scene.things, rng)
    if thing is None:
        return None
    spans = [thing.moving] if thing.moving else list(thing.visible)
    return f"What happens to the {thing.name}?", actions[thing.role], sorted(set(actions.values())), spans


def _strangers(scene: Scene, rng: np.random.Generator) -> list[str]:
    """Names of shapes that the scene never shows, in random order."""
    shown = {f"{color} {thing.shape}" for thing in scene.things for color in (thing.color, *(thing.recolor or ())[1:])}
    names = [f"{color} {shape}" for color in COLORS for shape in SHAPES]
    return [str(name) for name in rng.permutation([name for name in names if name not in shown])]


def _options(choice: Choice) -> Fields:
    question, right, options, _ = choice
    return {"question": question, "options": options, "target": "ABCDEFGH"[options.index(right)]}


def _multiple_choice(build: Callable[[Scene, np.random.Generator], Choice | None]) -> Ask:
    def question(scene: Scene, rng: np.random.Generator) -> Fields | None:
        choice = build(scene, rng)
        return choice and _options(choice)

    return question


def _grounded(build: Callable[[Scene, np.random.Generator], Choice | None]) -> Ask:
    def question(scene: Scene, rng: np.random.Generator) -> Fields | None:
        choice = build(scene, rng)
        if choice is None:
            return None
        return {**_options(choice), "duration": scene.duration, "evidence": [list(span) for span in choice[3]]}

    return question


# Tracking, classification, captions.


def track(scene: Scene, rng: np.random.Generator) -> Fields | None:
    """Boxes at up to eight frames of the longest stretch in which a shape of one color is visible."""
    thing = one_of(of_role(scene, *STEADY), rng)
    if thing is None:
        return None
    start, end = max(thing.visible, key=lambda span: span[1] - span[0])
    seen = [float(time) for time in scene.times if start <= time < end]
    times = [seen[int(pick)] for pick in np.linspace(0, len(seen) - 1, min(TRACKED_BOXES, len(seen))).round()]
    boxes = [[round(edge, 4) for edge in thing.box_at(time)] for time in times]
    return {"object": f"the {thing.name}", "start_box": boxes[0], "times": times, "target": boxes}


def judge_quality(scene: Scene, rng: np.random.Generator) -> Fields | None:
    return {"question": "How good is the picture of this video?", "labels": list(QUALITIES), "target": scene.quality}


def caption(scene: Scene, rng: np.random.Generator) -> Fields | None:
    return {
        "instruction": "Describe what happens in the video.",
        "caption": caption_of(scene),
        "events": events_of(scene),
        "subjects": subjects_of(scene),
    }


# Instructions: free text with a dense signal, from which the small model learns to see.


def _per_second(scene: Scene, holds: Callable[[float], bool]) -> str:
    """ "0 no 1 yes 2 yes ...", in the seconds of the time stamps that stand before each pair of frames."""
    return " ".join(f"{second} {'yes' if holds(second) else 'no'}" for second in range(int(scene.duration)))


def presence(scene: Scene, rng: np.random.Generator) -> Fields | None:
    """Asked of a shape of the scene, and now and then of one that never comes."""
    thing = None if rng.random() < 0.1 else one_of(of_role(scene, *STEADY), rng)
    name = thing.name if thing else _strangers(scene, rng)[0]
    return {
        "instruction": f"For each second say whether the {name} is visible.",
        "response": _per_second(scene, thing.visible_at if thing else lambda second: False),
    }


def motion(scene: Scene, rng: np.random.Generator) -> Fields | None:
    thing = one_of(of_role(scene, "moves", "appears", "stays"), rng)
    if thing is None:
        return None
    start, end = thing.moving or (0.0, 0.0)
    return {
        "instruction": f"For each second say whether the {thing.name} moves.",
        "response": _per_second(scene, lambda second: start <= second < end),
    }


def color_log(scene: Scene, rng: np.random.Generator) -> Fields | None:
    thing = one_of(scene.things, rng)
    if thing is None:
        return None
    seen = [
        f"{second} {thing.color_at(second) if thing.visible_at(second) else 'none'}"
        for second in range(int(scene.duration))
    ]
    return {
        "instruction": f"For each second give the colour of the {thing.shape}.",
        "response": " ".join(seen),
    }


def roll_call(scene: Scene, rng: np.random.Generator) -> Fields | None:
    """Who is seen in each second, by name."""
    lines = []
    for second in range(int(scene.duration)):
        names = sorted(f"{t.color_at(second)} {t.shape}" for t in scene.things if t.visible_at(second))
        lines.append(f"{second} {', '.join(names) or 'nothing'}")
    return {"instruction": "For each second list the visible objects.", "response": "; ".join(lines)}


def seconds_of(scene: Scene, rng: np.random.Generator) -> Fields | None:
    """For shapes that are seen in one second only, and whose name comes once: which second?"""
    names = [thing.name for thing in scene.things]
    brief = [t for t in scene.things if t.visible[0][1] - t.visible[0][0] == 1 and names.count(t.name) == 1]
    if not brief:
        return None
    order = [brief[int(index)] for index in rng.permutation(len(brief))]
    return {
        "instruction": f"In which second is each of these: {', '.join(thing.name for thing in order)}?",
        "response": ", ".join(f"{thing.name} {thing.visible[0][0]:.0f}" for thing in order),
    }


def span_log(scene: Scene, rng: np.random.Generator) -> Fields | None:
    """Every object with its spans, in random order."""
    order = [scene.things[int(index)] for index in rng.permutation(len(scene.things))]
    lines = [
        f"{thing.name} {' and '.join(f'{start:.1f} to {end:.1f}' for start, end in thing.visible)}" for thing in order
    ]
    return {
        "instruction": f"List the times of these: {', '.join(thing.name for thing in order)}.",
        "response": ", ".join(lines),
    }


def inventory(scene: Scene, rng: np.random.Generator) -> Fields | None:
    names = sorted(thing.name for thing in scene.things)
    return {"instruction": "Name all objects in the video.", "response": ", ".join(names)}


def in_a_word(build: Callable[[Scene, np.random.Generator], Choice | None]) -> Ask:
    """A question with options, asked without them."""

    def question(scene: Scene, rng: np.random.Generator) -> Fields | None:
        choice = build(scene, rng)
        return choice and {"instruction": f"{choice[0]} Answer in a word.", "response": choice[1]}

    return question


KINDS: dict[str, Ask] = {
    "temporal_grounding/visible": when_visible,
    "temporal_grounding/moves": when_moving,
    "temporal_grounding/colour": when_colored,
    "multiple_choice/shape": _multiple_choice(_which_shape),
    "multiple_choice/colour": _multiple_choice(_which_color),
    "multiple_choice/time": _multiple_choice(_who_at),
    "multiple_choice/action": _multiple_choice(_what_happens),
    "grounded_qa/shape": _grounded(_which_shape),
    "grounded_qa/colour": _grounded(_which_color),
    "grounded_qa/action": _grounded(_what_happens),
    "object_tracking/track": track,
    "classification/quality": judge_quality,
    f"{CAPTIONING.name}/caption": caption,
    "instruction/presence": presence,
    "instruction/motion": motion,
    "instruction/colour_log": color_log,
    "instruction/roll_call": roll_call,
    "instruction/inventory": inventory,
    "instruction/seconds": seconds_of,
    "instruction/spans": span_log,
    "instruction/shape": in_a_word(_which_shape),
    "instruction/colour": in_a_word(_which_color),
}
