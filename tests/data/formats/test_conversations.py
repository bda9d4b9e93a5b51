"""Conversations, by the command, on files and videos made here."""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reeltune.cli import main
from reeltune.data.import_ import Imported, import_annotations
from reeltune.errors import InputError
from reeltune.tasks import load_samples
from reeltune.video.encode import write_video

SECONDS = 8.0


def clip(path: Path, shade: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, np.full((16, 32, 32, 3), shade, np.uint8), 2.0)
    return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for name in ("0.mp4", "sub/1.mp4"):
        clip(folder / name)
    return folder


def talk(question: object, answer: object, **fields: object) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": messages, "videos": ["0.mp4"], **fields}


def dump(path: Path, entries: list[Any]) -> Path:
    lines = path.suffix == ".jsonl"
    path.write_text("".join(f"{json.dumps(e)}\n" for e in entries) if lines else json.dumps(entries))
    return path


def imported(folder: Path, videos: Path, *entries: Any, name: str = "conversations") -> tuple[list[Any], Imported]:
    output = folder / "samples.jsonl"
    entry = dump(folder / "mine.json", list(entries))
    found = import_annotations(name, [entry], videos=videos, output=output, digests=False)
    return list(load_samples(output)), found


LLAMA_FACTORY = talk("<video>When?", "2.0 to 5.0")
SHAREGPT = {
    "id": 7,
    "conversations": [{"from": "human", "value": "<video>\nWhen?"}, {"from": "gpt", "value": "2.0 to 5.0"}],
    "video": "0.mp4",
}
LLAVA_VIDEO = json.loads(json.dumps(SHAREGPT).replace("<video>", "<image>"))
TRL = {
    "messages": [
        {"role": "user", "content": [{"type": "video", "video": "0.mp4"}, {"type": "text", "text": "When?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "2.0 to 5.0"}]},
    ]
}
TRL_PLACE = {
    "prompt": [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "When?"}]}],
    "completion": [{"role": "assistant", "content": "2 to 5"}],
    "videos": ["0.mp4"],
}
PAIR = {"query": "<video>When?", "response": "2.0 to 5.0", "videos": ["0.mp4"]}
ALPACA = {"instruction": "When?", "input": "", "output": "2.0 to 5.0", "videos": ["0.mp4"]}
PROBLEM = {
    "problem_id": 2,
    "problem": "What?",
    "data_type": "video",
    "problem_type": "multiple choice",
    "options": ["A. x", "B. y"],
    "solution": "<answer>A</answer>",
    "path": "./0.mp4",
}


@pytest.mark.parametrize(
    ("file", "entry", "form", "identifier"),
    [
        ("a.json", LLAMA_FACTORY, "LLaMA-Factory", "row 1"),
        ("a.json", SHAREGPT, "ShareGPT", "7"),
        ("a.jsonl", LLAVA_VIDEO, "ShareGPT", "7"),
        ("a.jsonl", LLAMA_FACTORY, "ms-swift", "row 1"),
        ("a.json", TRL, "TRL", "row 1"),
        ("a.jsonl", TRL_PLACE, "TRL", "row 1"),
        ("a.jsonl", PAIR, "ms-swift's pairs", "row 1"),
        ("a.json", ALPACA, "Alpaca", "row 1"),
    ],
)
def test_the_check_names_the_import_that_reads_each_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, entry: dict, form: str, identifier: str
) -> None:
    clip(tmp_path / "0.mp4")
    path = dump(tmp_path / file, [entry])
    assert main(["data", "check", str(path)]) == 2
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1
    command = shlex.split(said.partition(": reeltune ")[2])
    assert command[:4] == ["data", "import", "conversations", str(path)]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert f"1 entries in the form of {form}" in out and "1 temporal_grounding sample of 1 video" in out
    output = tmp_path / "a_samples.jsonl"
    (sample,) = load_samples(output)
    row = sample.model_dump()
    assert row["target"] == ((2.0, 5.0),) and row["query"] == "When?" and row["id"] == identifier
    assert row["duration"] == pytest.approx(SECONDS) and sample.video_path.samefile(tmp_path / "0.mp4")
    assert main(["data", "check", str(output)]) == 0


OPTIONS = "<video>\nWhat is it?\nOptions:\nA. a dog\nB. a cat\nAnswer with the letter."


@pytest.mark.parametrize(
    ("question", "answer", "task", "fields"),
    [
        ("<video>When?", "0:02 to 0:05", "temporal_grounding", {"target": ((2, 5),)}),
        ("When does he run?", "From 2s - 5 seconds.", "temporal_grounding", {"target": ((2, 5),)}),
        ("Find the segment of 'x'", "[1, 2], [4, 5.5]", "temporal_grounding", {"target": ((1, 2), (4, 5.5))}),
        ("When?", "<think>hm</think><answer>2 to 5</answer>", "temporal_grounding", {"target": ((2, 5),)}),
        ("When?", "At night.", "instruction", {"instruction": "When?", "response": "At night."}),
        ("How many are there when he runs?", "2 to 5", "instruction", {"response": "2 to 5"}),
        ("Look at <video> now.", "ok", "instruction", {"instruction": "Look at now."}),
        (OPTIONS, "B", "multiple_choice", {"question": "What is it?", "options": ("a dog", "a cat"), "target": "B"}),
        (OPTIONS, "(A) a dog", "multiple_choice", {"target": "A"}),
        (OPTIONS, "a cat", "multiple_choice", {"target": "B"}),
        (OPTIONS, "It has fur.", "instruction", {"response": "It has fur."}),
    ],
)
def test_the_words_decide_the_task(
    tmp_path: Path, videos: Path, question: str, answer: str, task: str, fields: dict
) -> None:
    ((sample,), _) = imported(tmp_path, videos, talk(question, answer))
    row = sample.model_dump()
    assert row["task"] == task and {key: row[key] for key in fields} == fields


