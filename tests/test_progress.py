"""Progress: a bar on a terminal, plain lines elsewhere, nothing when quiet."""

import contextlib
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reeltune.progress import Progress, track

WORK = """
import time
from reeltune.progress import Progress
with Progress(12, "work", unit="step", initial=2, interval={interval}) as progress:
    for step in range(10):
        time.sleep(0.05)
        progress.set(loss=0.12345)
        progress.update()
"""


def run(code: str, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([sys.executable, "-c", code], capture_output=True, env=os.environ | environment, timeout=60)


def test_without_a_terminal_lines_come_at_the_interval_and_no_carriage_return() -> None:
    done = run(WORK.format(interval=0.2))
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 0 and b"\r" not in done.stderr and done.stdout == b""
    assert 2 <= len(lines) < 11, lines  # not each of the ten steps, though a busy machine makes them long
    line = r"work: \d+/12 step \(\d+ %\), [\d.]+ (step/s|s/step), 0:00:0\d passed, (0:00:0\d left, )?loss 0\.123"
    assert all(re.fullmatch(line, each) for each in lines), lines
    assert lines[-1].startswith("work: 12/12 step (100 %)") and "left" in lines[0]


def test_a_minute_is_the_default_and_the_last_line_always_comes() -> None:
    lines = run(WORK.format(interval=None)).stderr.decode().splitlines()
    assert len(lines) == 1 and lines[0].startswith("work: 12/12")
    assert len(run(WORK.format(interval=None), REELTUNE_PROGRESS_SECONDS="0").stderr.decode().splitlines()) == 11


def test_quiet_says_nothing() -> None:
    assert run(WORK.format(interval=0.0), REELTUNE_QUIET="1").stderr == b""


def test_a_terminal_gets_a_bar() -> None:
    master, slave = pty.openpty()
    child = subprocess.Popen([sys.executable, "-c", WORK.format(interval=0.2)], stderr=slave)
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):  # Linux ends a terminal that nobody writes to any more with EIO
        while piece := os.read(master, 4096):
            shown += piece
    os.close(master)
    assert child.wait(timeout=60) == 0 and b"12/12" in shown and shown.count(b"\r") > 2


def test_an_error_inside_says_where_it_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError), Progress(4, "work", unit="step") as progress:
        progress.update()
        raise ValueError
    assert capsys.readouterr().err.startswith("work: stopped at 1/4 step (25 %)")


def test_track_counts_each_item(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track([1, 2, 3], "items", unit="item")) == [1, 2, 3]
    assert list(track(iter("ab"), "letters", unit="letter")) == ["a", "b"]
    assert list(track([], "none")) == []
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("items: 3/3 item (100 %)") and lines[1].startswith("letters: 2 letter")


def test_no_command_writes_its_own_bar() -> None:
    """Every use of tqdm outside progress.py would bring carriage returns back."""
    package = Path(__file__).parents[1] / "src" / "reeltune"
    users = {str(path.relative_to(package)) for path in package.rglob("*.py") if "tqdm" in path.read_text()}
    assert users - {"training/trainer.py"} == {"progress.py"}
