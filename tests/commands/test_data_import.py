import json
import subprocess
import sys
from pathlib import Path

import pytest

from reeltune.data.import_ import IdRegister, VideoFinder, import_annotations
from reeltune.data.repair import repair
from reeltune.errors import InputError
from reeltune.tasks import load_samples

ENTRY = {"duration": 20, "timestamps": [[1, 5], [15, 22], [1, 5]], "sentences": ["a", "b", "a"]}


def dump(folder: Path, value: object) -> Path:
    path = folder / "annotations.json"
    path.write_text(json.dumps(value))
    return path


def test_videos_are_found_by_name_anywhere_below_the_folder(tmp_path: Path) -> None:
    for name in ("v1.mp4", "deep/v2.MKV", "deep/v.3.webm", "x/y/v4.mp4"):
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / name).touch()
    finder = VideoFinder(tmp_path / "videos")
    assert finder.relative("v1", tmp_path) == "videos/v1.mp4"
    assert finder.relative("v2.mp4", tmp_path / "out") == "../videos/deep/v2.MKV"
    assert finder.relative("v.3", tmp_path) == "videos/deep/v.3.webm"
    assert finder.relative("elsewhere/v4.mp4", tmp_path) == "videos/x/y/v4.mp4"
    assert finder.find("v5") is None and finder.relative("v5", tmp_path) == "videos/v5.mp4"
    assert finder.relative("sub/v5.avi", tmp_path) == "videos/sub/v5.avi"
    assert VideoFinder(tmp_path / "none").find("v1") is None


@pytest.mark.parametrize(
    ("past_duration", "targets"),
    [
        ("keep", [((1, 5),), ((15, 22),), ((1, 5),)]),
        ("clip", [((1, 5),), ((15, 20),), ((1, 5),)]),
        ("drop", [((1, 5),)] * 2),
    ],
)
def test_spans_past_the_duration(tmp_path: Path, past_duration: str, targets: list) -> None:
    output = tmp_path / "s.jsonl"
    files = [dump(tmp_path, {"v1": ENTRY})]
    found = import_annotations(
        "charades-sta",
        files,
        videos=tmp_path,
        output=output,
        past_duration=past_duration,  # type: ignore[arg-type]
    )
    assert [s.target for s in load_samples(output)] == targets  # type: ignore[attr-defined]
    assert any("after the video" in text for text in found.counts)
    assert found.counts["repeated entries: kept, each under its own id"] == 1


def test_ids_become_unique() -> None:
    from collections import Counter

    counts: Counter[str] = Counter()
    register = IdRegister()
    assert [register.unique(name, counts) for name in ("a", "a", "a-2", "a")] == ["a", "a-2", "a-2-2", "a-3"]
    assert sum(counts.values()) == 3


def test_rows_that_break_the_contract_are_counted_with_the_reason(tmp_path: Path) -> None:
    entry = {"video": "1.mp4", "question": "?", "candidates": ["x", "y"], "answer": "y"}
    files = [dump(tmp_path, [entry, {**entry, "answer": "none"}, {**entry, "candidates": ["y"]}])]
    found = import_annotations("mvbench", files, videos=tmp_path, output=tmp_path / "s.jsonl")
    assert len(found.rows) == 1 and found.counts == {"entries that break the contract: dropped": 2}
    assert "'annotations_1', field 'target': 'none'" in found.refused[0] and "'options'" in found.refused[1]


@pytest.mark.parametrize("value", [{"v": {"duration": 3, "timestamps": 3, "sentences": []}}, {"v": 3}])
def test_a_form_broken_deep_inside_is_an_input_error(tmp_path: Path, value: object) -> None:
    with pytest.raises(InputError, match=r"annotations\.json"):
        import_annotations("charades-sta", [dump(tmp_path, value)], videos=tmp_path, output=tmp_path / "s.jsonl")
    assert not (tmp_path / "s.jsonl").exists()


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reeltune", "data", "import", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command(tmp_path: Path) -> None:
    output = tmp_path / "out/samples.jsonl"
    done = run("charades-sta", dump(tmp_path, {"v1": ENTRY}), "--videos", tmp_path / "videos", "-o", output)
    assert done.returncode == 0, done.stderr
    assert "3 temporal_grounding samples of 1 video" in done.stdout
    assert "1 spans that end after the video" in done.stdout and "1 of 1 videos are not in" in done.stdout
    assert len(load_samples(output)) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["charades-st", "x.json"], "did you mean 'charades-sta'"), (["charades-sta", "x.json"], "cannot be read")],
)
def test_the_command_refuses_broken_input(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = run(*arguments, "--videos", tmp_path, "-o", tmp_path / "s.jsonl")
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "s.jsonl").exists()


@pytest.mark.parametrize(
    ("change", "target", "notes"),
    [
        ({"target": [[1, 5], [9, 3], [4, 4]]}, [[1, 5]], ["reversed spans", "empty spans"]),
        ({"target": [[-1, 5]]}, [[0, 5]], ["before 0"]),
        ({"target": [[25, 30], [1, 2]]}, [[1, 2]], ["after the video: dropped"]),
        ({"target": [[15, 30]]}, [[15, 20]], ["clipped to the duration"]),
        ({"target": [[15, 20.05]]}, [[15, 20.05]], []),
        ({"target": [[1, float("nan")], [1, 2]]}, [[1, 2]], ["not a pair of finite numbers"]),
        ({"target": [[9, 3]]}, None, ["reversed spans", "without a usable span"]),
    ],
)
def test_repairs_of_spans(change: dict, target: object, notes: list[str]) -> None:
    heard: list[str] = []
    fixed = repair({"task": "temporal_grounding", "duration": 20, **change}, heard.append)
    assert (fixed and fixed["target"]) == target
    assert len(heard) == len(notes) and all(part in text for part, text in zip(notes, heard, strict=True))


def test_repairs_of_letters_and_boxes() -> None:
    heard: list[str] = []
    row = {"task": "multiple_choice", "options": ["x", "y"], "target": "(b)"}
    assert repair(row, heard.append) == {**row, "target": "B"}
    assert repair({**row, "target": "C"}, heard.append) is None
    box = {"task": "object_tracking", "start_box": [-0.2, 0, 0.5, 1.5], "target": [[0, 0, 1, 1]]}
    assert repair(box, heard.append) == {**box, "start_box": [0, 0, 0.5, 1]}
    assert repair({**box, "target": [[1.2, 0, 1.5, 1]]}, heard.append) is None
    assert repair({**box, "target": "?"}, heard.append) is not None  # left to the contract, which names it
    assert len(heard) >= 4