def turn(role: str, content: object) -> dict[str, object]:
    return {"role": role, "content": content}


Q, A = turn("user", "<video>What?"), turn("assistant", "A dog.")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (talk("<video>?", "a", videos=["0.mp4", "sub/1.mp4"]), "entries whose files do not match their placeholders"),
        (talk("<video><video>?", "a"), "entries whose files do not match their placeholders"),
        (talk("?", "a", images=["x.png"]), "entries whose image is not there"),
        (
            talk("When?", "1 to 2", videos=["0.mp4", "sub/1.mp4"]),
            "questions about a time that do not refer to one complete video",
        ),
        (talk("?", "a", audios=["x.wav"]), "entries with audio or other parts"),
        (talk("?", "a", videos=["none.mp4"]), "entries whose video is not there"),
        (talk("?", "a", videos=["sub"]), "entries whose video is a folder of frames"),
        (
            talk("?", "a", videos=[["1.jpg", "2.jpg"]]),
            "entries whose video is given as frames or bytes, not as a file",
        ),
        (
            {"messages": [Q, turn("tool", "x"), A], "videos": ["0.mp4"]},
            "entries with messages of other roles (tools, functions)",
        ),
        ({"messages": [Q], "videos": ["0.mp4"]}, "entries without a question followed by an answer"),
        (talk("<video>", "a"), "entries with an empty question or answer"),
        (talk("When?", "5 to 2"), "answers with a reversed or impossible span"),
        (talk("When?", "1914 to 1918"), "answers with a span that starts after the end of the video"),
        (talk(OPTIONS, "E"), "answers whose letter matches no option"),
        ({"messages": ["?", "a"], "videos": ["0.mp4"]}, "entries with messages that are no objects"),
        (talk([5], "a"), "entries with messages that are no objects"),
    ],
)
def test_what_makes_no_sample_is_counted(tmp_path: Path, videos: Path, entry: dict, reason: str) -> None:
    samples, found = imported(tmp_path, videos, talk("What?", "A dog."), entry)
    assert len(samples) == 1
    assert found.counts[f"{reason}: left out"] == 1
    forms = sum(count for text, count in found.counts.items() if text.startswith("entries in the form of"))
    assert forms == 2 and sum(found.counts.values()) == 3
    with pytest.raises(InputError, match="no usable entry"):
        imported(tmp_path, videos, entry)


def test_what_is_not_kept_is_counted(tmp_path: Path, videos: Path) -> None:
    entry = {"messages": [turn("system", "Be brief."), Q, A], "videos": ["0.mp4"]}
    entries = [entry, talk(OPTIONS, "A"), talk("?", "<think>hm</think> a"), talk("When?", "7 to 12")]
    samples, found = imported(tmp_path, videos, *entries)
    assert len(samples) == 4 and samples[3].meta == {"past_duration": True} and samples[0].system == "Be brief."
    assert found.counts == {
        "entries in the form of LLaMA-Factory": 4,
        "lines below the options (how to answer): removed": 1,
        "answers with reasoning or tags: only the answer is kept": 1,
        "spans that end after the video: kept and declared in meta.past_duration": 1,
    }


def test_several_videos_images_parts_turns_and_text_alone(tmp_path: Path, videos: Path) -> None:
    from PIL import Image

    Image.new("RGB", (8, 8)).save(videos / "x.png")
    part = [{"type": "video", "video": "0.mp4", "video_start": 3, "video_end": 5}, {"type": "text", "text": "Why?"}]
    entries = [
        talk("<video> and <video>?", "a", videos=["0.mp4", "sub/1.mp4"]),
        talk("<image><video>Same?", "no", images=["x.png"]),
        talk("Two?", "yes", videos=["0.mp4", "sub/1.mp4"]),
        talk(part, "Because.", videos=None),
        {"messages": [Q, A, turn("user", "<image>And?"), A], "videos": ["0.mp4"], "images": ["x.png"]},
        talk("Hello?", "Hello.", videos=[]),
    ]
    samples, found = imported(tmp_path, videos, *entries)
    assert [sample.media_name.replace("../", "").replace("v/", "") for sample in samples]
    kinds = [[medium.kind for medium in sample.all_media] for sample in samples]
    assert kinds == [["video", "video"], ["image", "video"], ["video", "video"], ["video"], ["video", "image"], []]
    assert all(path.is_file() for sample in samples for path in sample.files)
    assert (samples[3].media[0].start, samples[3].media[0].end) == (3, 5)
    assert [turn.text for turn in samples[4].turns] == ["What?", "A dog."] and samples[4].instruction == "And?"
    assert found.counts["entries without a video or an image: kept as text only"] == 1


