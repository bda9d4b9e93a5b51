"""`reeltune init` as a user runs it: tables of every kind over real video files, to a run that trains."""

import csv
import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.warm import reeltune

from reeltune.cli import main
from reeltune.data.start import Videos
from reeltune.errors import VideoError
from reeltune.explorer.opened import Opened
from reeltune.explorer.sources import open_sources
from reeltune.tasks import load_samples
from reeltune.video.contained import Decoder
from reeltune.video.encode import write_video

SPANS = [
    {"file": "a.mp4", "sentence": "a box comes", "begin": "0:00.5", "stop": 2},
    {"file": "b.mp4", "sentence": "a box goes", "begin": "1", "stop": "2.5 s"},
    {"file": "c.mp4", "sentence": "a box stays", "begin": 0, "stop": 3},
]


def clip(path: Path, seconds: float = 4, seed: int = 0, side: int = 64) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.random.default_rng(seed).integers(0, 255, (round(seconds * 4), side, side, 3), dtype=np.uint8)
    write_video(path, frames, 4.0)
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for seed, name in enumerate("abc"):
        clip(tmp_path / "videos" / f"{name}.mp4", seed=seed)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """The same rows in the form that the path's ending names; a folder is what `datasets` saves."""
    if path.suffix in (".csv", ".tsv"):
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pytest.importorskip("pyarrow", reason="Parquet and Arrow need the extra `tables`")
        import pyarrow.parquet

        texts = [{key: str(value) for key, value in row.items()} for row in rows]
        found = pyarrow.Table.from_pylist(texts)
        if path.suffix == ".parquet":
            pyarrow.parquet.write_table(found, path)
        else:
            (path / "train").mkdir(parents=True)
            with pyarrow.ipc.new_stream(path / "train" / "data-0.arrow", found.schema) as stream:
                stream.write_table(found)
            (path / "train" / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-0.arrow"}]}))
            (path / "dataset_dict.json").write_text(json.dumps({"splits": ["train"]}))
    return path


def init(folder: Path, path: Path, *words: str, code: int = 0) -> list[Any]:
    assert main(["init", str(folder / "videos"), str(path), "-o", str(folder / "out"), *words]) == code
    files = [folder / "out" / f"{name}.jsonl" for name in ("train", "held_out")]
    return sorted((s for f in files if f.exists() for s in load_samples(f)), key=lambda s: s.id) if not code else []


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.json", "t.jsonl", "t.parquet", "saved"])
def test_every_kind_of_table_gives_the_same_samples(folder: Path, name: str) -> None:
    samples = init(folder, table(folder / name, SPANS))
    assert [sample.task for sample in samples] == ["temporal_grounding"] * 3
    assert [sample.target for sample in samples] == [((0.5, 2),), ((1, 2.5),), ((0, 3),)]
    assert [sample.query for sample in samples] == [row["sentence"] for row in SPANS]
    assert all(sample.duration == pytest.approx(4) and sample.video_path.is_file() for sample in samples)
    assert "a box comes" in (folder / "out" / "index.html").read_text()
    [source] = open_sources([folder / "out"])
    opened = Opened(source, folder / "cache")
    assert all(each.path for sample in samples for files in opened.media(sample) for each in files)  # outside of it
    assert (folder / "out" / "recipe.yaml").is_file() and len(load_samples(folder / "out" / "held_out.jsonl")) == 1


OPTIONS = ["a dog", "a cat", "a cow"]


@pytest.mark.parametrize(
    ("rows", "task", "targets"),
    [
        ([{"options": OPTIONS, "answer": 1}, {"options": OPTIONS, "answer": 0}], "multiple_choice", ["B", "A"]),
        ([{"options": OPTIONS, "answer": 3}, {"options": OPTIONS, "answer": 1}], "multiple_choice", ["C", "A"]),
        ([{"options": OPTIONS, "answer": "(c)"}, {"options": OPTIONS, "answer": "A"}], "multiple_choice", ["C", "A"]),
        (
            [{"choices": str(OPTIONS), "gt": "a cat"}, {"choices": str(OPTIONS), "gt": "A cow."}],
            "multiple_choice",
            "BC",
        ),
        ([{"a0": "x", "a1": "y", "answer": "1"}, {"a0": "x", "a1": "y", "answer": "0"}], "multiple_choice", ["B", "A"]),
        ([{"A": "x", "B": "y", "answer": "B. y"}, {"A": "x", "B": "y", "answer": "A"}], "multiple_choice", ["B", "A"]),
        ([{"options": ["1", "2"], "answer": "2"}, {"options": ["1", "2"], "answer": "1"}], "multiple_choice", "BA"),
        ([{"answer": 3}, {"answer": "2.5"}], "numeric", [3.0, 2.5]),
        ([{"answer": "because it rains"}, {"answer": "a dog"}], "open_ended", ["because it rains", "a dog"]),
        (
            [
                {"options": OPTIONS, "answer": "A", "glue": [[0, 2]]},
                {"options": OPTIONS, "answer": "B", "glue": [1, 2]},
            ],
            "grounded_qa",
            ["A", "B"],
        ),
    ],
)
def test_the_columns_tell_the_task(folder: Path, rows: list[dict[str, Any]], task: str, targets: Any) -> None:
    named = [{"video": f"{name}.mp4", "question": "What?", **row} for name, row in zip("ab", rows, strict=True)]
    samples = init(folder, table(folder / "t.json", named))
    assert [sample.task for sample in samples] == [task] * 2
    assert [sample.target for sample in samples] == list(targets)


def test_labels_and_captions(folder: Path) -> None:
    rows = [{"path": f"videos/{name}.mp4", "label": label} for name, label in zip("abca", "xxyy", strict=True)]
    assert {s.task for s in init(folder, table(folder / "t.csv", rows))} == {"classification"}
    rows = [{"clip": name, "caption": f"There is {name}."} for name in "abc"]
    samples = init(folder, table(folder / "t.csv", rows))
    assert [sample.caption for sample in samples] == ["There is a.", "There is b.", "There is c."]
    assert "method: sft" in (folder / "out" / "recipe.yaml").read_text()


def test_a_wrong_guess_can_be_corrected(folder: Path, capsys: Any) -> None:
    rows = [{**row, "start": 9, "note": "z"} for row in SPANS]
    init(folder, table(folder / "t.csv", rows), "--column", "start=begin", "--column", "query=note")
    assert [s.query for s in load_samples(folder / "out" / "train.jsonl")] == ["z"] * 2
    told = capsys.readouterr().out
    assert "target     begin and stop" in told and "not used: sentence, start" in told
    init(folder, table(folder / "t.csv", rows), "--column", "start=begun", code=2)
    assert "did you mean 'begin'" in capsys.readouterr().err
    init(folder, table(folder / "u.csv", [{"file": "a.mp4", "x": 1}]), code=2)
    assert "--column" in capsys.readouterr().err
    recipe = folder / "out" / "recipe.yaml"
    recipe.write_text(recipe.read_text() + "\nseed: 3\n")
    init(folder, table(folder / "t.csv", rows), code=2)
    assert "was edited" in capsys.readouterr().err and "seed: 3" in recipe.read_text()


def test_what_cannot_be_used_is_set_aside_with_its_reason(folder: Path) -> None:
    (folder / "videos" / "broken.mp4").write_bytes(b"no video")
    clip(folder / "videos" / "one" / "twice.mp4", seed=7)
    clip(folder / "videos" / "two" / "twice.mp4", seed=8)
    rows = [
        *SPANS,
        SPANS[0] | {"file": "broken.mp4"},
        SPANS[0] | {"file": "none.mp4"},
        SPANS[0] | {"file": "twice.mp4"},
        SPANS[0] | {"begin": 3, "stop": 2},
        SPANS[0] | {"begin": "soon"},
        SPANS[0] | {"file": ""},
        SPANS[0] | {"begin": 3, "stop": 9},
    ]
    samples = init(folder, table(folder / "t.csv", rows))
    aside = [json.loads(line) for line in (folder / "out" / "set_aside.jsonl").read_text().splitlines()]
    assert len(samples) == 4 and samples[1].target == ((3, 4),), "a span past the end is cut at it"
    assert [row["row"] for row in aside] == [4, 5, 6, 7, 8, 9]
    reasons = [
        "broken.mp4",
        "no video 'none.mp4'",
        "matches 2 files",
        "usable span",
        "usable span",
        "does not name a complete video",
    ]
    assert all(part in row["reason"] for part, row in zip(reasons, aside, strict=True))


def test_copies_of_a_video_are_on_one_side(folder: Path) -> None:
    for name in "xyz":
        (folder / "videos" / f"{name}.mp4").write_bytes((folder / "videos" / "a.mp4").read_bytes())
    rows = [
        {"file": f"{name}.mp4", "sentence": f"{name}{n}", "start": 0, "end": 2} for name in "abcxyz" for n in (1, 2)
    ]
    sides = []
    for seed in range(6):
        init(folder, table(folder / "t.csv", rows), "--held-out", "0.4", "--seed", str(seed))
        held = {sample.video_path.stem for sample in load_samples(folder / "out" / "held_out.jsonl")}
        trained = {sample.video_path.stem for sample in load_samples(folder / "out" / "train.jsonl")}
        assert not held & trained and held | trained == set("abcxyz")
        assert len(held & set("axyz")) in (0, 4)
        sides.append("a" in held)
        if len(set(sides)) == 2:
            break
    assert len(set(sides)) == 2, "the seed decides"


def test_conversations_need_no_columns(folder: Path) -> None:
    entry = {
        "messages": [
            {"role": "user", "content": "<video>When does it flicker?"},
            {"role": "assistant", "content": "1.0 to 2.0"},
        ]
    }
    path = folder / "t.json"
    path.write_text(json.dumps([entry | {"videos": ["a.mp4"]}, entry | {"videos": ["b.mp4"]}]))
    assert [sample.target for sample in init(folder, path)] == [((1, 2),), ((1, 2),)]


def run(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return reeltune(*words, cwd=folder)


def test_from_a_table_to_a_trained_model(folder: Path) -> None:
    table(folder / "t.csv", SPANS)
    assert run(folder, "init", "videos", "t.csv", "-o", "out").returncode == 0
    done = run(folder, "train", "out/recipe.yaml", "rl.group_size=2")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (folder / "out" / "run" / "metrics.jsonl").read_text().splitlines()]
    assert any("reward" in row for row in rows) and any("eval/temporal_grounding/miou" in row for row in rows)


@pytest.mark.slow
def test_five_hundred_files_train_in_under_five_minutes(tmp_path: Path) -> None:
    for number in range(500):
        clip(tmp_path / "videos" / f"{number}.mp4", seconds=2, seed=number, side=32)
    rows = [
        {"name": f"{number}.mp4", "sentence": "it flickers", "start": 0.5, "end": 1 + number % 2}
        for number in range(500)
    ]
    table(tmp_path / "t.csv", rows)
    started = time.monotonic()
    done = run(tmp_path, "init", "videos", "t.csv", "-o", "out")
    assert done.returncode == 0 and "450 samples for training, 50 held out" in done.stdout, done.stderr
    done = run(tmp_path, "train", "out/recipe.yaml", "rl.steps=1", "eval.every=0", "rl.groups_per_step=2")
    seconds = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "out" / "run" / "metrics.jsonl").read_text().splitlines()) == 1
    assert seconds < 300, f"{seconds:.0f} s"


def test_a_file_that_crashes_the_decoder_is_set_aside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding is somebody else's process: what ends it ends one video, not the command."""

    def crash(*_: Any) -> Any:
        raise VideoError("the decoder crashed on it, twice")

    monkeypatch.setattr(Decoder, "frames", crash)
    videos = Videos(folder / "videos")
    videos.look([folder / "videos" / "a.mp4"])
    assert videos.index(folder / "videos" / "a.mp4") == "the decoder crashed on it, twice"
