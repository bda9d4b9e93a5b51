"""Benchmarks by form: one reader for about twenty sets, and the later grounding and group-scored ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from reeltune.data.formats import get_benchmark
from reeltune.data.import_ import Imported, import_annotations
from reeltune.errors import InputError
from reeltune.tasks import load_samples

REAL = Path(__file__).parents[4] / "shared" / "data" / "annotations" / "easyvideor1_part"


def imported(name: str, folder: Path, value: Any, file: str = "annotations.json") -> tuple[list[Any], Imported]:
    path = folder / file
    lines = file.endswith(".jsonl")
    path.write_text("".join(json.dumps(row) + "\n" for row in value) if lines else json.dumps(value))
    found = import_annotations(name, [path], videos=folder, output=folder / "out.jsonl")
    return list(load_samples(folder / "out.jsonl")), found


def problem(kind: str, solution: str, **rest: Any) -> dict[str, Any]:
    base = {"problem": "<video>\nWhat?", "problem_type": kind, "data_type": "video", "path": "./a/b.mp4", "options": []}
    return {**base, "solution": solution, "problem_id": len(solution), **rest}


GROUNDING, TIME = "temporal grounding", '{"time": [1, 2.5], "boxes": {}}'
OPTIONS = {"options": ["A: a dog", "B: a cat"]}


@pytest.mark.parametrize(
    ("entry", "task", "target"),
    [
        (problem("multiple choice", "<answer>B</answer>", **OPTIONS), "multiple_choice", "B"),
        (problem("multiple_choice", "<answer>(A)</answer>", **OPTIONS), "multiple_choice", "A"),
        (problem("multiple choice", "<answer>B</answer>", options=["A. B", "B. A"]), "multiple_choice", "B"),
        (problem("regression", "<answer>1.75</answer>", options=None), "numeric", 1.75),
        (problem("numerical", "<answer>1,200</answer>"), "numeric", 1200.0),
        (problem("open-ended", "<answer>first: a\nsecond: b</answer>"), "open_ended", "first: a\nsecond: b"),
        (
            problem("temporal grounding", '<answer>{"time": [1, 2.5], "boxes": {}}</answer>'),
            "temporal_grounding",
            ((1, 2.5),),
        ),
        (
            problem("temporal grounding", '<think>{"time": [1, 2.5], "boxes": {}}</think><[X]>'),
            "temporal_grounding",
            ((1, 2.5),),
        ),
    ],
)
def test_the_type_of_problem_decides_the_task(tmp_path: Path, entry: dict[str, Any], task: str, target: Any) -> None:
    ([sample], _) = imported("easyvideor1", tmp_path, [entry], "vsibench.json")
    assert (sample.task, sample.target, sample.source) == (task, target, "vsibench")
    assert sample.video.endswith("a/b.mp4") and sample.id.startswith("vsibench_")
    asked = sample.query if task == "temporal_grounding" else sample.question
    assert asked == "What?"


def test_what_has_no_task_is_counted(tmp_path: Path) -> None:
    rows = [
        problem("regression", "<answer>3</answer>"),
        problem("spatial-temporal grounding", "<answer>{}</answer>"),
        problem("regression", "<answer>about three</answer>"),
        problem("multiple choice", "<answer>A</answer>", options=["B. x", "A. y"]),
        problem("temporal grounding", "<answer>{}</answer>"),
        problem("open-ended", "<answer></answer>"),
        problem("regression", "<answer>3</answer>", data_type="image"),
    ]
    samples, found = imported("easyvideor1", tmp_path, rows)
    assert len(samples) == 1 and sum(found.counts.values()) == 6
    with pytest.raises(InputError, match="'problem_type': missing"):
        imported("easyvideor1", tmp_path, [{"problem": "x", "solution": "y", "path": "z"}])


@pytest.mark.skipif(not REAL.is_dir(), reason=f"{REAL} is not here; the same forms are tested on files made above")
@pytest.mark.parametrize(
    ("name", "tasks"),
    [
        ("charades_sta", "temporal_grounding"), ("mmvu", "multiple_choice"), ("mvbench", "multiple_choice"),
        ("ovobench", "multiple_choice"), ("videomme", "multiple_choice"), ("videommmu", "multiple_choice"),
        ("videoreasonbench", "open_ended"), ("vsibench", "numeric"),
    ],
)  # fmt: skip
def test_real_files(tmp_path: Path, name: str, tasks: str) -> None:
    found = import_annotations("easyvideor1", [REAL / f"{name}.json"], videos=tmp_path, output=tmp_path / "out.jsonl")
    samples: list[Any] = list(load_samples(tmp_path / "out.jsonl"))
    assert len(samples) == 12 and not found.refused and {sample.task for sample in samples} == {tasks}
    raw = json.loads((REAL / f"{name}.json").read_text())
    if tasks == "multiple_choice":
        assert [f"<answer>{sample.target}</answer>" for sample in samples] == [entry["solution"] for entry in raw]
    if tasks == "temporal_grounding":
        assert samples[0].target == ((24.296875, 30.40625),) and samples[0].duration is None


def test_timelens(tmp_path: Path) -> None:
    value = {"v1": {"duration": 30.0, "spans": [[1, 2], [3, 9.5]], "queries": ["a", "b"]}}
    samples, _ = imported("timelens", tmp_path, value, "charades.json")
    assert [(s.id, s.query, s.target, s.source) for s in samples] == [
        ("v1_0", "a", ((1, 2),), "timelens-charades"),
        ("v1_1", "b", ((3, 9.5),), "timelens-charades"),
    ]


def test_qvhighlights(tmp_path: Path) -> None:
    row = {"qid": 2579, "query": "a", "duration": 150, "vid": "x_60.0_210.0", "relevant_windows": [[82, 150], [4, 8]]}
    samples, found = imported("qvhighlights", tmp_path, [row, {"qid": 1, "query": "b", "vid": "y"}], "val.jsonl")
    assert [(s.id, s.target) for s in samples] == [("2579", ((82, 150), (4, 8)))]
    assert found.counts == {"queries without published windows: left out": 1}


def test_rextime(tmp_path: Path) -> None:
    row = {"qid": "q", "vid": "v", "category": "means", "question": "How?", "options": ["(A) x", "(B) y"], "ans": "B"}
    samples, _ = imported("rextime", tmp_path, [row | {"span": [2, 4], "duration": 9}, row | {"qid": "r"}], "val.json")
    [sample] = samples
    assert (sample.options, sample.target, sample.evidence) == (("x", "y"), "B", ((2, 4),))
    assert sample.meta == {"type": "means"}


def test_video_mme_v2(tmp_path: Path) -> None:
    row = {"video_id": "001", "question_id": "001-1", "question": "?", "options": "A. x\nB. y", "answer": "B"}
    row |= {"group_type": "logic", "group_structure": "[1, [2, 3], 4]", "level": 2}
    ([sample], _) = imported("video-mme-v2", tmp_path, [row])
    assert (sample.options, sample.target) == (("x", "y"), "B")
    assert sample.meta["group"] == "001" and sample.meta["group_structure"] == "[1, [2, 3], 4]"


@pytest.mark.parametrize("name", ["easyvideor1", "timelens", "qvhighlights", "rextime", "video-mme-v2"])
def test_they_say_what_they_read(name: str) -> None:
    benchmark = get_benchmark(name)
    assert benchmark.source and benchmark.metric and benchmark.license
