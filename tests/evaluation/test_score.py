import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reeltune.errors import InputError
from reeltune.evaluation.predictions import read_predictions
from reeltune.evaluation.score import score
from reeltune.evaluation.score_table import score_table
from reeltune.statistics import bootstrap_interval


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def grounding(name: str, target: list, kind: str | None = None) -> dict:
    meta = {"meta": {"type": kind}} if kind else {}
    return {
        "id": name,
        "task": "temporal_grounding",
        "video": f"{name}.mp4",
        "query": "x",
        "duration": 20,
        "target": target,
        **meta,
    }


def choice(name: str, target: str) -> dict:
    return {
        "id": name,
        "task": "multiple_choice",
        "video": f"{name}.mp4",
        "question": "?",
        "options": ["x", "y"],
        "target": target,
    }


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    rows = [grounding("g1", [[5, 15]], "a"), grounding("g2", [[0, 10]], "b.c"), grounding("g3", [[0, 20]], "a")]
    return write(tmp_path / "samples.jsonl", *rows, choice("c1", "A"), choice("c2", "B"))


def predict(folder: Path, **texts: str) -> Path:
    return write(folder / "predictions.jsonl", *({"id": name, "text": text} for name, text in texts.items()))


def test_metrics_by_task_with_their_baselines(samples: Path, tmp_path: Path) -> None:
    predictions = predict(tmp_path, g1="2 to 10", g2="?", g3="0 to 20", c1="A", c2="A")
    found = score(samples, predictions).metrics
    grounding = found["temporal_grounding"]
    expected = {"miou": (100 * 5 / 13 + 100) / 3, "r@0.3": 200 / 3, "r@0.5": 100 / 3, "r@0.7": 100 / 3}
    expected |= {"unparsed": 100 / 3, "n": 3, "trivial.whole_video.miou": 200 / 3}
    expected |= {"type.a.miou": (100 * 5 / 13 + 100) / 2, "type.b.c.miou": 0, "type.a.n": 2}
    expected |= {"macro.miou": (100 * 5 / 13 + 100) / 4}
    assert {name: grounding[name] for name in expected} == pytest.approx(expected)
    assert grounding["miou.low"] <= grounding["miou"] <= grounding["miou.high"]
    multiple = found["multiple_choice"]
    assert multiple["accuracy"] == multiple["trivial.random_option.accuracy"] == 50
    assert not any(name.startswith("type.") for name in multiple)
    assert all(isinstance(value, float) for values in found.values() for value in values.values())


def test_missing_unknown_and_double_ids_are_named_and_counted(samples: Path, tmp_path: Path) -> None:
    rows = [("c1", "A"), ("c1", "B"), ("c1", "?"), ("zz", "A")]
    predictions = write(tmp_path / "p.jsonl", *({"id": name, "text": text} for name, text in rows))
    found = score(samples, predictions)
    assert [notice.partition(" ")[0] for notice in found.notices] == ["4", "1", "1"]
    assert "without a prediction" in found.notices[0] and "g1, g2, g3, c2" in found.notices[0]
    assert "only in the predictions" in found.notices[1] and "zz" in found.notices[1]
    assert "several predictions" in found.notices[2] and "c1" in found.notices[2]
    # The mean over c1's three completions and the missing c2.
    assert found.metrics["multiple_choice"]["accuracy"] == pytest.approx(100 * (1 / 3 + 0) / 2)
    assert found.metrics["multiple_choice"]["unparsed"] == pytest.approx(100 * (1 / 3 + 1) / 2)
    assert found.metrics["temporal_grounding"]["miou"] == 0
    assert found.metrics["temporal_grounding"]["unparsed"] == 100


def caption(name: str, kind: str, *, subjects: bool) -> dict:
    row = {"id": name, "task": "captioning", "video": f"{name}.mp4", "caption": "A dog runs.", "meta": {"type": kind}}
    return row | ({"subjects": [{"name": "dog", "actions": ["runs"]}]} if subjects else {})


def test_a_metric_is_the_mean_over_the_samples_that_it_applies_to(tmp_path: Path) -> None:
    rows = [caption("s1", "a", subjects=True), caption("s2", "a", subjects=True), caption("s3", "b", subjects=False)]
    rows += [caption(f"s{number}", "b", subjects=False) for number in range(4, 9)]
    samples = write(tmp_path / "samples.jsonl", *rows)
    told = "<think>dog | - | runs</think><answer>A dog runs.</answer>"
    found = score(samples, predict(tmp_path, s1=told, s3=told), keep_samples=True)
    values = found.metrics["captioning"]
    # s2 has no prediction: it counts 0 where the metric applies. s3 to s8 have no subjects: they do not count.
    assert (values["think_f1"], values["think_f1.n"], values["n"]) == (50, 2, 8)
    assert values["lexical_proxy_recall"] == 25 and "lexical_proxy_recall.n" not in values
    assert (values["think_f1.low"], values["think_f1.high"]) == (0, 100)
    assert values["type.a.think_f1"] == values["macro.think_f1"] == 50 and "type.b.think_f1" not in values
    # Every caption here tells that a dog runs; that of s3, which s2 is given, names no dog who does.
    assert values["trivial.another_video.think_f1"] == 50
    assert [("think_f1" in row) for row in found.per_sample] == [True, True] + [False] * 6
    text = score_table(found.metrics)
    assert "think_f1 (2 samples)" in text and "nan" not in text


