"""`reeltune select` goes on: after a kill, with any text in its answers, and not over a line that is not its own."""

import json
import time
from typing import Any

import pytest
from tests.warm import Command

WIDE = ("--min-std", "0.001", "--min-level", "0")


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(bench: Any) -> None:
    assert bench.select(*WIDE) == 0
    whole = (bench.folder / "out" / "stats.jsonl").read_bytes()
    folder = bench.folder / "killed"
    process = Command("select", bench.recipe, "-o", folder, *WIDE)
    deadline = time.monotonic() + 120
    path = folder / "stats.jsonl"
    while not (path.exists() and path.read_bytes().count(b"\n") >= 1) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    path.write_bytes(path.read_bytes()[:-20])
    assert bench.select(*WIDE, output="killed") == 0
    assert path.read_bytes() == whole


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_answers_hold_any_character_and_a_cut_within_one_is_a_cut(bench: Any, cut: int) -> None:
    assert bench.select(*WIDE) == 0
    path = bench.folder / "out" / "stats.jsonl"
    whole = path.read_bytes()
    lines = whole.split(b"\n")
    row = json.loads(lines[0])
    row["best"] = "a\u2028b\u0085c\u20ac"
    odd = json.dumps(row, ensure_ascii=False).encode()
    path.write_bytes(b"\n".join([odd, *lines[1:]]))
    assert bench.select(*WIDE) == 0
    assert path.read_bytes() == b"\n".join([odd, *lines[1:]])
    path.write_bytes(b"\n".join(lines[:9]) + b"\n" + odd[: odd.index("\u20ac".encode()) + cut])
    assert bench.select(*WIDE) == 0
    assert path.read_bytes() == whole


def test_a_foreign_line_is_named(bench: Any, capsys: Any) -> None:
    assert bench.select(*WIDE) == 0
    path = bench.folder / "out" / "stats.jsonl"
    path.write_text('{"id": "x"}\n' + path.read_text())
    assert bench.select(*WIDE) == 2
    assert "stats.jsonl, line 1: not the statistics of a sample" in capsys.readouterr().err
