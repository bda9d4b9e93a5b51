"""Readers of multiple-choice benchmarks, each on a small file of its form written here."""

import json
from pathlib import Path

import pytest
from tests.data.formats.annotations import dump, imported, table

from reeltune.errors import InputError

CHOICE = "multiple_choice"


def test_mvbench(tmp_path: Path) -> None:
    entry = {"video": "1.mp4", "question": "?", "candidates": ["x", "y"], "answer": "y"}
    dump(tmp_path, [entry, {**entry, "start": 1.0, "end": 2.0}], "json/action_count.json")
    dump(tmp_path, [entry], "json/state_change.json")
    samples, found = imported("mvbench", tmp_path / "json")
    assert [(s.id, s.target, s.meta["type"]) for s in samples] == [
        ("action_count_0", "B", "action_count"),
        ("action_count_1", "B", "action_count"),
        ("state_change_0", "B", "state_change"),
    ]
    assert not found.counts
    assert samples[0].video.endswith("videos/perception/videos/1.mp4"), "where it is expected"


def test_mvbench_shows_the_part_that_is_asked_about(tmp_path: Path) -> None:
    entry = {"video": "1.mp4", "question": "?", "candidates": ["x", "y"], "answer": "y"}
    dump(tmp_path, [{**entry, "start": 1.5, "end": 20}, entry], "json/action_sequence.json")
    dump(tmp_path, [{**entry, "video": "s01e02_clip", "start": 3, "end": 9.5}], "json/episodic_reasoning.json")
    samples, found = imported("mvbench", tmp_path / "json")
    part, whole, frames = samples
    assert (part.video, whole.media) == (None, ()) and part.meta == {"type": "action_sequence"} and not found.counts
    [medium] = part.media
    assert medium.video.endswith("star/Charades_v1_480/1.mp4") and (medium.start, medium.end) == (1.5, 20)
    [medium] = frames.media
    assert medium.frames.endswith("tvqa/frames_fps3_hq/s01e02_clip") and medium.fps == 3
    assert (medium.start, medium.end) == (3, 9.5)


def test_mvbench_knows_the_folder_of_a_name_that_stands_in_two(tmp_path: Path) -> None:
    for folder in ("ssv2_video", "perception/videos", "deep/sta/sta_video"):
        (tmp_path / "videos" / folder).mkdir(parents=True)
        (tmp_path / "videos" / folder / "1.mp4").write_text(folder)
    entry = {"video": "1.mp4", "question": "?", "candidates": ["x", "y"], "answer": "y"}
    kinds = {"action_antonym": "ssv2_video", "state_change": "perception/videos", "action_localization": "sta_video"}
    for kind in kinds:
        dump(tmp_path, [entry], f"json/{kind}.json")
    samples, _ = imported("mvbench", tmp_path / "json")
    for sample in samples:
        assert sample.video_path.read_text().endswith(kinds[sample.meta["type"]])
    dump(tmp_path, [entry], "json/moving_count.json")
    with pytest.raises(InputError, match="matches 3 files"):
        imported("mvbench", tmp_path / "json")


def test_video_mme(tmp_path: Path) -> None:
    row = {"video_id": "001", "videoID": "fFj", "duration": "short", "question_id": "001-1", "task_type": "Counting"}
    row |= {"question": "?", "options": ["A. x.", "B. y."], "answer": "B"}
    lines = dump(tmp_path, json.dumps(row) + "\n", "test.jsonl")
    ((sample,), _) = imported("video-mme", lines)
    assert (sample.id, sample.options, sample.target) == ("001-1", ("x.", "y."), "B")
    assert sample.video == "../videos/fFj.mp4" and sample.meta == {"type": "short", "task_type": "Counting"}
    nested = {"video_id": "001", "duration_category": "long", "url": "https://y/watch?v=abc"}
    question = {"question_id": "001-1", "question": "?", "choices": ["A. x", "B. y"], "answer": "A"}
    ((sample,), _) = imported("video-mme", dump(tmp_path, [{**nested, "questions": [question]}]))
    assert sample.video == "../videos/abc.mp4" and sample.meta == {"type": "long"}
    saved = table(tmp_path, [{**row, "options": "['A. x' 'B. y']".replace("' '", "', '")}], "test.csv")
    assert imported("video-mme", saved)[0][0].options == ("x", "y")


