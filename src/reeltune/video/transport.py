"""MPEG transport streams say of each packet whether one was lost before it; FFmpeg reads over that in silence.

Source: ISO/IEC 13818-1, 2.4.3.2 (packet layer) and 2.4.3.5 (discontinuity indicator).
"""

from pathlib import Path

import numpy as np

from reeltune.errors import VideoError

PACKET = 188
SIZES = ((188, 0), (192, 4), (204, 0))
"""Bytes from packet to packet, and where in them the packet begins: broadcast, Blu-ray, with error correction."""
SYNC = 0x47


def refuse_lost_packets(path: Path, pid: int, fix: str) -> None:
    """VideoError for a transport stream that is cut within a packet, or from which packets of stream `pid` are lost."""
    data: np.ndarray = np.memmap(path, np.uint8, mode="r")
    # A recording may begin within a packet.
    layouts = ((start, size, at) for size, at in SIZES for start in range(size) if _fits(data, start + at, size))
    start, size, at = next(layouts, (0, 0, 0))
    if not size:
        raise VideoError(f"{path}: damaged: no transport stream at its beginning. {fix}.")
    data = data[start:]
    if len(data) % size:
        raise VideoError(f"{path}: truncated within a packet ({len(data)} bytes are no multiple of {size}). {fix}.")
    packets = data.reshape(-1, size)[:, at : at + PACKET]
    lost = np.flatnonzero((packets[:, 0] != SYNC) | (packets[:, 1] & 0x80 > 0))
    if len(lost):
        raise VideoError(f"{path}: damaged: {len(lost)} of {len(packets)} packets, first packet {lost[0]}. {fix}.")
    mine = packets[((packets[:, 1].astype(int) & 0x1F) << 8 | packets[:, 2]) == pid]
    mine = mine[mine[:, 3] & 0x10 > 0]  # the counter counts packets with a payload
    counter = mine[:, 3].astype(int) & 0x0F
    steps = np.diff(counter) % 16
    flags = np.where((mine[1:, 3] & 0x20 > 0) & (mine[1:, 4] > 0), mine[1:, 5], 0)
    # Streams that were put one behind the other count anew, from a picture on that needs none before it.
    announced = (flags & 0x80 > 0) | ((flags & 0x40 > 0) & (mine[1:, 1] & 0x40 > 0))
    jumps = int(((steps > 1) & ~announced).sum())
    if jumps:
        raise VideoError(f"{path}: damaged: packets are lost at {jumps} places of its picture. {fix}.")


def _fits(data: np.ndarray, start: int, size: int) -> bool:
    begins = data[start : start + 5 * size : size]
    return len(begins) > 1 and bool((begins == SYNC).all())
