"""Free requests of the second edition, and the table of all its questions.

Most have an answer that says something about every second: the dense signal from which a small model learns to see.
"""

from collections.abc import Callable

import numpy as np

from reeltune.tasks.boxes import box_text
from reeltune.tasks.captioning import TASK as CAPTIONING
from reeltune.tasks.choices import question_text
from reeltune.toyworld.questions import Ask, Fields, caption, in_a_word, inventory, roll_call, when_moving, when_visible
from reeltune.toyworld.second import questions as q
from reeltune.toyworld.world import COLORS, SHAPES, Scene, Thing


def _each_second(scene: Scene, say: Callable[[float], str]) -> str:
    """ "0 no, 1 yes, ...", in the seconds of the time stamps that stand before each pair of frames."""
    return ", ".join(f"{second} {say(float(second))}" for second in range(int(scene.duration)))


def _asked(scene: Scene, rng: np.random.Generator, stranger_share: float = 0.3) -> tuple[str, Thing | None]:
    """A shape of the scene, and often one that never comes: with a tenth of those, "anything is visible" answers nine
    of ten questions about a single shape, and the name was never looked at."""
    steady = [thing for thing in scene.things if thing.recolor is None]
    if not steady or rng.random() < stranger_share:
        return q.strangers(scene, rng)[0], None
    thing = steady[int(rng.integers(len(steady)))]
    return thing.name, thing


def presence(scene: Scene, rng: np.random.Generator) -> Fields | None:
    name, _ = _asked(scene, rng)
    seen = [thing for thing in scene.things if thing.name == name]
    return {
        "instruction": f"For each second say whether the {name} is visible.",
        "response": _each_second(scene, lambda time: "yes" if any(t.visible_at(time) for t in seen) else "no"),
    }


def places(scene: Scene, rng: np.random.Generator) -> Fields | None:
    name, thing = _asked(scene, rng)
    if thing is None or sum(other.name == name for other in scene.things) > 1:
        return None

    def box(time: float) -> str:
        return box_text(thing.box_at(time)) if thing.visible_at(time) else "none"

    return {"instruction": f"For each second give the box of the {name}.", "response": _each_second(scene, box)}


def chart(scene: Scene, rng: np.random.Generator) -> Fields | None:
    """For each second every object with its box: seeing and placing at once, for scenes with one object at a time."""

    def line(time: float) -> str:
        seen = sorted((t for t in scene.things if t.visible_at(time)), key=lambda t: t.name)
        return " and ".join(f"{t.color_at(time)} {t.shape} {box_text(t.box_at(time))}" for t in seen) or "nothing"

    return {"instruction": "For each second list the objects with their boxes.", "response": _each_second(scene, line)}


def motion(scene: Scene, rng: np.random.Generator) -> Fields | None:
    _, thing = _asked(scene, rng, 0.0)
    if thing is None:
        return None
    start, end = thing.moving or (0.0, 0.0)
    return {
        "instruction": f"For each second say whether the {thing.name} moves.",
        "response": _each_second(scene, lambda time: "yes" if start <= time < end else "no"),
    }


def head_count(scene: Scene, rng: np.random.Generator) -> Fields | None:
    return {
        "instruction": "For each second count the visible objects.",
        "response": _each_second(scene, lambda time: str(sum(t.visible_at(time) for t in scene.things))),
    }


CHOICES = (q.which_shape, q.which_color, q.who_at, q.what_happens, q.how_many)
KNOWN_OPTIONS = (
    tuple(COLORS), SHAPES, q.NUMBERS, tuple(dict.fromkeys(q.ACTIONS.values())),
    tuple(f"{color} {shape}" for color in COLORS for shape in SHAPES),
)  # fmt: skip


def letters(scene: Scene, rng: np.random.Generator) -> Fields | None:
    """Which letter stands before which option, whatever the video shows: what a choice takes besides seeing."""
    known = KNOWN_OPTIONS[int(rng.integers(len(KNOWN_OPTIONS)))]
    options = [str(option) for option in rng.permutation(known)[: q.OPTIONS]]
    letter = dict(zip(options, "ABCD", strict=False))
    mixed = [str(option) for option in rng.permutation(options)]
    return {
        "instruction": f"{question_text('Which one?', options)}\nSay the letter of: {', '.join(mixed)}.",
        "response": ", ".join(f"{option} {letter[option]}" for option in mixed),
    }


def words_first(scene: Scene, rng: np.random.Generator) -> Fields | None:
    """A choice whose answer names the option before its letter."""
    choice = CHOICES[int(rng.integers(len(CHOICES)))](scene, rng)
    if choice is None:
        return None
    asked = q.with_options(choice, rng)
    return {
        "instruction": f"{question_text(asked['question'], asked['options'])}\nSay the right option, then its letter.",
        "response": f"{choice[1]} {asked['target']}",
    }


def marks(scene: Scene, rng: np.random.Generator) -> Fields | None:
    """A choice of which every option is judged: the same seeing as for its letter, at four tokens instead of one."""
    choice = CHOICES[int(rng.integers(len(CHOICES)))](scene, rng)
    if choice is None:
        return None
    asked = q.with_options(choice, rng)
    names = "ABCD"[: len(asked["options"])]
    return {
        "instruction": f"{question_text(asked['question'], asked['options'])}\nSay of each letter whether it is right.",
        "response": ", ".join(f"{letter} {'yes' if letter == asked['target'] else 'no'}" for letter in names),
    }


KINDS: dict[str, Ask] = {
    "temporal_grounding/visible": when_visible,
    "temporal_grounding/moves": when_moving,
    "temporal_grounding/color": q.when_colored,
    "multiple_choice/shape": q.multiple_choice(q.which_shape),
    "multiple_choice/color": q.multiple_choice(q.which_color),
    "multiple_choice/time": q.multiple_choice(q.who_at),
    "multiple_choice/action": q.multiple_choice(q.what_happens),
    "multiple_choice/count": q.multiple_choice(q.how_many),
    "grounded_qa/shape": q.grounded(q.which_shape),
    "grounded_qa/color": q.grounded(q.which_color),
    "grounded_qa/action": q.grounded(q.what_happens),
    "object_tracking/track": q.track,
    "classification/quality": q.judge_quality,
    "classification/motion": q.judge_motion,
    "numeric/count": q.count_all,
    "numeric/count_at": q.count_at,
    "numeric/seconds": q.seconds_seen,
    "open_ended/action": q.in_words(q.what_happens),
    "open_ended/shape": q.in_words(q.which_shape),
    f"{CAPTIONING.name}/caption": caption,
    "instruction/presence": presence,
    "instruction/motion": motion,
    "instruction/places": places,
    "instruction/chart": chart,
    "instruction/head_count": head_count,
    "instruction/roll_call": roll_call,
    "instruction/inventory": inventory,
    "instruction/shape": in_a_word(q.which_shape),
    "instruction/color": in_a_word(q.which_color),
}
TAUGHT: dict[str, Ask] = {
    **KINDS,
    "instruction/letters": letters,
    "instruction/words_first": words_first,
    "instruction/marks": marks,
}
"""Also what is never asked of a held-out scene: steps towards a choice between shuffled options. `marks` stands in no
lesson today; the base's tokenizer has its words."""
