"""Two evaluations side by side, and intervals that draw videos: held to plain formulas and plain resampling."""

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reeltune.cli import main
from reeltune.errors import InputError
from reeltune.evaluation.compare import compare, read_scored
from reeltune.statistics import bootstrap_interval


def test_questions_about_one_video_are_drawn_together() -> None:
    """Ten equal answers a video are one piece of evidence: the interval is that of the videos' means."""
    rng = np.random.default_rng(0)
    means = rng.random(60)
    values = np.repeat(means, 10)[:, None]
    videos = [f"v{number // 10}" for number in range(600)]
    low, high = bootstrap_interval(values, seed=1, clusters=videos)
    half = 1.96 * means.std() / math.sqrt(60)
    assert (low[0], high[0]) == (
        pytest.approx(means.mean() - half, abs=0.01),
        pytest.approx(means.mean() + half, abs=0.01),
    )
    alone, end = bootstrap_interval(values, seed=1)
    assert (high - low)[0] > 2.5 * (end - alone)[0], "questions drawn one by one claim far too much"


def test_clusters_of_one_are_samples() -> None:
    values = np.random.default_rng(0).random((50, 2))
    values[::3, 1] = np.nan
    whole = bootstrap_interval(values, seed=2, clusters=list(range(50)))
    assert np.allclose(whole, bootstrap_interval(values, seed=2))


def row(name: str, video: str, **scores: float) -> dict[str, Any]:
    return {"id": name, "task": "multiple_choice", "video": video, **scores, "answers": []}


def test_the_paired_difference_is_that_of_plain_resampling() -> None:
    rng = random.Random(0)
    a, b, by_video = {}, {}, {}
    for number in range(200):
        video, hard = f"v{number // 4}", rng.random()
        first, second = float(rng.random() > hard) * 100, float(rng.random() > hard * 0.7) * 100
        a[f"q{number}"], b[f"q{number}"] = (
            row(f"q{number}", video, accuracy=first),
            row(f"q{number}", video, accuracy=second),
        )
        by_video.setdefault(video, []).append(second - first)
    [found] = compare(a, b, resamples=4000).differences
    draws = sorted(
        sum(sum(by_video[v]) for v in chosen) / sum(len(by_video[v]) for v in chosen)
        for chosen in (rng.choices(list(by_video), k=50) for _ in range(4000))
    )
    assert found.difference == pytest.approx(found.b - found.a)
    assert (found.low, found.high) == (pytest.approx(draws[100], abs=0.8), pytest.approx(draws[3899], abs=0.8))
    assert (found.n, found.videos) == (200, 50)
    assert found.b_better - found.a_better == pytest.approx(200 * found.difference / 100)


def test_equal_answers_differ_in_nothing_and_one_sidedness_is_seen() -> None:
    a = {f"q{n}": row(f"q{n}", f"v{n}", accuracy=100.0 * (n % 2)) for n in range(40)}
    [same] = compare(a, a, resamples=100).differences
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
    better = {name: {**each, "accuracy": 100.0} for name, each in a.items()}
    [found] = compare(a, better, resamples=1000).differences
    assert found.low > 0 and found.p == pytest.approx(1 / 1000) and (found.a_better, found.b_better) == (0, 20)


def test_what_one_side_lacks_is_named() -> None:
    a = {name: row(name, name, accuracy=1.0) for name in "abc"}
    b = {name: row(name, name, accuracy=1.0) for name in "bcd"}
    found = compare(a, b, resamples=10)
    assert (found.only_a, found.only_b, found.differences[0].n) == (["a"], ["d"], 2)
    assert "only in A" in found.text()
    with pytest.raises(InputError, match="no ids in common"):
        compare({"a": a["a"]}, {"d": b["d"]})
    with pytest.raises(InputError, match="is of multiple_choice in one"):
        compare(a, {"a": a["a"] | {"task": "numeric"}})


def test_the_command_reads_what_score_writes(tmp_path: Path, capsys: Any) -> None:
    base = {"task": "multiple_choice", "question": "?", "options": ["x", "y"], "target": "A"}
    samples = [{"id": f"q{n}", "video": f"{n % 5}.mp4", **base} for n in range(20)]
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(each) + "\n" for each in samples))
    for name, wrong in (("one", 8), ("two", 0)):
        said = [{"id": f"q{n}", "text": "B" if n < wrong else "A"} for n in range(20)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in said))
        (tmp_path / name).mkdir()
        out = tmp_path / name / "per_sample.jsonl"
        words = [str(tmp_path / "s.jsonl"), str(tmp_path / f"{name}.jsonl"), "--per-sample", str(out)]
        assert main(["score", *words, "--resamples", "0"]) == 0
    capsys.readouterr()
    out = tmp_path / "c.json"
    assert (
        main(["compare", str(tmp_path / "one"), str(tmp_path / "two"), "--json", str(out), "--resamples", "500"]) == 0
    )
    assert "+40.00" in capsys.readouterr().out
    [found] = json.loads(out.read_text())["differences"]
    assert (found["a"], found["b"], found["n"], found["videos"]) == (60, 100, 20, 5)
    assert len(read_scored(tmp_path / "one")) == 20
    assert main(["compare", str(tmp_path / "one.jsonl"), str(tmp_path / "two")]) == 2
    capsys.readouterr()
    # Samples have ids, tasks, videos and numbers too.
    timed = {"id": "q1", "task": "temporal_grounding", "video": "1.mp4", "duration": 5.0}
    (tmp_path / "timed.jsonl").write_text(json.dumps(timed) + "\n")
    assert main(["compare", str(tmp_path / "timed.jsonl"), str(tmp_path / "timed.jsonl")]) == 2
    assert "line 1: not the scores of a sample" in capsys.readouterr().err
