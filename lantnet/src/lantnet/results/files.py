"""Results appear whole or not at all: they are made in a hidden folder beside their place, then moved."""

import errno
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lantnet.errors import InputError

UNFINISHED = ".unfinished-"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NEXT_TO_NOTHING = 65_536
"""Bytes free below which a failure to write is put down to a full disk: GDAL and SQLite give no error number."""


@contextmanager
def staged(directory: Path) -> Iterator[Path]:
    """A scratch folder inside `directory`; on success its files replace those of the same name in `directory`.

    When the block raises (Ctrl-C and SIGTERM included) the scratch folder goes and `directory` is as it was. A killed
    process cannot tidy up: what it left goes when the next run writes to `directory`.
    """
    existed = directory.exists()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        scratch, lock = _scratch(directory)
    except OSError as error:
        raise InputError(
            f"the output must be a folder that can be written to; {directory}: {error.strerror}. Choose another one."
        ) from error
    try:
        yield scratch
        for file in sorted(scratch.iterdir()):
            os.replace(file, directory / file.name)
    except InputError:
        raise
    except Exception as error:
        if getattr(error, "errno", None) in FULL or shutil.disk_usage(scratch).free < NEXT_TO_NOTHING:
            raise InputError(
                f"the disk of {directory} is full, so nothing was written. Free some space, or choose another folder."
            ) from error
        raise
    finally:
        os.close(lock)
        shutil.rmtree(scratch, ignore_errors=True)
        if not existed and not any(directory.iterdir()):
            directory.rmdir()


def _scratch(directory: Path) -> tuple[Path, int]:
    """A new scratch folder and the descriptor that locks it while its process lives; those without a lock go."""
    whole = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(whole, fcntl.LOCK_EX)
        for other in directory.glob(f"{UNFINISHED}*"):
            lock = os.open(other, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # another run is writing there
            finally:
                os.close(lock)
            shutil.rmtree(other, ignore_errors=True)
        scratch = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=directory))
        lock = os.open(scratch, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        return scratch, lock
    finally:
        os.close(whole)


def write_text(path: Path, text: str) -> None:
    with staged(path.parent) as scratch:
        (scratch / path.name).write_text(text, encoding="utf-8")


def as_json(value: Any) -> str:
    """Indented JSON; NaN and infinity are errors: they are not JSON and hide defects."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
