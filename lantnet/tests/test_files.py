"""Results appear whole or not at all."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lantnet import InputError
from lantnet.results.files import as_json, staged, write_text


def test_files_replace_those_of_the_same_name_and_leave_others(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("1")
    (tmp_path / "new").write_text("old")
    with staged(tmp_path) as scratch:
        (scratch / "new").write_text("2")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"kept": "1", "new": "2"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    folder = tmp_path / "a" / "b"
    with pytest.raises(error), staged(folder) as scratch:
        (scratch / "half").write_text("2")
        raise error
    assert not folder.exists()


def test_a_file_in_the_way_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(InputError, match="folder"), staged(tmp_path / "x"):
        pass


def test_text_and_json(tmp_path: Path) -> None:
    write_text(tmp_path / "x.json", as_json({"a": 1}))
    assert (tmp_path / "x.json").read_text() == '{\n  "a": 1\n}\n'
    with pytest.raises(ValueError, match="JSON"):
        as_json(float("nan"))


HOLD = """
import sys, time
from pathlib import Path
from lantnet.results.files import staged
with staged(Path(sys.argv[1])) as scratch:
    (scratch / "half").write_text("1")
    print("ready", flush=True)
    time.sleep(60)
"""


def held(folder: Path) -> subprocess.Popen[str]:
    """A process in the middle of writing to `folder`."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_what_a_killed_run_left_goes_with_the_next_and_a_living_one_stays(tmp_path: Path) -> None:
    killed, living = held(tmp_path), held(tmp_path)
    try:
        killed.kill()
        killed.wait()
        assert len(list(tmp_path.glob(".unfinished-*"))) == 2
        write_text(tmp_path / "result", "done")
        assert (tmp_path / "result").read_text() == "done"
        (left,) = tmp_path.glob(".unfinished-*")
        assert (left / "half").exists()
    finally:
        living.kill()
        living.wait()
    write_text(tmp_path / "result", "again")
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_message_and_leaves_nothing(tmp_path: Path, code: int) -> None:
    (tmp_path / "old").write_text("1")
    with pytest.raises(InputError, match="full"), staged(tmp_path) as scratch:
        (scratch / "half").write_text("2")
        raise OSError(code, os.strerror(code))
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    with pytest.raises(OSError, match="other"), staged(tmp_path):
        raise OSError(errno.EIO, "other")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own of 200 kB; only root may make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here; the errors of a full one are tested above")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_the_command_on_a_full_disk(small_disk: Path) -> None:
    out = small_disk / "out"
    command = [sys.executable, "-m", "lantnet", "simulate", "-o", str(out), "--size", "256", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"lantnet: the disk of {out} is full, so nothing was written." in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()


def test_sigterm_leaves_what_was_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "before.tif").write_text("of an earlier run")
    command = [sys.executable, "-m", "lantnet", "simulate", "-o", str(out), "--size", "3000", "--quiet"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(out.glob(".unfinished-*/before.tif")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, message = process.communicate(timeout=120)
    assert process.returncode == 143
    assert message == "lantnet: stopped by SIGTERM; nothing was written.\n"
    assert [path.name for path in out.iterdir()] == ["before.tif"]
    assert (out / "before.tif").read_text() == "of an earlier run"