def test_tempcompass(tmp_path: Path) -> None:
    question = {"question": "What?\nA. run\nB. jump", "answer": "B. jump"}
    ((sample,), _) = imported("tempcompass", dump(tmp_path, {"12_reverse": {"action": [question]}}))
    assert (sample.id, sample.question, sample.options) == ("12_reverse_action_0", "What?", ("run", "jump"))
    assert sample.target == "B" and sample.meta == {"type": "action"}
    pair = "Which description fits?\nCaption A: It runs: fast.\nCaption B: It jumps."
    others = [
        {"question": "Does it run?", "answer": "no"},
        {"question": pair, "answer": "Caption B: It jumps."},
        {"question": pair.replace("Caption A", "Option 1").replace("Caption B", "Option 2"), "answer": "Option 1"},
    ]
    (found, _) = imported("tempcompass", dump(tmp_path, {"12_reverse": {"action": others}}))
    assert [(s.task, s.target) for s in found] == [("classification", "no"), (CHOICE, "B"), (CHOICE, "A")]
    assert found[1].options == ("It runs: fast.", "It jumps.") and found[2].options == found[1].options


def test_tempcompass_captions_are_judged_by_the_question_beside_them(tmp_path: Path) -> None:
    facts = "Information A: {'action': 'run'}\nInformation B: {'action': 'jump'}"
    asked = f"Pick a fact and write a caption.\n{facts}\nGenerated Caption:"
    captions = {"12": {"action": [{"question": asked, "answer": "B. jump"}]}}
    path = dump(tmp_path, captions)
    with pytest.raises(InputError, match=r"put multi-choice\.json beside it, whose"):
        imported("tempcompass", path)
    question = {"question": "What?\nA. jump\nB. run", "answer": "A. jump"}
    (tmp_path / "multi-choice.json").write_text(json.dumps({"12": {"action": [question]}}))
    ((sample,), _) = imported("tempcompass", path)
    assert (sample.task, sample.instruction, sample.meta["type"]) == ("captioning", asked, "action")
    assert [(each.question, each.answer) for each in sample.questions] == [("What?\nA. jump\nB. run", "A. jump")]
    (tmp_path / "multi-choice.json").write_text(json.dumps({"12": {"speed": [question]}}))
    with pytest.raises(InputError, match="no question about this video and aspect"):
        imported("tempcompass", path)


def test_mmvu(tmp_path: Path) -> None:
    entry = {
        "id": "validation_1",
        "video": "https://x/resolve/main/videos/Art/0.mp4",
        "question_type": "multiple-choice",
        "metadata": {"subject": "Art"},
        "question": "?",
        "choices": {"A": "x", "B": "y", "C": ""},
        "answer": "B",
    }
    other = {**entry, "id": "validation_2", "question_type": "open-ended", "answer": "a wave"}
    ((sample, opened), _) = imported("mmvu", dump(tmp_path, [entry, other]))
    assert (sample.video, sample.options, sample.target) == ("../videos/Art/0.mp4", ("x", "y"), "B")
    assert (opened.task, opened.question, opened.target) == ("open_ended", "?", "a wave")


def test_perception_test(tmp_path: Path) -> None:
    question = {"id": 3, "question": "?", "options": ["x", "y", "z"], "answer_id": 2, "area": "physics"}
    videos = {"video_1": {"metadata": {}, "mc_question": [question, {**question, "id": 4, "answer_id": None}]}}
    ((sample,), found) = imported("perception-test", dump(tmp_path, videos))
    assert (sample.id, sample.target, sample.meta) == ("video_1_3", "C", {"type": "physics"})
    assert sum(found.counts.values()) == 1
    row = {"video_name": "video_1", "question_id": "3", **question, "answer_id": "1"}
    ((sample,), _) = imported("perception-test", dump(tmp_path, json.dumps(row), "valid.jsonl"))
    assert (sample.id, sample.target) == ("video_1_3", "B")