def test_the_answer_may_stand_beside_the_messages(tmp_path: Path, videos: Path) -> None:
    parts = [{"type": "video", "video": "0.mp4"}, {"type": "text", "text": "When?"}]
    entries = [
        {"messages": [turn("user", OPTIONS)], "videos": ["0.mp4"], "solution": "<answer>B</answer>"},
        {"prompt": [turn("user", parts)], "solution": "2 to 5"},
        {"messages": [Q, A], "videos": ["0.mp4"], "solution": "not asked"},
    ]
    samples, _ = imported(tmp_path, videos, *entries)
    assert [sample.task for sample in samples] == ["multiple_choice", "temporal_grounding", "instruction"]
    assert samples[0].target == "B" and samples[1].target == ((2, 5),) and samples[2].response == "A dog."


def test_pairs_with_a_history_an_input_and_a_solution(tmp_path: Path, videos: Path) -> None:
    before = [["<video>Who runs?", "A dog."], ["Where?", "At sea."]]
    pair = {"query": "And why?", "response": "For fun.", "history": before, "videos": ["0.mp4"], "system": "Be brief."}
    alpaca = {"instruction": "Translate.", "input": "What is said", "output": "Hello.", "videos": "0.mp4"}
    solved = {"query": "<video>When?", "solution": "2 to 5", "videos": ["0.mp4"]}
    broken = PAIR | {"history": ["Who runs?"]}
    (talked, translated, found), result = imported(tmp_path, videos, pair, alpaca, solved, broken)
    assert [turn.text for turn in talked.turns] == ["Who runs?", "A dog.", "Where?", "At sea."]
    assert (talked.instruction, talked.response, talked.system) == ("And why?", "For fun.", "Be brief.")
    assert talked.turns[0].media and not talked.turns[2].media
    assert (translated.instruction, translated.response) == ("Translate.\nWhat is said", "Hello.")
    assert found.task == "temporal_grounding" and found.target == ((2, 5),)
    assert result.counts["entries whose history is not made of questions and answers: left out"] == 1


def test_an_entry_of_another_form_is_counted_unless_it_is_the_first(tmp_path: Path, videos: Path) -> None:
    for other in ({"conversations": "x"}, {"query": "When?"}):
        samples, found = imported(tmp_path, videos, LLAMA_FACTORY, other)
        assert len(samples) == 1
        assert [count for text, count in found.counts.items() if text.startswith("entries without `messages`")] == [1]
        with pytest.raises(InputError, match="entry 1: expected `messages`"):
            imported(tmp_path, videos, other, LLAMA_FACTORY)


def test_a_broken_video_costs_only_its_questions_for_a_time(tmp_path: Path) -> None:
    clip(tmp_path / "v/0.mp4")
    (tmp_path / "v/bad.mp4").write_bytes(b"no video")
    samples, found = imported(tmp_path, tmp_path / "v", LLAMA_FACTORY, {**LLAMA_FACTORY, "videos": ["bad.mp4"]})
    assert len(samples) == 1 and found.counts["questions about a time whose video cannot be read: left out"] == 1


def test_lines_under_the_name_json_and_a_list_under_the_name_jsonl(tmp_path: Path, videos: Path) -> None:
    lines = tmp_path / "lines.json"
    lines.write_text("".join(json.dumps(LLAMA_FACTORY) + "\n" for _ in range(2)))
    listed = tmp_path / "listed.jsonl"
    listed.write_text(json.dumps([LLAMA_FACTORY, LLAMA_FACTORY], indent=1))
    for path in (lines, listed):
        found = import_annotations("conversations", [path], videos=videos, output=tmp_path / "s.jsonl")
        assert len(found.rows) == 2


def test_samples_and_unknown_files_are_checked_as_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text, message in (('[{"x": 1}]', "expected one JSON object per line"), ("[1", "not JSON")):
        (tmp_path / "x.json").write_text(text)
        assert main(["data", "check", str(tmp_path / "x.json")]) == 2
        said = capsys.readouterr().err
        assert message in said and "data import" not in said


@pytest.mark.parametrize(
    ("entry", "name"), [(LLAMA_FACTORY, "conversations"), (TRL, "conversations"), (PROBLEM, "video-r1")]
)
def test_auto_finds_out_which(
    tmp_path: Path, videos: Path, capsys: pytest.CaptureFixture[str], entry: dict[str, Any], name: str
) -> None:
    path = dump(tmp_path / "mine.json", [entry])
    words = ["data", "import", "auto", str(path), "--videos", str(videos), "-o", str(tmp_path / "s.jsonl")]
    assert main(words) == 0 and f"read as {name}" in capsys.readouterr().out
    assert len(load_samples(tmp_path / "s.jsonl")) == 1
    assert main([*words[:3], str(dump(tmp_path / "other.json", [{"x": 1}])), *words[4:]]) == 2
