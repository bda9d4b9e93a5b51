"""Video-R1's problems: the type of problem decides the task."""

from pathlib import Path

import pytest
from PIL import Image
from tests.data.formats.test_conversations import PROBLEM, dump, videos

from reeltune.cli import main
from reeltune.tasks import load_samples

__all__ = ["videos"]


def test_video_r1(tmp_path: Path, videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = [
        PROBLEM,
        {**PROBLEM, "problem_id": None, "solution": "<answer>B. y</answer>", "data_source": "CLEVRER"},
        {**PROBLEM, "problem_type": "numerical", "solution": "<answer>1,200</answer>"},
        {**PROBLEM, "problem_type": "free-form", "solution": "<answer>a dog</answer>"},
        {**PROBLEM, "problem_type": "regression", "solution": "<answer>2.5</answer>"},
        {
            **PROBLEM,
            "problem_type": "OCR",
            "solution": "<answer>STOP</answer>",
            "data_type": "image",
            "path": "./0.png",
        },
        {**PROBLEM, "problem_type": "numerical"},
        {**PROBLEM, "problem_type": "riddle"},
        {**PROBLEM, "data_type": "image", "path": "1.png"},
        {**PROBLEM, "data_type": "audio"},
        {**PROBLEM, "path": "none.mp4"},
        {**PROBLEM, "options": ["B. y", "A. x"]},
        {**PROBLEM, "solution": "<answer>C</answer>"},
        {**PROBLEM, "process": "<think>x</think>"},
    ]
    Image.new("RGB", (32, 32)).save(videos / "0.png")
    path = dump(tmp_path / "r1.json", entries)
    assert main(["data", "check", str(path)]) == 2
    assert "reeltune data import video-r1 " in capsys.readouterr().err
    output = tmp_path / "s.jsonl"
    assert main(["data", "import", "video-r1", str(path), "--videos", str(videos), "-o", str(output)]) == 0
    out = capsys.readouterr().out
    for count in (
        "3 multiple_choice, 2 numeric, 2 open_ended samples of 2 videos",
        "1 number problems whose answer is not a number: left out",
        "1 problems of type 'riddle', for which there is no task: left out",
        "1 entries whose image is not there: left out",
        "1 problems with data of type 'audio': left out",
        "1 entries whose video is not there: left out",
        "1 problems whose options are not lettered A, B, C, ... in order: left out",
        "1 letters beyond the options: sample dropped",
        "1 written reasoning (process): removed",
    ):
        assert count in out
    rows = [sample.model_dump() for sample in load_samples(output)]
    chosen = [row for row in rows if row["task"] == "multiple_choice"]
    assert [(row["id"], row["target"], row["options"]) for row in chosen] == [
        ("2", "A", ("x", "y")),
        ("row 2", "B", ("x", "y")),
        ("2-6", "A", ("x", "y")),
    ]
    assert [row["target"] for row in rows if row not in chosen] == [1200, "a dog", 2.5, "STOP"]
    assert [row["tolerance"] for row in rows if row["task"] == "numeric"] == [0.005, None]
    assert rows[5]["video"] is None and rows[5]["media"][0]["image"].endswith("0.png")
    assert rows[1]["meta"].keys() == {"type", "media_digests"} and rows[1]["meta"]["type"] == "CLEVRER"
