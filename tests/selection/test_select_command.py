"""`reeltune select` as a user runs it: asked, killed, in shards, merged, chosen again, with bad input."""

import os
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import permutations
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest
import yaml
from tests.workshop import torchrun

from reeltune.tasks import load_samples

WIDE = ("--min-std", "0.001", "--min-level", "0")


def stats(bench: Any, output: str = "out") -> list[dict[str, Any]]:
    return bench.rows(output, "stats.jsonl")


def test_what_can_teach_is_kept_with_paths_that_hold(bench: Any, capsys: Any) -> None:
    assert bench.select(*WIDE) == 0
    found = stats(bench)
    assert [row["id"] for row in found] == [f"clip-{number}" for number in range(10)]
    expected = set()
    for row in found:
        assert len(row["rewards"]) == len(row["lengths"]) == 4
        assert row["rewards"] == pytest.approx([1 + score for score in row["scores"]])
        assert row["mean"] == pytest.approx(mean(row["scores"]))
        assert row["std"] == pytest.approx(stdev(row["scores"]))
        if row["task"] == "lucky":
            assert row["passes"] == sum(row["scores"])
            expected |= {row["id"]} if 0 < row["passes"] < 4 else set()
        else:
            expected |= {row["id"]} if row["std"] >= 0.001 else set()
    kept = load_samples(bench.folder / "out" / "samples.jsonl")
    assert {sample.id for sample in kept} == expected and 0 < len(kept) < 10
    assert all(sample.video_path.samefile(bench.folder / "pool" / sample.video_path.name) for sample in kept)
    original = {row["id"]: row for row in bench.rows("pool", "samples.jsonl")}
    for row in bench.rows("out", "samples.jsonl"):
        assert {**row, "video": original[row["id"]]["video"]} == original[row["id"]]
    decisions = {row["id"]: row for row in bench.rows("out", "decisions.jsonl")}
    assert {name for name, row in decisions.items() if row["kept"]} == expected
    assert str(bench.folder / "out" / "samples.jsonl") in capsys.readouterr().out


def test_shards_merge_into_what_one_run_finds(bench: Any) -> None:
    assert bench.select(*WIDE) == 0
    for number in (2, 3, 1):
        assert bench.select("--shard", f"{number}/3", output=f"shards/{number}") == 0
        assert not (bench.folder / "shards" / str(number) / "samples.jsonl").exists()
    parts = [bench.folder / "shards" / str(number) for number in (3, 1, 2)]
    assert bench.select(*WIDE, "--merge", *parts, output="deep/merged", recipe=False) == 0
    for row, merged in zip(stats(bench), stats(bench, "deep/merged"), strict=True):
        assert row | {"sample": 0} == merged | {"sample": 0}
    assert [row["id"] for row in bench.rows("out", "samples.jsonl")] == [
        row["id"] for row in bench.rows("deep/merged", "samples.jsonl")
    ]
    moved = load_samples(bench.folder / "deep" / "merged" / "samples.jsonl")
    assert all(sample.video_path.exists() for sample in moved)


