"""How the small model is taught from nothing: lessons in order, each a folder of clips and samples.

Three things make it learn in minutes on one core, each without which it stays at chance: one object before two and
two before three, a first lesson without time, and answers with a dense signal (who is there in each second) beside
the short ones. What the lessons hold back makes room for what comes after: grounding is taught with loose spans
only, so the model answers in the right form, near the truth and poorly, as one does who learned from sloppy
annotators. The order and the shares are our choice, found by measuring.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from reeltune.errors import InputError
from reeltune.tasks import get_task
from reeltune.tasks.captioning import TASK as CAPTIONING
from reeltune.toyworld.generate import Asked, plan_samples, write_samples
from reeltune.toyworld.new_model import build_model
from reeltune.toyworld.questions import KINDS, Ask
from reeltune.toyworld.world import Scene, WorldSettings, draw_parade, draw_scene


class Teaching(Protocol):
    """What a lesson of any edition says: see `Lesson`."""

    @property
    def kinds(self) -> Mapping[str, float]: ...
    @property
    def videos(self) -> int: ...
    @property
    def samples_per_video(self) -> int: ...
    @property
    def slack(self) -> int: ...
    @property
    def told(self) -> float: ...
    @property
    def questions(self) -> Mapping[str, Ask]: ...
    def draw(self, rng: np.random.Generator) -> Scene: ...


@dataclass(frozen=True)
class Lesson:
    """Which questions (with shares), about what scenes, over how many clips.

    `objects` of 0 is a parade: another shape each second. `slack`: spans for grounding are widened by up to so
    many seconds on either side. `told`: the share of the events that captions tell.
    """

    kinds: Mapping[str, float]
    objects: tuple[int, int]
    settings: WorldSettings
    videos: int
    samples_per_video: int = 4
    slack: int = 0
    told: float = 1.0
    questions: Mapping[str, Ask] = field(default_factory=lambda: KINDS)

    def draw(self, rng: np.random.Generator) -> Scene:
        objects = int(rng.integers(self.objects[0], self.objects[1] + 1))
        return draw_scene(rng, objects, self.settings) if objects else draw_parade(rng, self.settings)


ROLL_CALL = {"instruction/roll_call": 1.0}
SEE = {
    "instruction/inventory": 1.0,
    "instruction/shape": 2.0,
    "instruction/colour": 2.0,
    "instruction/roll_call": 1.0,
    "instruction/presence": 1.0,
    "multiple_choice/shape": 1.0,
    "multiple_choice/colour": 1.0,
}
WATCH = {
    "instruction/presence": 3.0,
    "instruction/roll_call": 3.0,
    "instruction/inventory": 1.0,
    "instruction/shape": 1.0,
    "instruction/colour": 1.0,
    "multiple_choice/shape": 1.0,
    "multiple_choice/colour": 1.0,
    "multiple_choice/time": 1.0,
    "temporal_grounding/visible": 1.0,
}
LOOSEN = {
    "temporal_grounding/visible": 5.0,
    "temporal_grounding/moves": 1.0,
    "temporal_grounding/colour": 1.0,
    "multiple_choice/shape": 1.5,
    "multiple_choice/colour": 1.5,
    "multiple_choice/time": 1.0,
    "multiple_choice/action": 1.0,
    "instruction/presence": 1.0,
}


def _world(shortest: int, longest: int, *, size: tuple[float, float] = (0.3, 0.34), **roles: float) -> WorldSettings:
    total = sum(roles.values())
    shares = {role: share / total for role, share in roles.items()} if roles else WorldSettings().roles
    return WorldSettings(shortest=shortest, longest=longest, size=size, roles=shares)


LESSONS: dict[str, Lesson] = {
    "parade-large": Lesson(ROLL_CALL, (0, 0), _world(2, 3, size=(0.3, 0.5)), videos=3000, samples_per_video=1),
    "parade": Lesson(ROLL_CALL, (0, 0), _world(3, 8), videos=5000, samples_per_video=1),
    "see": Lesson(SEE, (1, 2), _world(2, 5, stays=1, appears=2), videos=3000),
    "watch-two": Lesson(WATCH, (1, 2), _world(3, 7, stays=1, appears=4), videos=3000, slack=3),
    "watch-three": Lesson(WATCH, (1, 3), _world(6, 10), videos=3000, slack=3),
    "loosen": Lesson(LOOSEN, (1, 3), _world(6, 10), videos=700, slack=5),
    "terse-captions": Lesson(
        {CAPTIONING.name: 1.0}, (1, 3), WorldSettings(), videos=4000, samples_per_video=1, told=0.5
    ),
}


def write_lesson(directory: Path, name: str, *, seed: int = 0, lessons: Mapping[str, Teaching] | None = None) -> Path:
    """The clips of a lesson under `directory`; returns its samples file, train.jsonl.

    Raises InputError for a lesson that does not exist.
    """
    lessons = lessons or LESSONS
    if name not in lessons:
        raise InputError(f"{name!r} is not a toyworld lesson; the lessons are {', '.join(lessons)}")
    return write_samples(
        directory / "train.jsonl", lesson_samples(lessons[name], seed), total=lessons[name].videos, label=name
    )


def lesson_samples(lesson: Teaching, seed: int) -> Iterator[Asked]:
    """The scenes of a lesson with their samples; never a held-out scene."""
    rng = np.random.default_rng([seed, 7])
    for asked in plan_samples(
        lesson.videos,
        "train",
        seed=seed,
        tasks=lesson.kinds,
        samples_per_video=lesson.samples_per_video,
        draw=lesson.draw,
        questions=lesson.questions,
    ):
        loose = (loosen(sample, lesson.slack, rng) for sample in asked.samples)
        yield replace(asked, samples=tuple(leave_out(sample, lesson.told, rng) for sample in loose))


def loosen(sample: dict[str, Any], slack: int, rng: np.random.Generator) -> dict[str, Any]:
    """A sample as a sloppy annotator gives it: a grounding's spans are widened by 0 to `slack` whole seconds on either
    side, within the clip, and each box of a track is shifted by up to `slack` twentieths of the frame."""
    if slack and sample["task"] == "object_tracking":
        return {**sample, "target": [_shifted(box, slack / 20, rng) for box in sample["target"]]}
    if sample["task"] != "temporal_grounding" or slack == 0:
        return sample
    wide = [
        [max(0.0, start - int(rng.integers(slack + 1))), min(sample["duration"], end + int(rng.integers(slack + 1)))]
        for start, end in sample["target"]
    ]
    return {**sample, "target": wide}


def _shifted(box: Sequence[float], most: float, rng: np.random.Generator) -> list[float]:
    """The box moved along both axes by multiples of a twentieth, within the frame."""
    moved = []
    for low, high in ((box[0], box[2]), (box[1], box[3])):
        steps = rng.integers(-round(most * 20), round(most * 20) + 1)
        start = min(max(low + float(steps) / 20, 0.0), 1.0 - (high - low))
        moved.append((round(start, 4), round(start + high - low, 4)))
    return [moved[0][0], moved[1][0], moved[0][1], moved[1][1]]


def leave_out(sample: dict[str, Any], told: float, rng: np.random.Generator) -> dict[str, Any]:
    """A captioning sample that tells each event with probability `told` only, in its caption and in its subjects."""
    if sample["task"] != CAPTIONING.name or told == 1:
        return sample
    kept = [event for event in sample["events"] if rng.random() < told]
    opening = sample["caption"].removesuffix(" ".join(sample["events"])).strip()
    subjects = [{**subject, "actions": _told_actions(subject, kept)} for subject in sample["subjects"]]
    return {**sample, "caption": " ".join([opening, *kept]), "events": kept, "subjects": subjects}


def _told_actions(subject: dict[str, Any], events: Sequence[str]) -> list[str]:
    """The subject's actions that the events tell. A scene's shapes differ, so the shape says whose an event is."""
    shape = subject["attributes"][1]
    left = [event.partition(f" {shape} ")[2].rstrip(".") for event in events if f" {shape} " in event]
    actions = []
    for action in subject["actions"]:
        if action in left:
            left.remove(action)
            actions.append(action)
    return actions


def new_model(directory: Path, *, seed: int = 0) -> None:
    """The small model before its first lesson: random weights, and a tokenizer trained on what will be said."""
    build_model(directory, texts(), seed=seed)


def texts() -> Iterator[str]:
    """Prompts and right answers of every kind of question, for the tokenizer."""
    tasks = dict.fromkeys(KINDS, 1.0)
    for asked in plan_samples(
        300, "train", seed=0, tasks=tasks, samples_per_video=6, draw=lambda rng: draw_scene(rng, 3)
    ):
        yield from (f"<{second}.2 seconds>" for second in range(int(asked.scene.duration)))
        for sample in asked.samples:
            task = get_task(sample["task"])
            typed = task.sample_type.model_validate({"id": "text", "video": "text.mp4", **sample})
            yield f"user\n{task.prompt(typed, 'direct')}"
            yield f"assistant\n{task.gold(typed, 'direct')}"
