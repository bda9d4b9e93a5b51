"""One law for faulty samples: the same file, with a fault of every kind, through check, training, evaluation, selection
and score. Named by file, line and id, set aside, counted, bounded by one share."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.workshop import Workshop, workshop

from reeltune.cli import main
from reeltune.data.findings import check_samples

__all__ = ["workshop"]

SHARE = "video.max_broken_share=0.5"
SMALL = ["rl.steps=2", "rl.groups_per_step=2", "rl.group_size=2", "sft.steps=2", "sft.samples_per_step=2"]
FAULTS = {9: "not JSON", 10: "'instruction'", 11: "already used in line 1", 12: "none.mp4", 13: "broken.mp4"}
"""Line of the file -> what its reason says."""


@pytest.fixture
def faulty(workshop: Workshop) -> Workshop:
    """Eight good samples in lines 1 to 8, then a fault of every kind."""
    good = json.loads(workshop.samples.read_text().splitlines()[0])
    (workshop.folder / "broken.mp4").write_bytes(b"no video")
    lines = [
        "{",
        json.dumps(good | {"id": "breach", "instruction": 3}),
        json.dumps(good),
        json.dumps(good | {"id": "missing", "video": "none.mp4"}),
        json.dumps(good | {"id": "undecodable", "video": "broken.mp4"}),
    ]
    with workshop.samples.open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))
    return workshop


def train(bench: Workshop, run: str, *words: str, code: int = 0) -> None:
    """In this process: a start of Python costs more than the run."""
    assert main(bench.command(run, *words)[3:]) == code


def reasons(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def require_all_named(rows: list[dict[str, Any]], name: str = "samples.jsonl") -> None:
    for line, part in FAULTS.items():
        [row] = [row for row in rows if f"{name}, line {line}" in row["reason"]]
        assert part in row["reason"], row
    assert len(rows) == len(FAULTS)


def test_check_names_them(faulty: Workshop, capsys: Any) -> None:
    task = ["--task-file", str(faulty.folder / "vowels.py")]
    report = faulty.folder / "report.json"
    code = main(["data", "check", str(faulty.samples), "--decode", "--json", str(report), *task])
    errors = json.loads(report.read_text())["errors"]
    assert code == 1
    kinds = ["invalid samples", "ids used twice", "videos are missing", "videos cannot be decoded"]
    assert [len(errors[kind]) for kind in kinds] == [2, 1, 1, 1]
    assert len(check_samples(faulty.samples, decode=True).samples) == 10


@pytest.mark.parametrize("method", ["grpo", "sft"])
def test_training_and_its_own_evaluation_go_on(faulty: Workshop, method: str, capsys: Any) -> None:
    train(faulty, method, f"method={method}", SHARE, *SMALL, "eval.every=1")
    told = capsys.readouterr().err
    run = faulty.folder / method
    assert "data.train: 4 set aside, the first:" in told and "eval.data: 4 set aside" in told
    require_all_named(reasons(run / "quarantine-eval.jsonl"))
    found = reasons(run / "quarantine.jsonl")
    assert {row["id"] for row in found} >= {"missing", f"{faulty.samples}, line 9", f"{faulty.samples}, line 11"}
    counts = [row["quarantined"] for row in faulty.metrics(method) if "quarantined" in row]
    assert counts and min(counts) >= 4
    rows = [row for row in faulty.metrics(method) if "eval/vowels/n" in row]
    assert [row["eval/vowels/n"] for row in rows] == [10.0] * 3, "samples without a video count as wrong"


def test_evaluation_selection_and_score_go_on(faulty: Workshop, capsys: Any) -> None:
    tasks = f"data.tasks=[{faulty.folder / 'vowels.py'}]"
    pixels = ["video.min_frame_pixels=4096", "video.max_frame_pixels=4096", "eval.max_new_tokens=4"]
    out = faulty.folder / "eval"
    assert main(["eval", str(faulty.model), str(faulty.samples), "-o", str(out), tasks, SHARE, *pixels]) == 0
    require_all_named(reasons(out / "quarantine.jsonl"))
    assert json.loads((out / "scores.json").read_text())["set_aside"] == 5
    assert "5 set aside (3 of them lines that are not valid samples" in capsys.readouterr().err
    chosen = faulty.folder / "select"
    words = ["--min-std", "0", "--min-level", "0", "select.repeats=2", "rl.max_new_tokens=4", SHARE]
    assert main(["select", str(faulty.recipe), "-o", str(chosen), *words]) == 0
    require_all_named(reasons(chosen / "quarantine.jsonl"))
    parts = []
    for number in (1, 2):
        part = faulty.folder / f"part{number}"
        assert main(["select", str(faulty.recipe), "-o", str(part), "--shard", f"{number}/2", *words]) == 0
        parts.append(str(part))
    whole = faulty.folder / "whole"
    assert main(["select", "--merge", *parts, "-o", str(whole), *words[:4]]) == 0
    require_all_named(reasons(whole / "quarantine.jsonl"))


def test_score_sets_lines_aside_too(tmp_path: Path, capsys: Any) -> None:
    good = {"task": "multiple_choice", "video": "a.mp4", "question": "?", "options": ["x", "y"], "target": "A"}
    samples, predictions = tmp_path / "s.jsonl", tmp_path / "p.jsonl"
    lines = [json.dumps({"id": number, **good}) for number in range(30)]
    samples.write_text("".join(f"{line}\n" for line in [*lines, "{"]))
    predictions.write_text("".join(json.dumps({"id": number, "text": "A"}) + "\n" for number in range(30)))
    assert main(["score", str(samples), str(predictions), "--resamples", "0"]) == 0
    told = capsys.readouterr()
    assert "set aside" in told.err and "s.jsonl, line 31" in told.err and "100.00" in told.out
    samples.write_text("".join(f"{line}\n" for line in [*lines, "{", "{", "{"]))
    assert main(["score", str(samples), str(predictions), "--resamples", "0"]) == 2
    assert "3 of 33 samples" in capsys.readouterr().err


def test_the_share_stops_before_a_model_is_loaded(faulty: Workshop, capsys: Any) -> None:
    train(faulty, "run", *SMALL, code=2)
    told = capsys.readouterr().err
    assert "4 of 13 samples (30.8%) cannot be used; at most 5.0% may" in told and "line 9" in told
    assert not (faulty.folder / "run").exists()


def test_one_broken_held_out_video_stops_no_run(workshop: Workshop) -> None:
    held_out = workshop.folder / "held_out.jsonl"
    rows = [json.loads(line) for line in workshop.samples.read_text().splitlines()]
    (workshop.folder / "broken.mp4").write_bytes(b"no video")
    held_out.write_text("".join(json.dumps(row) + "\n" for row in [*rows[:2], rows[2] | {"video": "broken.mp4"}]))
    # One of three is more than the share; a single one never stops a run.
    train(workshop, "run", *SMALL, f"eval.data={held_out}", "eval.every=1")
    assert [row["id"] for row in reasons(workshop.folder / "run" / "quarantine-eval.jsonl")] == ["clip-2"]


def test_several_processes_write_each_fault_once(faulty: Workshop) -> None:
    faulty.train("two", SHARE, *SMALL, "eval.every=0", processes=2)
    found = [row["id"] for row in reasons(faulty.folder / "two" / "quarantine.jsonl")]
    assert len(found) == len(set(found)) >= 4
