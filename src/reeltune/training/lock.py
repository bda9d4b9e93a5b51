"""One process group writes a run directory at a time.

The lock is the kernel's, on RUN/lock: it ends with the process that holds it, however that ends, so there are no stale
ones. The file says who holds it.
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reeltune.errors import InputError

FILE = "lock"


@contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """Hold the lock of a run directory, which is made for it. InputError while another run holds it.

    A directory that holds nothing else afterwards is removed again.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    handle = _take(run_dir / FILE)
    try:
        yield
    finally:
        (run_dir / FILE).unlink(missing_ok=True)
        os.close(handle)
        if not any(run_dir.iterdir()):
            run_dir.rmdir()


def _take(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 4096).decode(errors="replace")
            os.close(handle)
            raise InputError(
                f"run.dir={str(path.parent)!r} is being written by another run ({holder.strip() or 'just started'}); "
                "wait for it, stop it, or give another run.dir"
            ) from None
        # Whoever held it before may have removed the file between our two calls: then this is not the lock any more.
        if path.exists() and os.fstat(handle).st_ino == path.stat().st_ino:
            break
        os.close(handle)
    os.ftruncate(handle, 0)
    os.write(handle, json.dumps(_self()).encode())
    os.fsync(handle)
    return handle


def _self() -> dict[str, object]:
    return {"process": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
