"""A part of a video, found without reading the rest of the file: from the keyframe before its start to its end.

Times count from the part's start. What a part is known by (`Part.content`) is a digest of the packets that were
read, so that neither it nor a cache of its frames asks for the file's other bytes.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from reeltune.errors import VideoError
from reeltune.video.index import (
    FIX,
    PacketFacts,
    Part,
    VideoIndex,
    file_start,
    mean_rate,
    open_video,
    packet_facts,
    packets_of,
    picture_size,
    refuse_hole,
    usual_gap,
)

# Codecs hold back at most so many pictures: the first one shown is among the first so many packets.
MOST_REORDERED = 16
# A frame whose time differs from a bound by less than a clock's rounding lies on it.
ROUNDING = 1e-4


def index_part(path: Path, start: float, end: float | None) -> VideoIndex:
    """The frames shown in [start, end) seconds of a file; `end` None: to its end.

    Raises VideoError as `index_video` does for what it reads, and for a part in which no frame is shown.
    """
    with open_video(path) as (container, stream):
        # 1. Packets from the keyframe before the part on; their times count from the file's time 0.
        base, origin = float(stream.time_base), _origin(path, container, stream)
        packets, seek, digest = _read(path, container, stream, start, end, origin)
        last = max((each.pts + each.duration for each in packets if each.pts is not None), default=0) * base - origin
        _refuse_truncated(path, container, stream, last, end)
        # 2. The frames shown within it: the others are decoded on the way and dropped.
        shown = _shown(packets, base, origin, start, end)
        if not len(shown):
            raise VideoError(
                f"{path}: no frame is shown from {start:g} s to {'its end' if end is None else f'{end:g} s'}; the file "
                f"ends at {max(last, 0.0):.2f} s or before. Correct `start` and `end` of the sample's media."
            )
        # 3. In the order in which they are shown, with times from the part's start; the last one lasts as its packet
        #    says, or as frames usually do, and not past the part's end.
        ticks = np.array([packets[number].pts for number in shown], np.int64)
        order = np.argsort(ticks, kind="stable")
        times = ticks[order] * base - origin - start
        final = packets[shown[order[-1]]].duration * base or usual_gap(times, float(stream.average_rate or 0))
        over = times[-1] + final if end is None else min(times[-1] + final, end - start)
        times = np.maximum(times, 0.0)
        duration = max(float(over - times[0]), base)
        keyframes = np.array([number for number, each in enumerate(packets) if each.is_keyframe], np.int64)
        fps = mean_rate(len(times), duration, float(stream.average_rate or 0))
        size, part = picture_size(stream), Part(start, end, seek, digest)
        return VideoIndex(path, times, duration, size, fps, shown[order], keyframes, len(packets), part)


def _origin(path: Path, container: Any, stream: Any) -> float:
    """The container's time of the file's time 0, as video/index.py has it; only the first packets are looked at."""
    stamps = []
    for number, packet in enumerate(packets_of(container, stream)):
        facts = packet_facts(packet)
        if facts.pts is not None and facts.is_shown:
            stamps.append(facts.pts)
        if number >= MOST_REORDERED:
            break
    if not stamps or container.format.name == "avi":
        raise VideoError(
            f"{path}: its packets carry no times, so that a part of it cannot be found. Put it into another container "
            "(ffmpeg -i IN -c copy OUT.mp4), or leave `start` and `end` out."
        )
    return file_start(container, min(stamps) * float(stream.time_base))


def _read(
    path: Path, container: Any, stream: Any, start: float, end: float | None, origin: float
) -> tuple[list[PacketFacts], int | None, str]:
    """The packets from the last keyframe before `start` on, where they begin, and their digest.

    Where a seek does not lead to such a keyframe (raw streams, broken tables) the file is read from its beginning.
    """
    target = round((start + origin + ROUNDING) / float(stream.time_base))
    for seek in (target, None):
        if not go_to(container, stream, seek):
            continue
        digest = hashlib.blake2b(digest_size=16)
        packets: list[PacketFacts] = []
        for packet in _until(packets_of(container, stream), end, origin):
            facts = packet_facts(packet)
            if not packets and seek is not None and not (facts.is_keyframe and (facts.pts or 0) <= target):
                break
            refuse_hole(path, stream.codec_context.name, packet, len(packets))
            digest.update(bytes(packet))
            packets.append(facts)
        if packets:
            return packets, seek, digest.hexdigest()
    raise VideoError(f"{path}: the video stream has no frames. {FIX}.")


def go_to(container: Any, stream: Any, seek: int | None) -> bool:
    """Let packets begin at the keyframe before `seek`, in the stream's ticks, or at the beginning; False: it cannot."""
    try:
        container.seek(0 if seek is None else seek, stream=stream, backward=True)
    except av.error.FFmpegError:
        return False
    return True


def _until(packets: Iterator[Any], end: float | None, origin: float) -> Iterator[Any]:
    """Those that may be shown before `end`: a packet is never shown before it is decoded."""
    for packet in packets:
        if end is not None and packet.dts is not None and packet.dts * packet.time_base - origin >= end:
            return
        yield packet


def _shown(packets: list[PacketFacts], base: float, origin: float, start: float, end: float | None) -> np.ndarray:
    """int64: the packets whose frames are shown within the part."""

    def within(each: PacketFacts) -> bool:
        if each.pts is None or not each.is_shown:
            return False
        time = each.pts * base - origin
        return time >= start - ROUNDING and (end is None or time < end - ROUNDING)

    return np.array([number for number, each in enumerate(packets) if within(each)], np.int64)


def _refuse_truncated(path: Path, container: Any, stream: Any, last: float, end: float | None) -> None:
    """Where the header states how long the pictures are, they must reach that far or to the part's end."""
    if not stream.duration:
        return
    declared = float(stream.duration * stream.time_base)
    wanted = declared if end is None else min(end, declared)
    if last < wanted - max(1.0, 0.05 * declared):
        raise VideoError(f"{path}: truncated, {max(last, 0):.2f} of {wanted:.2f} seconds are there. {FIX}.")