@pytest.mark.slow
def test_processes_of_torchrun_share_the_samples(bench: Any) -> None:
    """Slow: two processes start. What one finds, they find; the shards are merged without a word of the user."""
    assert bench.select(*WIDE) == 0
    words = ["reeltune", "select", str(bench.recipe), "-o", str(bench.folder / "both"), *WIDE]
    done = subprocess.run(
        [*torchrun(2), *words], capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(each.name for each in (bench.folder / "both" / "shards").iterdir()) == ["1-of-2", "2-of-2"]
    for row, merged in zip(stats(bench), stats(bench, "both"), strict=True):
        assert row | {"sample": 0} == merged | {"sample": 0}
    assert [row["id"] for row in bench.rows("out", "samples.jsonl")] == [
        row["id"] for row in bench.rows("both", "samples.jsonl")
    ]


def test_more_shards_than_samples(bench: Any) -> None:
    rows = bench.rows("pool", "samples.jsonl")
    bench.write(rows[:2])
    for number in (1, 2, 3):
        assert bench.select("--shard", f"{number}/3", output=str(number)) == 0
    for order in permutations((1, 2, 3)):
        parts = [bench.folder / str(number) for number in order]
        output = "merged" + "".join(map(str, order))
        assert (
            bench.select(*WIDE, "--min-std", "0", "--min-level", "0", "--merge", *parts, output=output, recipe=False)
            == 0
        )
        assert [row["id"] for row in stats(bench, output)] == ["clip-0", "clip-1"]


def test_overlaps_and_gaps_are_refused(bench: Any, capsys: Any) -> None:
    shards = {part: bench.folder / part.replace("/", "of") for part in ("1/2", "2/2", "2/3", "3/3")}
    for part, folder in shards.items():
        assert bench.select("--shard", part, output=folder.name) == 0

    def merge(*parts: str) -> str:
        assert bench.select("--merge", *(shards[part] for part in parts), output="merged", recipe=False) == 2
        return str(capsys.readouterr().err)

    assert "samples 0 to 5 of the pool are missing" in merge("2/2")
    assert "samples 5 to 6 of the pool are missing" in merge("1/2", "3/3")
    assert "samples 5 to 10 of the pool are missing" in merge("1/2")
    assert "overlap in samples 3 to 5" in merge("1/2", "2/3", "3/3")
    assert "is given twice" in merge("1/2", "2/2", "2/2")
    shards["copy"] = shutil.copytree(shards["2/2"], bench.folder / "copy")
    assert "overlap in samples 5 to 10" in merge("1/2", "2/2", "copy")
    lines = (shards["2/2"] / "stats.jsonl").read_text().splitlines(keepends=True)
    (shards["2/2"] / "stats.jsonl").write_text("".join(lines[:-1]))
    assert "holds 4 of its 5 samples; run its command again" in merge("1/2", "2/2")
    assert not (bench.folder / "merged").exists()


def test_shards_of_other_settings_do_not_merge(bench: Any, capsys: Any) -> None:
    assert bench.select("--shard", "1/2", output="a") == 0
    assert bench.select("--shard", "2/2", "seed=1", output="b") == 0
    assert bench.select("--merge", bench.folder / "a", bench.folder / "b", output="merged", recipe=False) == 2
    assert "do not match:\n  seed: 1, not 0" in capsys.readouterr().err


def test_choosing_again_asks_nothing(bench: Any, monkeypatch: Any) -> None:
    assert bench.select(*WIDE) == 0
    monkeypatch.setattr("reeltune.selection.drawing.build_answerer", lambda *_: pytest.fail("a model was loaded"))
    again = (*WIDE, "--size", "2", "--from", bench.folder / "out" / "stats.jsonl")
    assert bench.select(*again, output="two", recipe=False) == 0
    assert bench.select(*again, output="three") == 0
    chosen = bench.rows("two", "samples.jsonl")
    assert len(chosen) == 2 and chosen == bench.rows("three", "samples.jsonl")
    assert all(sample.video_path.exists() for sample in load_samples(bench.folder / "two" / "samples.jsonl"))
    assert bench.select(*WIDE) == 0
    assert len(bench.rows("two", "decisions.jsonl")) == 10


def test_a_source_can_be_limited(bench: Any) -> None:
    assert bench.select(*WIDE, "--quota", "source:odd=1") == 0
    sources = [row["source"] for row in bench.rows("out", "samples.jsonl")]
    assert sources.count("odd") == 1


def _rewrite_task(bench: Any) -> None:
    task = Path(yaml.safe_load(bench.recipe.read_text())["data"]["tasks"][0])
    task.write_text(task.read_text() + "\n# another reward\n")


OTHER_RUNS: dict[str, tuple[Callable[[Any], Any], list[str], str]] = {
    "sampling": (lambda bench: None, ["rl.temperature=0.7"], "temperature: 1.0, not 0.7"),
    "repeats": (lambda bench: None, ["select.repeats=5"], "repeats: 4, not 5"),
    "routed": (lambda bench: None, ["model.mixture_of_depths={}"], "mixture_of_depths: null, not {"),
    "task file": (lambda bench: _rewrite_task(bench), [], "code: ["),
    "prompt": (
        lambda bench: bench.write([row | {"instruction": "Speak!"} for row in bench.rows("pool", "samples.jsonl")]),
        [],
        "10 prompts have changed since",
    ),
    "target": (
        lambda bench: bench.write([row | {"response": "no"} for row in bench.rows("pool", "samples.jsonl")]),
        [],
        "10 samples have changed since",
    ),
    "fewer": (
        lambda bench: bench.write(bench.rows("pool", "samples.jsonl")[:8]),
        [],
        "2 of them are not samples of the recipe",
    ),
}


@pytest.mark.parametrize("kind", OTHER_RUNS)
def test_statistics_of_something_else_are_refused_unless_told(bench: Any, capsys: Any, kind: str) -> None:
    assert bench.select(*WIDE) == 0
    change, overrides, words = OTHER_RUNS[kind]
    change(bench)
    arguments = (*WIDE, "--from", bench.folder / "out" / "stats.jsonl", *overrides)
    assert bench.select(*arguments, output="again") == 2
    assert words in capsys.readouterr().err
    assert not (bench.folder / "again").exists()
    assert bench.select(*arguments, "--allow-mismatch", output="again") == 0
    assert words in capsys.readouterr().err
    assert bench.rows("again", "samples.jsonl")


def test_another_model_is_refused(bench: Any, tmp_path: Path, tiny_models: Any, capsys: Any) -> None:
    assert bench.select(*WIDE) == 0
    other = shutil.copytree(tiny_models("qwen3_vl"), tmp_path / "other")
    weights = other / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    arguments = (*WIDE, "--from", bench.folder / "out" / "stats.jsonl", f"model.path={other}")
    assert bench.select(*arguments, output="again") == 2
    assert "model: " in capsys.readouterr().err
    # Nor does a directory take statistics of two models.
    assert bench.select(f"model.path={other}") == 2
    assert "contains statistics of something else" in capsys.readouterr().err


def test_mixed_statistics_are_refused(bench: Any, capsys: Any) -> None:
    assert bench.select(*WIDE) == 0
    path = bench.folder / "out" / "stats.jsonl"
    path.write_text(path.read_text().replace('"model": "', '"model": "0', 1))
    assert bench.select("--from", path, output="again", recipe=False) == 2
    assert "2 models" in capsys.readouterr().err


def test_a_broken_video_has_no_statistics_and_is_named(bench: Any, capsys: Any) -> None:
    clip = bench.folder / "pool" / "3.mp4"
    clip.write_bytes(clip.read_bytes()[:300])
    assert bench.select(*WIDE, "video.max_broken_share=0.2") == 0
    assert [row["id"] for row in stats(bench)] == [f"clip-{number}" for number in range(10) if number != 3]
    assert [row["id"] for row in bench.rows("out", "quarantine.jsonl")] == ["clip-3"]
    assert "1 samples have no statistics" in (bench.folder / "out" / "report.html").read_text()
    for number in (1, 2):
        assert bench.select("--shard", f"{number}/2", "video.max_broken_share=0.2", output=str(number)) == 0
    parts = [bench.folder / "1", bench.folder / "2"]
    assert bench.select(*WIDE, "--merge", *parts, output="merged", recipe=False) == 0
    assert [row["id"] for row in bench.rows("merged", "quarantine.jsonl")] == ["clip-3"]
    path = bench.folder / "out" / "stats.jsonl"
    assert bench.select(*WIDE, "--from", path, "video.max_broken_share=0.2", output="again") == 0
    capsys.readouterr()
    # A single one stops nothing, unless none is allowed.
    assert bench.select("video.max_broken_share=0", output="strict") == 2
    assert "1 of 10 samples" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "recipe", "words"),
    [
        ((), False, "give a recipe"),
        (("--shard", "4/3"), True, "--shard must look like 3/8"),
        (("--shard", "1/2", "--from", "x"), True, "--shard needs a recipe"),
        (("--merge", "x", "--from", "y"), False, "exclude each other"),
        (("--merge", "x"), True, "takes no recipe"),
        (("--min-std", "3"), True, "--min-std must be within 0..1"),
        (("--size", "0"), True, "--size must be at least 1"),
        (("--quota", "task=3"), True, "a quota must look like"),
        (("select.tasks=[vowel]",), True, "did you mean 'vowels'"),
        (("select.repeat=3",), True, "nearest valid key: select.repeats"),
        (("--merge", "gone"), False, "does not exist"),
        (("--from", "gone.jsonl"), False, "cannot be read"),
    ],
)
def test_bad_input(bench: Any, capsys: Any, arguments: tuple[str, ...], recipe: bool, words: str) -> None:
    assert bench.select(*arguments, recipe=recipe) == 2
    assert words in capsys.readouterr().err
    assert not (bench.folder / "out").exists()


