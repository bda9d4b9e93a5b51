from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from reeltune.errors import InputError
from reeltune.tasks import load_samples
from reeltune.toyworld import lessons
from reeltune.toyworld.lessons import LESSONS, Lesson, leave_out, lesson_samples, loosen, new_model, write_lesson
from reeltune.toyworld.world import WorldSettings, is_held_out


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_shows_no_held_out_scene_and_no_more_objects_than_it_says(name: str) -> None:
    lesson = LESSONS[name]
    for asked in islice(lesson_samples(lesson, seed=0), 40):
        assert not is_held_out(asked.scene)
        assert len(asked.scene.things) <= (lesson.objects[1] or asked.scene.duration)
        assert len(asked.samples) == lesson.samples_per_video
        assert {thing.role for thing in asked.scene.things} <= {
            role for role, share in lesson.settings.roles.items() if share
        }


def test_loose_spans_hold_the_true_one_and_stay_in_the_clip() -> None:
    sample = {"task": "temporal_grounding", "duration": 8.0, "target": [[2.0, 5.0]]}
    rng = np.random.default_rng(0)
    spans = [tuple(loosen(sample, 3, rng)["target"][0]) for _ in range(400)]
    assert {start for start, _ in spans} == {0.0, 1.0, 2.0}
    assert {end for _, end in spans} == {5.0, 6.0, 7.0, 8.0}
    assert (2.0, 5.0) in spans
    assert sample["target"] == [[2.0, 5.0]]
    other = {"task": "multiple_choice", "target": "A"}
    assert loosen(other, 3, rng) is other
    assert loosen(sample, 0, rng) is sample


def test_terse_captions_tell_some_of_the_events_in_caption_and_subjects_alike() -> None:
    shares = []
    terse = lesson_samples(LESSONS["terse-captions"], seed=0)
    whole = lesson_samples(replace(LESSONS["terse-captions"], told=1.0), seed=0)
    for short, full in islice(zip(terse, whole, strict=True), 200):
        told, true = short.samples[0], full.samples[0]
        assert short.scene == full.scene
        rest = iter(true["events"])
        assert all(event in rest for event in told["events"])  # a part, in order
        assert told["caption"].endswith(" ".join(told["events"])) and true["caption"].startswith(told["caption"][:20])
        assert sum(len(subject["actions"]) for subject in told["subjects"]) == len(told["events"])
        assert [each["attributes"] for each in told["subjects"]] == [each["attributes"] for each in true["subjects"]]
        shares.append((len(told["events"]), len(true["events"])))
    told_events, events = (sum(column) for column in zip(*shares, strict=True))
    assert 0.4 < told_events / events < 0.6
    other = {"task": "multiple_choice", "target": "A"}
    assert leave_out(other, 0.5, np.random.default_rng(0)) is other


def test_a_written_lesson_is_read_back_as_typed_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = Lesson(
        {"temporal_grounding/visible": 1, "instruction/presence": 1}, (1, 2), WorldSettings(), videos=4, slack=2
    )
    monkeypatch.setitem(lessons.LESSONS, "short", short)
    samples = load_samples(write_lesson(tmp_path, "short"))
    assert len(samples) == 16
    assert all(sample.video_path.exists() for sample in samples)
    with pytest.raises(InputError, match="is not a toyworld lesson; the lessons are parade"):
        write_lesson(tmp_path, "unknown")


def test_the_new_models_words_are_single_tokens(tmp_path: Path) -> None:
    new_model(tmp_path / "new")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "new")
    for word in (" red", " triangle", " visible", " yes", " seconds", " nothing"):
        assert len(tokenizer.tokenize(word)) == 1
    assert tokenizer.tokenize("<answer>2.0 to 5.0</answer>")[2:8] == ["2", ".", "0", "Ġto", "Ġ", "5"]
