"""Lines of files that grow, by the place where they stand: read on from there, and read one again."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TAIL = 4096


def whole_lines_from(path: Path, offset: int, line: int) -> Iterator[tuple[int, int, bytes]]:
    """(line number, offset, bytes) of the whole lines from `offset` on; a last one without its line feed is no line."""
    with path.open("rb") as file:
        file.seek(offset)
        for raw in file:
            if not raw.endswith(b"\n"):
                return
            line += 1
            if raw.strip():
                yield line, offset, raw[:-1]
            offset += len(raw)


def read_line(path: Path, offset: int, size: int) -> dict[str, Any]:
    """One row as it stands in its file."""
    with path.open("rb") as file:
        file.seek(offset)
        row: dict[str, Any] = json.loads(file.read(size))
    return row


def digest_before(path: Path, end: int) -> str:
    """Of the last TAIL bytes before `end`: by them a file that grew is known to begin as it did."""
    with path.open("rb") as file:
        file.seek(max(0, end - TAIL))
        return hashlib.sha256(file.read(min(end, TAIL))).hexdigest()
