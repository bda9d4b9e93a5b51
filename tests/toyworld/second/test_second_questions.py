"""Answers of the second edition are held to the scene's own truth, frame by frame, never to the question's code."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reeltune.data.sources import BASES
from reeltune.errors import InputError
from reeltune.tasks import get_task, load_samples
from reeltune.tasks.base import RewardOptions
from reeltune.toyworld.editions import EDITIONS
from reeltune.toyworld.lessons import lesson_samples, loosen
from reeltune.toyworld.questions import Ask, ask
from reeltune.toyworld.second.chat import KINDS, TAUGHT
from reeltune.toyworld.second.lessons import LESSONS, SIZE, texts
from reeltune.toyworld.second.world import Settings, draw
from reeltune.toyworld.tokenizer import SHORT_NUMBERS, train_tokenizer
from reeltune.toyworld.world import Scene, is_held_out


def asked(
    kind: str, count: int = 40, settings: Settings | None = None, questions: Mapping[str, Ask] = KINDS
) -> list[tuple[Scene, dict[str, Any]]]:
    rng = np.random.default_rng(5)
    found: list[tuple[Scene, dict[str, Any]]] = []
    while len(found) < count:
        scene = draw(rng, settings or Settings())
        sample = ask(kind, scene, rng, questions)
        if sample is not None:
            found.append((scene, sample))
    return found


def seen(scene: Scene, time: float) -> list[str]:
    return sorted(f"{t.color_at(time)} {t.shape}" for t in scene.things if t.visible_at(time))


@pytest.mark.parametrize("kind", KINDS)
def test_gold_answers_earn_all(kind: str) -> None:
    for _, sample in asked(kind, 8):
        task = get_task(sample["task"])
        typed = task.sample_type.model_validate({"id": "a", "video": "a.mp4", **sample})
        gold = task.gold(typed, "direct")
        assert f"{task.name}/{sample['meta']['kind']}" == kind
        assert task.format_reward(typed, gold, "direct") == 1
        if not task.judged:
            value = task.parse(typed, gold).value
            rewards = task.content_rewards(typed, value, RewardOptions())
            assert rewards and all(reward == 1 for reward in rewards.values())


def test_letters_and_labels_say_nothing() -> None:
    """Shuffled: every letter is right about equally often, for every right text."""
    for kind in ("multiple_choice/shape", "multiple_choice/action"):
        letters = Counter(sample["target"] for _, sample in asked(kind, 200))
        assert set(letters) == set("ABCD") and max(letters.values()) < 80
    first = Counter(sample["labels"][0] for _, sample in asked("classification/quality", 200))
    assert min(first.values()) > 60


def test_options_hold_one_right_text_by_the_scene() -> None:
    for scene, sample in asked("multiple_choice/time", 100):
        time = float(re.findall(r"\d+\.\d", sample["question"])[0])
        right = [option for option in sample["options"] if option in seen(scene, time)]
        assert right == [sample["options"]["ABCD".index(sample["target"])]]
    for scene, sample in asked("multiple_choice/color", 100):
        shape = re.findall(r"the (\w+)\?", sample["question"])[0]
        colors = {t.color for t in scene.things if t.shape == shape}
        assert colors == {sample["options"]["ABCD".index(sample["target"])]}
    for scene, sample in asked("multiple_choice/shape", 100):
        color = re.findall(r"is (\w+)\?", sample["question"])[0]
        shapes = {name.split()[1] for time in scene.times for name in seen(scene, time) if name.startswith(color)}
        assert shapes == {sample["options"]["ABCD".index(sample["target"])]}


def test_numbers_are_those_of_the_frames() -> None:
    for scene, sample in asked("numeric/count_at"):
        time = float(re.findall(r"\d+\.\d", sample["question"])[0])
        assert sample["target"] == len(seen(scene, time))
    for scene, sample in asked("numeric/count"):
        assert sample["target"] == len(scene.things)
    for scene, sample in asked("numeric/seconds"):
        [name] = re.findall(r"the (\w+ \w+) visible", sample["question"])
        assert sample["target"] == sum(name in seen(scene, time) for time in scene.times) / scene.fps


def test_a_track_follows_the_named_shape() -> None:
    moves = 0
    for scene, sample in asked("object_tracking/track"):
        name = sample["object"].removeprefix("the ")
        [thing] = [t for t in scene.things if t.name == name]
        assert 1 <= len(sample["times"]) <= 8 and sample["start_box"] == sample["target"][0]
        for time, box in zip(sample["times"], sample["target"], strict=True):
            assert thing.visible_at(time) and np.allclose(thing.box_at(time), box)
        moves += sample["target"][0] != sample["target"][-1]
    assert moves > 15


def test_each_second_of_a_log_is_the_scenes() -> None:
    for scene, sample in asked("instruction/head_count", 10):
        counts = [part.split()[1] for part in sample["response"].split(", ")]
        assert counts == [str(len(seen(scene, float(second)))) for second in range(int(scene.duration))]
    for scene, sample in asked("instruction/chart", 10, Settings(objects=(1, 1))):
        lines = re.split(r", (?=\d+ )", sample["response"])
        for second, line in enumerate(lines):
            names = seen(scene, float(second))
            assert line.startswith(f"{second} {names[0]} [" if names else f"{second} nothing")


def test_sloppy_boxes_keep_their_size_and_stay_in_the_frame() -> None:
    sample = {"task": "object_tracking", "target": [[0.0, 0.5, 0.3, 0.8]] * 300}
    boxes = np.array(loosen(sample, 2, np.random.default_rng(0))["target"])
    assert np.allclose(boxes[:, 2:] - boxes[:, :2], 0.3) and boxes.min() >= 0 and boxes.max() <= 1
    assert {round(float(y), 2) for y in boxes[:, 1]} == {0.4, 0.45, 0.5, 0.55, 0.6}
    assert sample["target"][0] == [0.0, 0.5, 0.3, 0.8]


@pytest.mark.parametrize("name", LESSONS)
def test_lessons_show_no_held_out_scene(name: str) -> None:
    for asked_, _ in zip(lesson_samples(LESSONS[name], 0), range(15), strict=False):
        assert not is_held_out(asked_.scene) and len(asked_.samples) == LESSONS[name].samples_per_video


def test_numbers_boxes_and_stamps_are_short() -> None:
    tokenizer = train_tokenizer(texts(), vocabulary=1024, words=SHORT_NUMBERS)
    boxes = str([[0.05, 0.1, 0.35, 0.4]] * 8)
    assert len(tokenizer(f"<answer>{boxes}</answer>").input_ids) <= 44
    assert len(tokenizer("<answer>3.0 to 12.0</answer>").input_ids) == 5
    assert all(len(tokenizer(f"<{second}.2 seconds>").input_ids) == 1 for second in range(14))
    assert all(len(tokenizer(f"{before}{letter}").input_ids) == 1 for letter in "ABCD" for before in ("", " "))


def test_the_base_that_ships_has_the_tokenizer_of_its_lessons() -> None:
    made = train_tokenizer(texts(), vocabulary=SIZE.vocabulary, words=SIZE.words)
    shipped = json.loads((BASES[2] / "tokenizer.json").read_text())
    assert json.loads(made.backend_tokenizer.to_str())["model"] == shipped["model"]


def test_by_its_number_in_a_recipe(tmp_path: Path) -> None:
    file = EDITIONS[2].generate(tmp_path, "held_out_many", "numeric", videos=3, seed=1)
    samples = load_samples(file)
    assert len(samples) == 3 and all(sample.video_path.exists() for sample in samples)
    assert all(sample.meta["objects"] >= 4 for sample in samples)
    with pytest.raises(InputError, match=r"toyworld\.edition=2"):
        EDITIONS[1].generate(tmp_path, "held_out_many", "multiple_choice", videos=1, seed=0)


@pytest.mark.parametrize("kind", ["instruction/letters", "instruction/words_first"])
def test_steps_towards_a_choice_name_the_letters_that_stand_in_the_question(kind: str) -> None:
    assert kind not in KINDS
    for _, fields in asked(kind, questions=TAUGHT):
        options = dict(line.split(". ", 1) for line in fields["instruction"].splitlines() if line[1:3] == ". ")
        pairs = [each.rsplit(" ", 1) for each in fields["response"].split(", ")]
        assert len(options) == 4 and all(options[letter] == option for option, letter in pairs)
        assert len(pairs) == (4 if kind.endswith("letters") else 1)


def test_marks_call_the_letter_of_the_choice_right_and_the_others_wrong() -> None:
    letters = Counter()
    for scene, fields in asked("instruction/marks", questions=TAUGHT):
        options = [line[0] for line in fields["instruction"].splitlines() if line[1:3] == ". "]
        marks = dict(each.split(" ") for each in fields["response"].split(", "))
        assert list(marks) == options == list("ABCD") and sorted(marks.values()) == ["no", "no", "no", "yes"]
        letters[next(letter for letter, mark in marks.items() if mark == "yes")] += 1
        if "How many objects" in fields["instruction"]:
            right = next(line for line in fields["instruction"].splitlines() if marks.get(line[0]) == "yes")
            assert right[3:] == ("none", "one", "two", "three", "four", "five")[len(scene.things)]
    assert set(letters) == set("ABCD")
