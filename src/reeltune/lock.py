"""One process group writes a directory of results at a time.

The lock is the kernel's, on DIR/lock: it ends with the process that holds it, however that ends, so there are no stale
ones on one host. Some network file systems keep the kernel's locks to each host, or have none. So the holder also
touches the file every BEAT seconds: a lock that another host left is taken only after it was seen to stay untouched.
The file's own time is compared with itself, so the hosts' clocks need not agree and may jump.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reeltune.errors import InputError
from reeltune.files import discard_leftovers, is_at, make_folder, try_lock

FILE = "lock"
BEAT = 3.0
SILENCE = 4 * BEAT
"""Seconds without a beat after which a holder on another host is taken for dead (our choice)."""


@contextmanager
def locked(directory: Path, *, name: str = "run.dir") -> Iterator[None]:
    """Hold the lock of a directory, which is made for it. InputError while another process holds it.

    `name` says in messages by which setting the directory was given. What killed writers left in it is removed first;
    what was made for the lock and holds nothing else afterwards is removed last.
    """
    made = [each for each in (directory, *directory.parents) if not each.exists()]
    make_folder(directory)
    path = directory / FILE
    handle = _take(path, name)
    discard_leftovers(directory)
    stop = threading.Event()
    beats = threading.Thread(target=_beat, args=(handle, stop), name="lock", daemon=True)
    beats.start()
    try:
        yield
    finally:
        stop.set()
        beats.join()
        path.unlink(missing_ok=True)
        os.close(handle)
        for each in made:
            if any(each.iterdir()):
                break
            each.rmdir()


def is_held(directory: Path) -> bool:
    """Whether somebody seems to hold the lock of a directory, without touching it: for those who only look on."""
    try:
        return time.time() - (directory / FILE).stat().st_mtime < SILENCE
    except OSError:
        return False


def _take(path: Path, name: str) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            holder = os.read(handle, 4096).decode(errors="replace").strip()
            taken = try_lock(handle)
            unsure = holder and (taken is None or _is_elsewhere(holder))
            if taken is False or (unsure and _beats(handle)):
                raise InputError(
                    f"{name}={str(path.parent)!r} is being written by another process ({holder or 'just started'}); "
                    f"wait for it, stop it, or give another {name}"
                )
            # Whoever held it before may have removed the file between our two calls: then this is no lock any more.
            if is_at(handle, path):
                os.ftruncate(handle, 0)
                os.pwrite(handle, json.dumps(_self()).encode(), 0)
                os.fsync(handle)
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is_elsewhere(holder: str) -> bool:
    try:
        return bool(json.loads(holder)["host"] != socket.gethostname())
    except (ValueError, KeyError, TypeError):
        return False


def _beats(handle: int) -> bool:
    """Whether the file is touched by somebody while we look."""
    before = os.fstat(handle).st_mtime_ns
    end = time.monotonic() + SILENCE
    while time.monotonic() < end:
        time.sleep(BEAT / 4)
        if os.fstat(handle).st_mtime_ns != before:
            return True
    return False


def _beat(handle: int, stop: threading.Event) -> None:
    while not stop.wait(BEAT):
        os.utime(handle)


def _self() -> dict[str, object]:
    return {"process": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
