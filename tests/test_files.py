"""Files are whole or not there, leftovers of the dead go and those of the living stay, appended lines are whole."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from reeltune.errors import InputError
from reeltune.files import (
    append_lines,
    discard_leftovers,
    make_folder,
    remove_folder,
    whole_folder,
    whole_lines,
    write_text,
    write_whole,
)

WRITER = """
import sys, time
from pathlib import Path
from reeltune.files import whole_folder, write_whole

def fill(path):
    path.write_text("half")
    print("writing", flush=True)
    time.sleep(60)

target = Path(sys.argv[1])
if sys.argv[2] == "file":
    write_whole(target, fill)
else:
    with whole_folder(target) as folder:
        fill(folder / "part")
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_writer_left_goes_and_what_a_living_one_writes_stays(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "below" / "target"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(target), kind], stdout=subprocess.PIPE)
    assert writer.stdout and writer.stdout.readline() == b"writing\n"
    [partial] = target.parent.iterdir()
    discard_leftovers(tmp_path)
    assert partial.exists() and not target.exists()
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert partial.exists()
    discard_leftovers(tmp_path)
    assert list(target.parent.iterdir()) == []


def test_two_writers_of_one_file_take_turns(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, reeltune.files as f\n"
        "for n in range(100): f.write_text(pathlib.Path(sys.argv[1]), sys.argv[2] * 10_000)"
    )
    target = tmp_path / "target"
    writers = [subprocess.Popen([sys.executable, "-c", code, str(target), letter]) for letter in "ab"]
    while any(writer.poll() is None for writer in writers):
        if target.exists():
            assert target.read_text() in ("a" * 10_000, "b" * 10_000)
        time.sleep(0.001)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_a_writer_that_fails_changes_nothing(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "old")
    with whole_folder(tmp_path / "f") as folder:
        (folder / "x").write_text("old")

    def fail(path: Path) -> None:
        path.write_text("new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a", fail)
    with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "f") as folder:
        fail(folder / "x")
    assert (tmp_path / "a").read_text() == (tmp_path / "f" / "x").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "f"]
    with whole_folder(tmp_path / "f") as folder:
        (folder / "y").write_text("new")
    assert [path.name for path in (tmp_path / "f").iterdir()] == ["y"]
    remove_folder(tmp_path / "f")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_every_writer_syncs_the_file_and_the_folder(tmp_path: Path, monkeypatch: Any) -> None:
    """In this order: the content, the rename, the folder. A power loss then keeps the old file or the new one."""
    done: list[str] = []
    sync, rename = os.fsync, os.replace

    def note_sync(handle: int) -> None:
        done.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name)
        sync(handle)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", lambda old, new: (done.append("rename"), rename(old, new)))
    folder = tmp_path / "new"
    write_text(folder / "a", "text")
    assert done == [tmp_path.name, ".a.partial", "rename", "new"]
    done.clear()
    append_lines(folder / "b", ["x"])
    append_lines(folder / "b", ["y"])
    assert done == ["b", "new", "b"]
    done.clear()
    with whole_folder(folder / "c") as scratch:
        make_folder(scratch / "d")
        (scratch / "d" / "e").write_text("z")
        done.clear()
    assert done == ["d", "e", ".c.partial", "rename", "new"]


def test_lines_are_appended_whole(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    append_lines(path, ["a", "κ\u2028"])
    with path.open("ab") as file:
        file.write(b"torn" * 40_000)
    append_lines(path, ["b"])
    assert whole_lines(path) == ["a", "κ\u2028", "b"]
    append_lines(path, [])
    assert whole_lines(path) == ["a", "κ\u2028", "b"]
    path.write_bytes(b"only a torn one")
    append_lines(path, ["c"])
    assert path.read_bytes() == b"c\n"


APPEND = """
import sys
from pathlib import Path
from reeltune.files import append_lines
try:
    append_lines(Path(sys.argv[1]), ["x" * 3000])
except OSError as error:
    print(error.errno)
"""


def test_a_full_disk_leaves_the_lines_that_were_there(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    append_lines(path, ["y" * 999])
    full = subprocess.run(
        [sys.executable, "-c", APPEND, str(path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048)),
        capture_output=True,
        text=True,
    )
    assert full.stdout.strip() == "27", full.stderr  # EFBIG
    assert path.read_text() == "y" * 999 + "\n"


def test_lines_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"a\n\xff\nb\n")
    with pytest.raises(InputError, match=r"lines, line 2: not UTF-8"):
        whole_lines(tmp_path / "lines")


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_the_umask_says_who_may_read_and_write(tmp_path: Path, umask: int, mode: int) -> None:
    """Also where what writes makes the file anew for its owner alone, as safetensors does."""

    def anew(path: Path) -> None:
        path.unlink()
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))

    before = os.umask(umask)
    try:
        write_text(tmp_path / "text", "x")
        write_whole(tmp_path / "anew", anew)
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("text", "anew")] == [mode, mode]


def test_a_failure_names_the_file_that_the_user_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError) as found:
        write_text(tmp_path / "folder", "x")
    assert found.value.filename == str(tmp_path / "folder") and found.value.filename2 is None
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
