"""`reeltune eval` as a user runs it: killed and resumed without repeating or losing a sample."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.warm import reeltune

from reeltune.cli import main
from reeltune.video.encode import write_video


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    rows = []
    for index in range(10):
        frames = np.random.default_rng(index // 2).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
        write_video(tmp_path / f"{index // 2}.mp4", frames, 2.0)
        question = {"question": "What?" + "?" * index, "options": ["a", "b"], "target": "AB"[index % 2]}
        rows.append({"id": f"q{index}", "task": "multiple_choice", "video": f"{index // 2}.mp4", **question})
    path = tmp_path / "samples.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


SETTINGS = ("video.min_frame_pixels=4096", "video.max_frame_pixels=4096", "eval.max_new_tokens=8")


def start(model: Path, samples: Path, output: Path, *words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "reeltune", "eval", str(model), str(samples), "-o", str(output)]
    return subprocess.Popen(
        [*command, "--batch-size", "2", *SETTINGS, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def run(model: Path, samples: Path, output: Path, *words: str, code: int = 0) -> str:
    done = reeltune("eval", model, samples, "-o", output, "--batch-size", "2", *SETTINGS, *words)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def finish(process: "subprocess.Popen[str]", code: int = 0) -> str:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == code, output
    return output


@pytest.mark.slow
def test_a_killed_evaluation_goes_on(tiny_models: Any, samples: Path, tmp_path: Path) -> None:
    model = tiny_models("qwen2_5_vl")
    output = finish(start(model, samples, tmp_path / "whole"))
    assert "accuracy" in output and "majority_letter" in output
    killed = tmp_path / "killed"
    process = start(model, samples, killed)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (killed / "predictions.jsonl").exists():
        time.sleep(0.01)
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with (killed / "predictions.jsonl").open("a") as file:
        file.write('{"id": "q9", "te')
    finish(start(model, samples, killed))
    assert (killed / "predictions.jsonl").read_bytes() == (tmp_path / "whole" / "predictions.jsonl").read_bytes()
    scores = json.loads((killed / "scores.json").read_text())
    assert scores["multiple_choice"]["n"] == 10
    assert scores == json.loads((tmp_path / "whole" / "scores.json").read_text())


def test_a_directory_holds_the_answers_of_one_evaluation(
    tiny_models: Any, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    def evaluate(family: str, *words: str) -> tuple[int, str]:
        settings = ["video.min_frame_pixels=4096", "video.max_frame_pixels=4096", "eval.max_new_tokens=8"]
        code = main(["eval", str(tiny_models(family)), str(samples), "-o", str(out), *settings, *words])
        return code, capsys.readouterr().err

    assert evaluate("qwen2_5_vl")[0] == 0
    before = (out / "predictions.jsonl").read_bytes()
    assert evaluate("qwen2_5_vl")[0] == 0
    code, message = evaluate("qwen3_vl")
    assert code == 2 and "contains answers of another evaluation; give another -o:\n  model: " in message
    code, message = evaluate("qwen2_5_vl", "eval.max_new_tokens=9")
    assert code == 2 and "max_new_tokens: 8, not 9" in message
    samples.write_text(samples.read_text().replace("What?", "Which?"))
    code, message = evaluate("qwen2_5_vl")
    assert code == 2 and "samples: " in message and "model: " not in message
    (out / "identity.json").unlink()
    code, message = evaluate("qwen2_5_vl")
    assert code == 2 and "unknown whose answers these are" in message
    assert (out / "predictions.jsonl").read_bytes() == before


def test_a_broken_video_counts_as_wrong_and_is_named(tiny_models: Any, samples: Path, tmp_path: Path) -> None:
    (samples.parent / "2.mp4").write_bytes(b"not a video")
    model = tiny_models("qwen2_5_vl")
    output = run(model, samples, tmp_path / "out", code=2)
    assert "cannot be used" in output
    run(model, samples, tmp_path / "out", "video.max_broken_share=0.3")
    rows = [json.loads(line) for line in (tmp_path / "out" / "quarantine.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["q4", "q5"]
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert scores["multiple_choice"]["n"] == 10 and scores["multiple_choice"]["unparsed"] >= 20


def test_captions_are_judged_by_the_recipes_judge(tiny_models: Any, samples: Path, tmp_path: Path) -> None:
    events = ["The red circle appears."]
    row = {"id": "c", "task": "captioning", "video": "0.mp4", "caption": events[0], "events": events}
    captions = samples.with_name("captions.jsonl")
    captions.write_text(json.dumps(row) + "\n")
    output = run(tiny_models("qwen2_5_vl"), captions, tmp_path / "out", "judge.kind=events")
    assert "AutoDQ (judge: events)" in output
    found = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert found["judge"]["judge"] == "events"
    assert found["captioning"]["autodq.recall.low"] <= found["captioning"]["autodq.recall"]
