"""Answers are checked against the pixels' own truth: what `Thing` says frame by frame, never the question's code."""

import re
from typing import Any

import numpy as np
import pytest

from reeltune.toyworld.questions import KINDS, ask
from reeltune.toyworld.world import Scene, draw_parade, draw_scene


def asked(kind: str, count: int = 60, seed: int = 0) -> list[tuple[Scene, dict[str, Any]]]:
    rng = np.random.default_rng(seed)
    found: list[tuple[Scene, dict[str, Any]]] = []
    while len(found) < count:
        scene = draw_parade(rng) if kind == "instruction/seconds" else draw_scene(rng, int(rng.integers(1, 4)))
        sample = ask(kind, scene, rng)
        if sample is not None:
            found.append((scene, sample))
    return found


def names_at(scene: Scene, time: float) -> set[str]:
    return {f"{t.color_at(time)} {t.shape}" for t in scene.things if t.visible_at(time)}


def spans_of(scene: Scene, name: str) -> list[list[float]]:
    return spans_where(scene, lambda second: name in names_at(scene, second))


def spans_where(scene: Scene, holds: Any) -> list[list[float]]:
    """Maximal runs of whole seconds in which `holds(second)` is true."""
    spans: list[list[float]] = []
    for second in range(int(scene.duration)):
        if holds(second):
            if spans and spans[-1][1] == second:
                spans[-1][1] = second + 1.0
            else:
                spans.append([float(second), second + 1.0])
    return spans


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_notes_its_task_and_kind(kind: str) -> None:
    for scene, sample in asked(kind, 5):
        assert f"{sample['task']}/{sample['meta']['kind']}" == kind
        assert sample["meta"]["objects"] == len(scene.things)


def test_visible_spans_are_those_of_the_named_shape() -> None:
    for scene, sample in asked("temporal_grounding/visible"):
        name = re.fullmatch(r"the (.+) is visible", sample["query"])
        assert name is not None
        assert sample["target"] == spans_of(scene, name[1])
        assert sample["duration"] == scene.duration


def test_color_spans_are_those_of_the_named_color() -> None:
    for scene, sample in asked("temporal_grounding/colour"):
        found = re.fullmatch(r"the (\w+) is (\w+)", sample["query"])
        assert found is not None
        name = f"{found[2]} {found[1]}"
        assert sample["target"] == spans_of(scene, name)


def test_motion_spans_hold_all_change_of_place() -> None:
    for scene, sample in asked("temporal_grounding/moves"):
        found = re.fullmatch(r"the (.+) moves", sample["query"])
        assert found is not None
        (thing,) = [t for t in scene.things if t.name == found[1]]
        moves = spans_where(scene, lambda s, t=thing: t.center_at(s) != t.center_at(s + 1))
        assert sample["target"] == moves


@pytest.mark.parametrize("kind", ["multiple_choice/shape", "multiple_choice/colour", "grounded_qa/shape"])
def test_the_right_option_is_the_only_true_one(kind: str) -> None:
    for scene, sample in asked(kind):
        ever = set().union(*(names_at(scene, float(time)) for time in scene.times))
        shape = re.fullmatch(r"Which shape is (\w+)\?", sample["question"])
        color = re.fullmatch(r"What colour is the (\w+)\?", sample["question"])
        names = [f"{shape[1]} {o}" if shape else f"{o} {color[1]}" for o in sample["options"]]  # type: ignore[index]
        assert [letter for letter, name in zip("ABCDEF", names, strict=False) if name in ever] == [sample["target"]]


def test_only_the_right_object_is_there_at_the_asked_time() -> None:
    for scene, sample in asked("multiple_choice/time"):
        found = re.fullmatch(r"Which object is visible at ([\d.]+) seconds\?", sample["question"])
        assert found is not None
        there = names_at(scene, float(found[1]))
        assert len(set(sample["options"])) == 4
        right = [letter for letter, o in zip("ABCD", sample["options"], strict=True) if o in there]
        assert right == [sample["target"]]


def test_letters_are_spread_evenly() -> None:
    for kind, letters in (("shape", "ABCD"), ("colour", "ABCDEF"), ("time", "ABCD")):
        targets = [sample["target"] for _, sample in asked(f"multiple_choice/{kind}", 240)]
        assert min(targets.count(letter) for letter in letters) > 20


def test_evidence_is_when_the_answer_can_be_seen() -> None:
    for scene, sample in asked("grounded_qa/colour"):
        answer = sample["options"]["ABCDEF".index(sample["target"])]
        shape = sample["question"].split()[-1].rstrip("?")
        evidence = spans_of(scene, f"{answer} {shape}")
        assert sample["evidence"] == evidence


def test_tracked_boxes_follow_the_object() -> None:
    for scene, sample in asked("object_tracking/track"):
        (thing,) = [t for t in scene.things if f"the {t.name}" == sample["object"]]
        assert len(sample["times"]) == len(sample["target"]) <= 8
        assert sample["start_box"] == sample["target"][0]
        for time, box in zip(sample["times"], sample["target"], strict=True):
            assert thing.visible_at(time)
            assert np.allclose(box, thing.box_at(time), atol=1e-4)
            assert 0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1


def test_per_second_answers_agree_with_the_scene() -> None:
    for scene, sample in asked("instruction/presence"):
        found = re.search(r"whether the (.+) is visible", sample["instruction"])
        assert found is not None
        said = re.findall(r"(\d+) (yes|no)", sample["response"])
        truth = [(str(s), "yes" if found[1] in names_at(scene, s) else "no") for s in range(int(scene.duration))]
        assert said == truth
    for scene, sample in asked("instruction/roll_call"):
        for line in sample["response"].split("; "):
            second, _, names = line.partition(" ")
            assert (set(names.split(", ")) - {"nothing"}) == names_at(scene, int(second))


def test_seconds_and_spans_are_those_of_the_named_shapes() -> None:
    for scene, sample in asked("instruction/seconds"):
        for part in sample["response"].split(", "):
            name, _, second = part.rpartition(" ")
            assert spans_of(scene, name) == [[float(second), float(second) + 1]]
    for scene, sample in asked("instruction/spans"):
        listed = re.findall(r"([a-z]+ [a-z]+) ([\d.]+) to", sample["response"])
        assert sorted(name for name, _ in listed) == sorted(thing.name for thing in scene.things)
        assert all(name in names_at(scene, float(start)) for name, start in listed)
