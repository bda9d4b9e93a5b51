"""Samples set aside: counted once, kept over a resume, and a limit that stops the run."""

import json
from pathlib import Path

import pytest

from reeltune.errors import InputError
from reeltune.video.quarantine import Quarantine, require_share


def test_one_line_per_sample_and_the_count_survives(tmp_path: Path) -> None:
    path = tmp_path / "run" / "quarantine.jsonl"
    quarantine = Quarantine(path, 0.5)
    assert not path.exists()
    quarantine.add("a", Path("clips/a.mp4"), "truncated\nor so")
    quarantine.add("a", Path("clips/a.mp4"), "again")
    quarantine.add("b", "clips/b.mp4", "größer")
    resumed = Quarantine(path, 0.5)
    resumed.add("b", "clips/b.mp4", "again")
    resumed.add("c", "clips/c.mp4", "empty")
    assert len(resumed) == 3 and "a" in resumed and "d" not in resumed
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert rows[0] == {"id": "a", "video": "clips/a.mp4", "reason": "truncated\nor so"}
    assert [row["id"] for row in rows] == ["a", "b", "c"]


def test_the_share_that_stops(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "q.jsonl", 0.25)
    for name in "abcde":
        quarantine.add(name, f"{name}.mp4", f"reason {name}")
    quarantine.check(20)
    with pytest.raises(InputError) as caught:
        quarantine.check(19)
    message = str(caught.value)
    assert "5 of 19 samples (26.3%)" in message and "25.0%" in message
    assert "a: reason a" in message and "reason d" not in message and "q.jsonl" in message


def test_zero_tolerance(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "q.jsonl", 0.0)
    quarantine.check(1)
    quarantine.add("a", "a.mp4", "broken")
    with pytest.raises(InputError, match="1 of 1000"):
        quarantine.check(1000)


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_line_cut_by_a_kill_is_dropped(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "q.jsonl"
    first = Quarantine(path, 1.0)
    first.add("a", "a.mp4", "one")
    first.add("b", "b.mp4", "two, separated by \u2028 a line separator")
    path.write_bytes(path.read_bytes()[:-cut])
    resumed = Quarantine(path, 1.0)
    assert "a" in resumed and "b" not in resumed
    resumed.add("b", "b.mp4", "two")
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == ["a", "b"]


def test_foreign_lines_and_shares_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"id": "a", "video": "a.mp4", "reason": "x"}\n[1, 2]\n')
    with pytest.raises(InputError, match=r"q\.jsonl, line 2"):
        Quarantine(path, 0.5)
    with pytest.raises(InputError, match=r"within 0\.\.1, got 1\.5"):
        Quarantine(tmp_path / "other.jsonl", 1.5)


def test_a_line_without_an_id_is_placed_once() -> None:
    reasons = {"a.jsonl, line 2": "a.jsonl, line 2, field 'task': missing", "7": "a.jsonl, line 3: no file"}
    with pytest.raises(InputError) as raised:
        require_share(reasons, 2, 0.05)
    assert "\n  a.jsonl, line 2, field 'task': missing\n  7: a.jsonl, line 3: no file\n" in str(raised.value)
