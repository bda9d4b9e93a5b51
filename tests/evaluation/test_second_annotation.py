"""The same answers against two annotations of one set."""

import json
from pathlib import Path
from typing import Any

import pytest

from reeltune.cli import main


def row(name: str, video: str, query: str, target: list[float], source: str) -> dict[str, Any]:
    where = {"task": "temporal_grounding", "video": video, "duration": 40.0, "source": source}
    return {"id": name, "query": query, "target": [target], **where}


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    first = [
        row("a", "set/v1.mp4", "He sits down.", [0, 10], "charades-sta"),
        row("b", "set/v1.mp4", "He stands up.", [20, 30], "charades-sta"),
        row("c", "set/v2.mp4", "He sits down.", [5, 15], "charades-sta"),
    ]
    second = [
        row("1", "v1.mp4", "he sits down", [0, 5], "timelens-charades"),
        row("2", "v1.mp4", "He gets up from the sofa.", [20, 30], "timelens-charades"),
        row("3", "v2.mp4", "He sits down.", [5, 15], "timelens-charades"),
        row("4", "v3.mp4", "He sits down.", [5, 15], "timelens-charades"),
    ]
    texts = [{"id": name, "text": "<answer>0 to 10</answer>"} for name in "abc"]
    paths = []
    for name, rows in (("first", first), ("second", second), ("texts", texts)):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(each) + "\n" for each in rows))
        paths.append(str(path))
    return paths


def test_both_columns_are_over_the_questions_of_both(files: list[str], tmp_path: Path, capsys: Any) -> None:
    first, second, texts = files
    assert main(["score", first, texts, "--also", second, "--json", str(tmp_path / "found.json")]) == 0
    printed = capsys.readouterr().out
    assert "2 questions in both annotations" in printed and "charades-sta  timelens-charades" in printed
    assert "1 question(s) only in charades-sta" in printed and "2 question(s) only in timelens-charades" in printed
    found = json.loads((tmp_path / "found.json").read_text())["annotations"]
    own, again = (columns["temporal_grounding"] for columns in found["values"])
    assert own["n"] == again["n"] == 2
    assert own["miou"] == pytest.approx(100 * (1 + 1 / 3) / 2) and again["miou"] == pytest.approx(
        100 * (1 / 2 + 1 / 3) / 2
    )


def test_annotations_of_other_questions_are_refused(files: list[str], tmp_path: Path, capsys: Any) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps(row("a", "v9.mp4", "He sits down.", [0, 10], "elsewhere")) + "\n")
    assert main(["score", files[0], files[2], "--also", str(other)]) == 2
    assert "no question of elsewhere is asked in charades-sta" in capsys.readouterr().err
