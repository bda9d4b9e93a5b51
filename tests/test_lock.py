"""One writer of a directory at a time, also over hosts whose file system keeps locks to each of them."""

import errno
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from reeltune import lock
from reeltune.errors import InputError
from reeltune.lock import locked


@pytest.fixture(autouse=True)
def quick(monkeypatch: Any) -> None:
    monkeypatch.setattr(lock, "BEAT", 0.1)
    monkeypatch.setattr(lock, "SILENCE", 0.5)


def test_a_lock_names_its_holder_and_leaves_nothing(tmp_path: Path) -> None:
    run = tmp_path / "new" / "run"
    with locked(run), pytest.raises(InputError, match=rf"run\.dir.*\"process\": {os.getpid()}"), locked(run):
        pass
    assert not run.parent.exists()


def _hold(run: Path, results: Any, start: Any, seconds: float) -> None:
    start.wait()
    try:
        with locked(run):
            time.sleep(seconds)
            results.put("held")
    except InputError:
        results.put("refused")


def test_of_many_that_start_at_once_one_gets_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    results, start = context.Queue(), context.Event()
    processes = [context.Process(target=_hold, args=(tmp_path / "run", results, start, 1.0)) for _ in range(8)]
    for process in processes:
        process.start()
    start.set()
    assert sorted(results.get(timeout=30) for _ in processes) == ["held"] + ["refused"] * 7
    for process in processes:
        process.join()


def test_a_killed_holder_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import os, sys; from pathlib import Path; from reeltune.lock import locked\n"
    code += "with locked(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "run")]).returncode == -9
    assert json.loads((tmp_path / "run" / "lock").read_text())["process"]
    looked = Mock(side_effect=AssertionError("a dead holder of this host was waited for"))
    monkeypatch.setattr("reeltune.lock._beats", looked)
    with locked(tmp_path / "run"):
        assert json.loads((tmp_path / "run" / "lock").read_text())["process"] == os.getpid()


@contextmanager
def other_host(run: Path, *, alive: bool) -> Iterator[None]:
    """A holder whose kernel lock this host does not see."""
    run.mkdir()
    (run / "lock").write_text(json.dumps({"process": 1, "host": "elsewhere"}))
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(0.1):
            # Its clock is far off, and jumps back.
            os.utime(run / "lock", ns=(0, 10**9 * (10_000 - int(time.monotonic() * 100) % 1000)))

    thread = threading.Thread(target=beat if alive else lambda: None)
    thread.start()
    yield
    stop.set()
    thread.join()


def test_a_living_holder_on_another_host_is_known_by_its_beats(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with other_host(run, alive=True), pytest.raises(InputError, match="elsewhere"), locked(run):
        pass
    assert json.loads((run / "lock").read_text())["host"] == "elsewhere"


def test_a_dead_holder_on_another_host_is_followed_after_a_while(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with other_host(run, alive=False):
        started = time.monotonic()
        with locked(run):
            assert time.monotonic() - started >= 0.5
            assert json.loads((run / "lock").read_text())["process"] == os.getpid()


def test_without_locks_in_the_file_system_the_beats_suffice(tmp_path: Path, monkeypatch: Any) -> None:
    def none(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr("reeltune.files.fcntl.flock", none)
    run = tmp_path / "run"
    with locked(run):
        with pytest.raises(InputError, match="written by another process"), locked(run):
            pass
        before = (run / "lock").stat().st_mtime_ns
        time.sleep(0.3)
        assert (run / "lock").stat().st_mtime_ns > before


def test_a_lock_that_its_last_holder_removed_meanwhile_is_none(tmp_path: Path, monkeypatch: Any) -> None:
    honest, calls = lock.try_lock, []

    def removed(handle: int) -> bool | None:
        taken = honest(handle)
        if not calls:
            (tmp_path / "run" / "lock").unlink()
        calls.append(taken)
        return taken

    monkeypatch.setattr(lock, "try_lock", removed)
    with locked(tmp_path / "run"):
        assert calls == [True, True]
        assert json.loads((tmp_path / "run" / "lock").read_text())["process"] == os.getpid()


def test_a_folder_of_the_user_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with locked(tmp_path / "mine" / "new" / "run"):
        pass
    assert list(tmp_path.iterdir()) == [tmp_path / "mine"] and not any((tmp_path / "mine").iterdir())
    with locked(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine").is_dir()
