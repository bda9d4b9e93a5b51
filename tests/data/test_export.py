"""Samples in other trainers' forms, and back by our own readers and by theirs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reeltune.cli import main
from reeltune.data.tables import read_records
from reeltune.tasks import load_samples
from reeltune.video.encode import write_video

ROWS: list[dict[str, Any]] = [
    {"id": "span", "task": "temporal_grounding", "video": "a.mp4", "query": "it moves", "duration": 4.0,
     "target": [[1.0, 2.0]]},
    {"id": "choice", "task": "multiple_choice", "video": "a.mp4", "question": "What is it?",
     "options": ["a cat", "a dog"], "target": "B"},
    {"id": "part", "task": "multiple_choice", "media": [{"video": "a.mp4", "start": 1.0, "end": 3.0}],
     "question": "And here?", "options": ["a cat", "a dog"], "target": "A"},
    {"id": "talk", "task": "instruction", "video": "a.mp4", "instruction": "And then?", "response": "It stops.",
     "turns": [{"role": "user", "text": "What moves?"}, {"role": "assistant", "text": "A dog."}]},
]  # fmt: skip


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    write_video(tmp_path / "a.mp4", np.zeros((8, 32, 32, 3), dtype=np.uint8), 2.0)
    (tmp_path / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return tmp_path / "samples.jsonl"


@pytest.mark.parametrize(("form", "ending"), [("trl", ".jsonl"), ("ms-swift", ".jsonl"), ("llama-factory", ".json")])
def test_conversations_come_back(form: str, ending: str, samples: Path, tmp_path: Path, capsys: Any) -> None:
    written, back = tmp_path / f"out{ending}", tmp_path / "back.jsonl"
    assert main(["data", "export", str(samples), "--to", form, "-o", str(written)]) == 0
    kept = [row for row in ROWS if form == "trl" or row["id"] != "part"]
    said = capsys.readouterr().err
    assert ("1 samples with a part of a video: left out" in said) == (form != "trl")
    rows = read_records(written)
    # The column of ours is what was there.
    assert [json.loads(row["reeltune"]) for row in rows] == kept
    assert main(["data", "import", "conversations", str(written), "--videos", str(tmp_path), "-o", str(back)]) == 0
    found = {sample.id: sample for sample in load_samples(back)}
    assert set(found) == {row["id"] for row in kept}
    span, choice, talk = (found[name] for name in ("span", "choice", "talk"))
    assert (span.task, span.target) == ("temporal_grounding", ((1.0, 2.0),)), "read as what it is"  # type: ignore
    assert (choice.task, choice.target) == ("multiple_choice", "B")  # type: ignore[attr-defined]
    assert choice.options == ("a cat", "a dog") and choice.video_path == (tmp_path / "a.mp4")  # type: ignore
    assert [turn.text for turn in talk.turns] == ["What moves?", "A dog."]
    if form == "trl":
        [medium] = found["part"].all_media
        assert (medium.start, medium.end) == (1.0, 3.0)


def test_verl_and_datasets_are_tables(samples: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    assert main(["data", "export", str(samples), "--to", "verl", "-o", str(tmp_path / "verl.parquet")]) == 0
    rows = read_records(tmp_path / "verl.parquet")
    assert [json.loads(row["extra_info"]["reeltune"]) for row in rows] == ROWS
    assert rows[0]["prompt"][-1]["content"].startswith("<video>") and rows[0]["videos"][0]["video"].endswith("a.mp4")
    assert rows[1]["reward_model"]["style"] == "rule" and "B" in rows[1]["reward_model"]["ground_truth"]
    assert rows[2]["videos"][0]["video_start"] == 1.0

    written = tmp_path / "table.parquet"
    assert main(["data", "export", str(samples), "--to", "datasets", "-o", str(written)]) == 0
    assert [json.loads(row["reeltune"]) for row in read_records(written)] == ROWS
    datasets = pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")
    opened = datasets.Dataset.from_parquet(str(written), cache_dir=str(tmp_path / "cache"))
    assert [json.loads(row["reeltune"]) for row in opened] == ROWS and opened.column_names[0] == "id"
    opened.save_to_disk(tmp_path / "saved")
    from reeltune.data.tables import read_table

    assert [row["id"] for row in read_table(tmp_path / "saved")] == [row["id"] for row in ROWS]


def test_what_cannot_be_written(samples: Path, tmp_path: Path, capsys: Any) -> None:
    assert main(["data", "export", str(samples), "--to", "verl", "-o", str(tmp_path / "x.jsonl")]) == 2
    assert "verl is written as .parquet" in capsys.readouterr().err
    frames = {"id": "f", "task": "instruction", "media": [{"frames": ["a.png"], "fps": 1.0}], "instruction": "x"}
    (tmp_path / "frames.jsonl").write_text(json.dumps(frames | {"response": "y"}) + "\n")
    assert main(["data", "export", str(tmp_path / "frames.jsonl"), "--to", "trl", "-o", str(tmp_path / "x.jsonl")]) == 2
    assert "nothing to write: 1 samples with a list of frames" in capsys.readouterr().err
