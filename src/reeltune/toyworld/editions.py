"""The two editions of toyworld: what data, lessons and new models are by the number in a recipe."""

from pathlib import Path
from typing import Protocol

from reeltune.errors import InputError
from reeltune.toyworld import lessons as first_lessons
from reeltune.toyworld.generate import SPLITS, Split
from reeltune.toyworld.generate import generate as generate_first
from reeltune.toyworld.second import lessons as second_lessons


class Edition(Protocol):
    def generate(self, directory: Path, split: str, task: str, *, videos: int, seed: int) -> Path:
        """The samples file of a split's questions of a task, or of one kind of it."""

    def write_lesson(self, directory: Path, name: str, *, seed: int) -> Path:
        """The samples file of a lesson."""

    def new_model(self, directory: Path, *, seed: int) -> None:
        """The directory of a small model before its first lesson."""


class First:
    def generate(self, directory: Path, split: str, task: str, *, videos: int, seed: int) -> Path:
        if split not in ("train", "held_out"):
            raise InputError(f"toyworld:{split} needs the second edition: set toyworld.edition=2")
        return generate_first(directory, videos=videos, split=_split(split), seed=seed, tasks=[task])

    def write_lesson(self, directory: Path, name: str, *, seed: int) -> Path:
        return first_lessons.write_lesson(directory, name, seed=seed)

    def new_model(self, directory: Path, *, seed: int) -> None:
        first_lessons.new_model(directory, seed=seed)


class Second:
    def generate(self, directory: Path, split: str, task: str, *, videos: int, seed: int) -> Path:
        return second_lessons.generate(directory, videos=videos, split=_split(split), seed=seed, tasks=(task,))

    def write_lesson(self, directory: Path, name: str, *, seed: int) -> Path:
        return first_lessons.write_lesson(directory, name, seed=seed, lessons=second_lessons.LESSONS)

    def new_model(self, directory: Path, *, seed: int) -> None:
        second_lessons.new_model(directory, seed=seed)


def _split(name: str) -> Split:
    return SPLITS[[str(split) for split in SPLITS].index(name)]


EDITIONS: dict[int, Edition] = {1: First(), 2: Second()}