def test_baselines_can_be_fitted_elsewhere(samples: Path, tmp_path: Path) -> None:
    elsewhere = write(tmp_path / "fit.jsonl", grounding("f", [[15, 20]]), choice("h", "B"))
    found = score(samples, predict(tmp_path, c1="A"), fit_on=elsewhere).metrics
    assert found["temporal_grounding"]["trivial.best_fixed_span.miou"] == pytest.approx(100 * 0.25 / 3)


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("{", ["line 1", "not JSON"]),
        ('{"id": "a"}', ["line 1", "id 'a'", "'text'"]),
        ('{"id": "a", "answer": "A"}', ["'text': missing; the line has id, answer"]),
        ('{"id": 3.5, "text": "x"}', ["line 1", "'id'", "3.5"]),
        ('{"id": "a", "text": null}', ["'text'", "None"]),
        ("", ["has no predictions"]),
    ],
)
def test_broken_predictions_are_refused(tmp_path: Path, line: str, parts: list[str]) -> None:
    path = write(tmp_path / "p.jsonl", line)
    with pytest.raises(InputError) as caught:
        read_predictions(path)
    assert all(part in str(caught.value) for part in [str(path), *parts])


def test_the_table_shows_values_intervals_and_baselines(samples: Path, tmp_path: Path) -> None:
    text = score_table(score(samples, predict(tmp_path, g1="5 to 15", c1="A")).metrics)
    assert "temporal_grounding, 3 samples" in text and "whole_video" in text and "mean over types" in text
    line = next(line for line in text.splitlines() if line.strip().startswith("miou"))
    assert line.split()[:2] == ["miou", "33.33"] and " to " in line and "66.67" in line
    assert "b.c" in text


def test_intervals_cover_the_mean_as_often_as_they_say() -> None:
    generator = np.random.default_rng(1)
    hits = 0
    for seed in range(200):
        values = (generator.random((60, 1)) < 0.3).astype(float)
        low, high = bootstrap_interval(values, resamples=300, seed=seed)
        hits += low[0] <= 0.3 <= high[0]
    assert 0.88 <= hits / 200 <= 0.99


def test_intervals_are_those_of_plain_resampling() -> None:
    values = np.random.default_rng(0).random((500, 2))
    low, high = bootstrap_interval(values, seed=3)
    half = 1.96 * values.std(axis=0) / np.sqrt(500)
    assert low == pytest.approx(values.mean(axis=0) - half, abs=0.004)
    assert high == pytest.approx(values.mean(axis=0) + half, abs=0.004)
    assert (bootstrap_interval(values, seed=3)[0] == low).all()


def test_intervals_of_a_metric_leave_out_what_it_does_not_apply_to() -> None:
    values = np.random.default_rng(0).random((400, 2))
    values[100:, 1] = np.nan
    low, high = bootstrap_interval(values, seed=3)
    half = 1.96 * values[:100, 1].std() / np.sqrt(100)
    assert (low[1], high[1]) == pytest.approx((values[:100, 1].mean() - half, values[:100, 1].mean() + half), abs=0.01)
    assert (low[0], high[0]) == tuple(end[0] for end in bootstrap_interval(values[:, :1], seed=3))
    # Most draws of a metric with one sample miss it; the others say what it is.
    rare = np.array([[0.25], *[[np.nan]] * 19])
    assert bootstrap_interval(rare, resamples=200) == (pytest.approx(0.25), pytest.approx(0.25))


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reeltune", "score", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command(samples: Path, tmp_path: Path) -> None:
    predictions = predict(tmp_path, g1="5 to 15", c1="A", zz="?")
    done = run(samples, predictions, "--json", tmp_path / "out/s.json", "--per-sample", tmp_path / "rows.jsonl")
    assert done.returncode == 0, done.stderr
    assert "3 id(s) without a prediction" in done.stderr and "zz" in done.stderr
    written = json.loads((tmp_path / "out/s.json").read_text())
    assert written == score(samples, predictions).metrics
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["g1", "g2", "g3", "c1", "c2"]
    assert rows[0]["miou"] == 100 and rows[0]["answers"] == [{"value": [[5.0, 15.0]]}]
    assert rows[1]["answers"] == [{"reason": "missing"}]


def test_the_command_refuses_broken_input(samples: Path, tmp_path: Path) -> None:
    broken = write(tmp_path / "p.jsonl", "{")
    done = run(samples, broken, "--json", tmp_path / "s.json")
    assert done.returncode == 2 and "line 1" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "s.json").exists()


def test_speed_and_memory(tmp_path: Path) -> None:
    """A tenth of 100,000 predictions in 4 s of 10 s: the machines of tests are slow."""
    rows = [grounding(f"g{i}", [[i % 7, i % 7 + 3.5]]) for i in range(10_000)]
    samples = write(tmp_path / "samples.jsonl", *rows)
    texts = {f"g{i}": f"<think>I look.</think><answer>{i % 5}.0 to {i % 5 + 4}.5</answer>" for i in range(10_000)}
    predictions = predict(tmp_path, **texts)
    code = (
        "import re, time; a = time.process_time(); from reeltune.evaluation.score import score;"
        f"score({str(samples)!r}, {str(predictions)!r});"
        # Not getrusage: its peak counts the process that forked, before the new program was loaded.
        "peak = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read());"
        "print(time.process_time() - a, int(peak[1]) / 1e6)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, gigabytes = map(float, done.stdout.split())
    assert seconds < 4 and gigabytes < 0.3