def test_an_id_of_two_sources_is_refused(bench: Any, capsys: Any) -> None:
    twice = f"data.train=[{bench.samples}, {bench.samples}]"
    assert bench.select(twice) == 2
    assert "two sources have a sample with the id 'clip-0'" in capsys.readouterr().err


def test_nothing_kept_is_said_and_an_old_choice_does_not_stay(bench: Any, capsys: Any) -> None:
    assert bench.select(*WIDE, "select.tasks=[vowels]") == 0
    assert bench.select("--min-std", "1", "select.tasks=[vowels]") == 2
    assert "no sample is informative at these thresholds" in capsys.readouterr().err
    assert not (bench.folder / "out" / "samples.jsonl").exists()
    assert {row["kept"] for row in bench.rows("out", "decisions.jsonl")} == {False}


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_says_what_was_kept(bench: Any) -> None:
    rows = bench.rows("pool", "samples.jsonl")
    bench.write([row | {"instruction": "<script>alert(1)</script>"} for row in rows])
    assert bench.select(*WIDE) == 0
    html = (bench.folder / "out" / "report.html").read_text()
    found = Page(html)
    words = " ".join(found.words)
    kept = len(bench.rows("out", "samples.jsonl"))
    assert f"{kept} of 10 samples are kept" in words
    assert "script" not in found.tags and not found.links
    assert found.tags.count("svg") >= 3
    for kind in {row["kind"] for row in bench.rows("out", "decisions.jsonl")}:
        assert kind in words
    assert "std ≥ 0.001" in words and "right answers" in words
