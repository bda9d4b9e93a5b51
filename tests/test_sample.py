import json
import pickle
from pathlib import Path

import pytest

from reeltune.errors import InputError
from reeltune.sample import missing_videos
from reeltune.tasks import load_samples

GROUNDING = {
    "id": "a",
    "task": "temporal_grounding",
    "video": "clips/a.mp4",
    "query": "the dog jumps",
    "duration": 10,
    "target": [[1, 2.5]],
}
CHOICE = {
    "id": "b",
    "task": "multiple_choice",
    "video": "b.mp4",
    "question": "What jumps?",
    "options": ["a dog", "a cat"],
    "target": "B",
    "source": "mine",
    "meta": {"type": "what"},
}


def write(folder: Path, *rows: object) -> Path:
    path = folder / "samples.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_reads_rows_in_order_with_types_and_video_paths(tmp_path: Path) -> None:
    first, second = load_samples(write(tmp_path, GROUNDING, "", CHOICE))
    assert (first.id, second.id) == ("a", "b")
    assert first.target == ((1.0, 2.5),)  # type: ignore[attr-defined]
    assert first.video_path == tmp_path / "clips/a.mp4"
    assert second.source == "mine" and second.meta == {"type": "what"}
    with pytest.raises(ValueError):
        first.id = "c"  # type: ignore[misc]


def test_the_folder_travels_with_a_sample_but_is_no_field(tmp_path: Path) -> None:
    (sample,) = load_samples(write(tmp_path, GROUNDING))
    for copy in (pickle.loads(pickle.dumps(sample)), sample.model_copy(update={"source": "x"})):
        assert copy.video_path == tmp_path / "clips/a.mp4"
    assert "_folder" not in sample.model_dump() and "_folder" not in repr(sample)
    assert sample == sample.model_validate(GROUNDING)
    assert sample.model_validate(GROUNDING).video_path == Path.cwd() / "clips/a.mp4"


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        (GROUNDING | {"target": [[5, 2]]}, ["'target[0]'", "[5, 2]", "end must be after the start"]),
        (GROUNDING | {"target": [[5, 5]]}, ["'target[0]'", "end must be after the start"]),
        (GROUNDING | {"target": [[-1, 5]]}, ["'target[0][0]'", "-1", "greater than or equal to 0"]),
        (GROUNDING | {"target": [[1, 10.2]]}, ["'target'", "[1, 10.2]", "lasts 10 s", "--fix"]),
        (GROUNDING | {"target": []}, ["'target'", "at least 1"]),
        (GROUNDING | {"target": "2 to 5"}, ["'target': '2 to 5': must be a list: [[number, number], ...]"]),
        (GROUNDING | {"target": ["2 to 5"]}, ["'target[0]': '2 to 5': must be a list: [[number, number], ...]"]),
        (GROUNDING | {"target": [[1, 2, 3]]}, ["'target[0]'"]),
        (GROUNDING | {"target": [["1", 2]]}, ["'target[0][0]'", "'1'", "number"]),
        (GROUNDING | {"duration": 0}, ["'duration'", "0", "greater than 0"]),
        (GROUNDING | {"duration": "10"}, ["'duration'", "'10'"]),
        (GROUNDING | {"query": "  "}, ["'query'", "'  '"]),
        (GROUNDING | {"id": 3.5}, ["id 3.5", "'id'", "string"]),
        (GROUNDING | {"durations": 3}, ["'durations'", "did you mean 'duration'"]),
        ({k: v for k, v in GROUNDING.items() if k != "query"}, ["'query'", "missing"]),
        (GROUNDING | {"task": "temporal_groundin"}, ["did you mean 'temporal_grounding'", "multiple_choice"]),
        ({k: v for k, v in GROUNDING.items() if k != "task"}, ["'task'", "missing", "multiple_choice"]),
        (CHOICE | {"target": "C"}, ["'target'", "'C'", "A, B"]),
        (CHOICE | {"target": "b"}, ["'target'", "'b'", "A, B"]),
        (CHOICE | {"options": ["x"]}, ["'options'", "at least 2"]),
        (CHOICE | {"video": "x" * 300}, ["'video'", "no file can have this path"]),
        (CHOICE | {"video": "x\0"}, ["'video'", "no file can have this path"]),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, row: dict[str, object], parts: list[str]) -> None:
    path = write(tmp_path, CHOICE | {"id": "fine"}, row)
    with pytest.raises(InputError) as caught:
        load_samples(path)
    for part in [f"{path}, line 2, id {row.get('id')!r}", *parts]:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["has no samples"]),
        ("\n \n", ["has no samples"]),
        ("{", ["line 1", "not JSON"]),
        ("[]", ["line 1", "expected one JSON object"]),
        (
            json.dumps(GROUNDING) + "\n" + json.dumps(GROUNDING),
            ["line 2", "id 'a'", "already used in line 1"],
        ),
        (json.dumps(GROUNDING).replace("2.5", "NaN"), ["'target[0][1]'", "finite"]),
        (json.dumps(GROUNDING).replace("2.5", "1e999"), ["'target[0][1]'", "finite"]),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_samples(path)
    for part in [str(path), *parts]:
        assert part in str(caught.value)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_samples(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="cannot be read"):
        load_samples(tmp_path)
    (tmp_path / "latin.jsonl").write_bytes(b'{"id": "\xe9"}')
    with pytest.raises(InputError, match="UTF-8"):
        load_samples(tmp_path / "latin.jsonl")


def test_a_span_may_pass_the_duration_by_the_tolerance_or_when_declared(tmp_path: Path) -> None:
    rows = [
        GROUNDING | {"target": [[1, 10.1]]},
        GROUNDING | {"id": "b", "target": [[1, 12]], "meta": {"past_duration": True}},
    ]
    assert len(load_samples(write(tmp_path, *rows))) == 2


def test_files_that_are_missing_are_faults(tmp_path: Path) -> None:
    samples = load_samples(write(tmp_path, GROUNDING, GROUNDING | {"id": "c"}, CHOICE))
    (tmp_path / "b.mp4").touch()
    assert [fault.id for fault in missing_videos(samples)] == [GROUNDING["id"], "c"]
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips/a.mp4").touch()
    assert missing_videos(samples) == []
