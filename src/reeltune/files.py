"""Files are written whole or not at all: temporary name beside the target, fsync, rename."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to fill under a temporary name, which then is `path`; nothing is left of it after an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        os.replace(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def write_text(path: Path, text: str) -> None:
    write_whole(path, lambda temporary: _fill(temporary, text))


def write_json(path: Path, value: Any) -> None:
    """Indented JSON. NaN and infinity are errors: they are not JSON and hide defects."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    write_whole(path, lambda temporary: _fill(temporary, "".join(lines)))


def _fill(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def existing(path: Path) -> Path:
    """`path`, or the nearest folder above it that is there."""
    while not path.exists():
        path = path.parent
    return path


def whole_lines(path: Path) -> list[str]:
    """The lines that end with a line feed, without it; what a kill cut off at the end is left out.

    Only line feeds part lines: completions hold other characters that `str.splitlines` would split at.
    """
    return [line.decode() for line in path.read_bytes().split(b"\n")[:-1]]
