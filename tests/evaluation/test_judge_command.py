"""`reeltune score --judge` as a user runs it."""

import gc
import importlib.util
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.warm import reeltune

from reeltune.cli import main

EVENTS = ["The red circle appears.", "The red circle vanishes."]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    rows = [
        {"id": f"s{n}", "task": "captioning", "video": "v.mp4", "caption": " ".join(EVENTS), "events": EVENTS}
        for n in range(3)
    ]
    texts = [" ".join(EVENTS), EVENTS[0], "A blue cross appears."]
    predictions = [{"id": f"s{n}", "text": f"<answer>{text}</answer>"} for n, text in enumerate(texts)]
    for name, content in (("samples", rows), ("predictions", predictions)):
        (tmp_path / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in content))
    return tmp_path


def score(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["score", "samples.jsonl", "predictions.jsonl", "--resamples", "0"]
    return reeltune(*command, "--json", "out.json", *options, cwd=folder)


def result(folder: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((folder / "out.json").read_text())
    return value


def test_without_a_judge_nothing_changes(files: Path) -> None:
    done = score(files)
    assert done.returncode == 0, done.stderr
    assert set(result(files)) == {"captioning"}
    assert not any("autodq" in key for key in result(files)["captioning"])


def test_the_exact_judge(files: Path) -> None:
    done = score(files, "--judge", "events", "--resamples", "50", "--per-sample", "rows.jsonl")
    assert done.returncode == 0, done.stderr
    assert "AutoDQ (judge: events)" in done.stdout
    found = result(files)
    low, high = found["captioning"]["autodq.f1.low"], found["captioning"]["autodq.f1.high"]
    assert low < found["captioning"]["autodq.f1"] < high and f"({low:.2f} to {high:.2f})" in done.stdout
    assert found["captioning"]["autodq.recall"] == pytest.approx(50.0)
    assert found["captioning"]["autodq.precision"] == pytest.approx(100 * 2 / 3)
    assert found["judge"]["judge"] == "events" and found["judge"]["failures"] == 0
    rows = [json.loads(line) for line in (files / "rows.jsonl").read_text().splitlines()]
    assert [(row["autodq.recall"], row["autodq.precision"]) for row in rows] == [(100, 100), (50, 100), (0, 0)]


def test_the_proxy_is_named_a_proxy(files: Path) -> None:
    done = score(files, "--judge", "lexical")
    assert "lexical proxy (word overlap, not a judgment)" in done.stdout and "AutoDQ" not in done.stdout


def chat_tools() -> Any:
    """The judges' test server."""
    path = Path(__file__).parents[1] / "judges" / "conftest.py"
    spec = importlib.util.spec_from_file_location("judges_conftest", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reply(handler: Any, body: dict[str, Any], number: int) -> None:
    prompt = body["messages"][-1]["content"]
    if "Label every statement" in prompt:
        text = prompt.split("Description:\n")[1].split("\n\nStatements:")[0]
        said = [line.partition(". ")[2].lower() for line in prompt.splitlines() if line[:1].isdigit()]
        handler.say(json.dumps({"labels": ["entailment" if s in text else "neutral" for s in said]}))
    else:
        text = prompt.split("Text:\n")[1].split("\n\nRules:")[0]
        handler.say(json.dumps({"events": [f"{part.strip()}." for part in text.split(".") if part.strip()]}))


def test_an_endpoint_and_its_replay(files: Path) -> None:
    with chat_tools().serving(reply) as server:
        openai = ["--judge", "openai", "--judge-set", f"base_url={server.url}", "--judge-set", "model=m"]
        done = score(files, *openai)
        assert done.returncode == 0, done.stderr
        assert "at most" in done.stderr and "calls" in done.stderr
        first, calls = result(files), len(server.requests)
        assert first["captioning"]["autodq.recall"] == pytest.approx(50.0)
        record = first["judge"]
        assert (record["judge"], record["model"], record["temperature"], record["calls"]) == ("openai", "m", 0.0, calls)
        assert record["prompts"] == "own" and len(record["prompts_hash"]) == 12 and record["cache_hits"] == 0
        assert f"AutoDQ (judge: m, own prompts {record['prompts_hash']})" in done.stdout
        done = score(files, *openai)
        assert len(server.requests) == calls and result(files)["judge"]["calls"] == 0
        assert "at most" not in done.stderr  # nothing is left to ask
        assert result(files)["captioning"] == first["captioning"]
    replay = ["--judge", "recorded", "--judge-set", "transcript=predictions.jsonl.judge.jsonl"]
    done = score(files, *replay)
    assert done.returncode == 0, done.stderr
    assert result(files)["captioning"] == first["captioning"]
    other = (files / "predictions.jsonl").read_text().replace("blue", "green")
    (files / "predictions.jsonl").write_text(other)
    done = score(files, *replay)
    assert (
        done.returncode == 2
        and "there is no recorded reply" in done.stderr
        and "differ from the recorded run" in done.stderr
    )


def test_a_cost_above_the_budget_is_confirmed_first(files: Path) -> None:
    with chat_tools().serving(reply) as server:
        openai = ["--judge", "openai", "--judge-set", f"base_url={server.url}", "--judge-set", "model=m"]
        done = score(files, *openai, "--judge-set", "budget_tokens=100")
        assert done.returncode == 2 and "more than judge.budget_tokens=100" in done.stderr and not server.requests
        done = score(files, *openai, "--judge-set", "budget_tokens=100", "--yes")
        assert done.returncode == 0 and server.requests


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--judge", "openai"], "judge: kind openai needs judge.base_url and judge.model"),
        (["--judge", "recorded", "--judge-set", "transcript=nowhere.jsonl"], "no recorded replies"),
        (["--judge", "events", "--judge-set", "concurency=3"], "did you mean 'concurrency'"),
        (["--judge", "events", "--judge-set", "attempts=none"], "judge.attempts: "),
        (
            ["--judge", "openai", "--judge-set", "base_url=http://127.0.0.1:9", "--judge-set", "model=m",
             "--judge-set", "attempts=1"],
            "cannot be reached",
        ),
        (
            ["--judge", "openai", "--judge-set", "base_url=http://127.0.0.1:9", "--judge-set", "model=m",
             "--judge-set", "api_key_env=NO_SUCH_KEY"],
            "the environment variable is missing or empty",
        ),
        (["--judge", "openai", "--judge-set", "base_url=http://127.0.0.1:9", "--judge-set", "model=m",
          "--judge-set", "prompts=nowhere"], r"no .txt file there"),
    ],
)  # fmt: skip
def test_bad_input_is_one_message(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    monkeypatch.chdir(files)
    try:
        code = main(["score", "samples.jsonl", "predictions.jsonl", "--resamples", "0", "--json", "out.json", *options])
    finally:
        gc.enable()
    assert code == 2 and message in capsys.readouterr().err
    assert not (files / "out.json").exists()
