"""Check sums of Matroska: FFmpeg writes one into each cluster of frames, and does not compare it when it reads.

A cluster is an element (identifier, size, content) of a segment; where it has a check sum, that is its first child:
CRC-32 of all that follows within it (RFC 8794, 11.3.1; RFC 9559, 5.1.3). WebM files have none.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from reeltune.errors import VideoError

SEGMENT, CLUSTER = 0x18538067, 0x1F43B675
CHECK_SUM = b"\xbf\x84"
"""Identifier, and the size of its content: 4 bytes."""
LONGEST = 1 << 28
"""Bytes of a cluster that are read at once; FFmpeg's have at most 5 MB."""


def refuse_wrong_sums(path: Path, fix: str) -> None:
    """VideoError for a cluster with another content than its check sum says.

    What is not built as it should be ends the look: that is the demuxer's to judge.
    """
    with path.open("rb") as file:
        for number, (start, size) in enumerate(_clusters(file, path.stat().st_size)):
            file.seek(start)
            if file.read(2) != CHECK_SUM:
                continue
            stated = int.from_bytes(file.read(4), "little")
            if zlib.crc32(file.read(size - 6)) != stated:
                raise VideoError(
                    f"{path}: damaged: cluster {number}, bytes {start} to {start + size}, is not what its check sum "
                    f"says. {fix}."
                )


def _clusters(file: BinaryIO, end: int) -> Iterator[tuple[int, int]]:
    """(first byte, bytes) of the content of each cluster that is whole and of known size."""
    at = 0
    while at < end:
        file.seek(at)
        head = file.read(12)
        kind, kind_bytes = _number(head, marked=True)
        size, size_bytes = _number(head[kind_bytes:], marked=False)
        if not kind_bytes or not size_bytes:
            return
        start = at + kind_bytes + size_bytes
        is_unknown = size == (1 << 7 * size_bytes) - 1
        if kind == SEGMENT:
            at = start
            continue
        if is_unknown or start + size > end:
            return
        if kind == CLUSTER and 6 <= size <= LONGEST:
            yield start, size
        at = start + size


def _number(data: bytes, *, marked: bool) -> tuple[int, int]:
    """(value, bytes) of a number of variable length at the start; `marked`: with its length bit, as identifiers are
    written. (0, 0) where there is none."""
    length = 9 - data[0].bit_length() if data else 9
    if length > min(8, len(data)):
        return 0, 0
    value = int.from_bytes(data[:length], "big")
    return (value if marked else value & ((1 << 7 * length) - 1)), length
