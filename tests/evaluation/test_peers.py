"""Answers written by other evaluators, in their forms, scored against our samples."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from reeltune.errors import InputError
from reeltune.evaluation.peers import is_from_a_peer, read_from_a_peer
from reeltune.evaluation.score import score
from reeltune.tasks import load_samples

TASK = {"task": "multiple_choice", "question": "?", "options": ["x", "y"], "target": "A"}


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    rows = [{"id": f"q{n}", "video": f"{n}.mp4", **TASK} for n in range(4)]
    path = tmp_path / "s.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def logged(path: Path, **fields: Any) -> Path:
    """As `--log_samples` writes: out of order, the raw responses beside the filtered ones."""
    rows = []
    for number, text in ((2, "B"), (0, "A"), (3, "A"), (1, "(A) x")):
        doc = {name: value(number) for name, value in fields.items()}
        rows.append({"doc_id": number, "doc": doc, "target": "A", "resps": [[text]], "filtered_resps": ["-"]})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("fields", [{}, {"question_id": lambda n: f"q{n}", "other": lambda n: n}])
def test_lmms_evals_logged_samples(samples: Path, tmp_path: Path, fields: dict[str, Any]) -> None:
    path = logged(tmp_path / "log.jsonl", **fields)
    found = score(samples, path, resamples=0, keep_samples=True)
    assert {row["id"]: row["accuracy"] for row in found.per_sample} == {"q0": 100, "q1": 100, "q2": 0, "q3": 100}
    assert ("their field 'question_id'" if fields else "their order") in found.notices[0]


@pytest.mark.parametrize("ending", [".csv", ".tsv"])
def test_vlmevalkits_tables(samples: Path, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"model_MVBench{ending}"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if ending == ".tsv" else ",")
        writer.writerow(["index", "video", "question", "answer", "prediction"])
        writer.writerows([[n, f"{n}.mp4", "?", "x", text] for n, text in enumerate(["A", "B", "", "A. x"])])
    found = score(samples, path, resamples=0, keep_samples=True)
    assert [row["accuracy"] for row in found.per_sample] == [100, 0, 0, 100]


def test_a_table_of_places_alone_is_put_in_their_order(samples: Path, tmp_path: Path) -> None:
    path = tmp_path / "model_Any.tsv"
    path.write_text(
        "index\tprediction\n" + "".join(f"{n}\t{text}\n" for n, text in ((3, "A"), (11, "B"), (2, "B"), (1, "A")))
    )
    answers, _ = read_from_a_peer(path, load_samples(samples))
    assert answers == {"q0": ["A"], "q1": ["B"], "q2": ["A"], "q3": ["B"]}


def test_a_question_without_a_response_is_an_empty_answer(samples: Path, tmp_path: Path) -> None:
    path = logged(tmp_path / "log.jsonl")
    path.write_text(path.read_text().replace('[["B"]]', "[[]]").replace('["-"]', "[]"))
    assert read_from_a_peer(path, load_samples(samples))[0]["q2"] == [""]


def test_videochat_r1s_logs_are_matched_by_video_and_question(tmp_path: Path) -> None:
    """Its evaluations append {video_path, prompt, gt, pred, acc} as they go, and leave out what failed."""
    asked = [("a.mp4", "Who sings?"), ("a.mp4", "Who dances?"), ("b.mp4", "Who sings?")]
    samples = tmp_path / "s.jsonl"
    ours = [{**TASK, "id": f"q{n}", "video": f"clips/{v}", "question": words} for n, (v, words) in enumerate(asked)]
    samples.write_text("".join(json.dumps(row) + "\n" for row in ours))
    rows = [
        {
            "video_path": f"/their/{asked[n][0]}",
            "prompt": f"{asked[n][1]}\nOptions: ['A. x', 'B. y']",
            "gt": {},
            "pred": f"<think>so</think><answer>{letter}</answer>",
            "acc": 0.0,
        }
        for n, letter in ((2, "A"), (1, "B"))
    ]
    path = tmp_path / "cuda:0.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert is_from_a_peer(path)
    found = score(samples, path, resamples=0, keep_samples=True)
    assert {row["id"]: row["accuracy"] for row in found.per_sample} == {"q0": 0, "q1": 0, "q2": 100}
    assert "their videos and questions" in found.notices[0] and "q0" in found.notices[1]
    path.write_text(json.dumps(rows[0] | {"prompt": "Who dances? Who sings?", "video_path": "a.mp4"}) + "\n")
    with pytest.raises(InputError, match="do not identify one sample each"):  # two would fit
        score(samples, path)


@pytest.mark.parametrize(
    "content",
    [
        {"q0": "A", "q1": "B"},
        [{"id": "q1", "response": "B"}, {"id": "q0", "response": "A"}],
        {"results": [{"question_id": "q0", "output": "so A", "prediction": "B"}, {"question_id": "q1", "output": "B"}]},
    ],
)
def test_json_of_others(samples: Path, tmp_path: Path, content: Any) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps(content))
    found = score(samples, path, resamples=0, keep_samples=True)
    assert [row["accuracy"] for row in found.per_sample] == [100, 0, 0, 0]


def test_what_cannot_be_matched_is_refused(samples: Path, tmp_path: Path) -> None:
    path = logged(tmp_path / "log.jsonl")
    path.write_text("".join(line + "\n" for line in path.read_text().splitlines()[:3]))
    with pytest.raises(InputError, match="3 answers for 4 samples"):
        score(samples, path)
    other = tmp_path / "x.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="not predictions of lmms-eval"):
        read_from_a_peer(other, [])
    with pytest.raises(InputError, match=r"as \.tsv"):
        read_from_a_peer(tmp_path / "x.xlsx", [])
    ours = tmp_path / "p.jsonl"
    ours.write_text('{"id": "q0", "text": "A"}\n')
    assert not is_from_a_peer(ours)
