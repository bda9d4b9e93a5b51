"""Chosen frames of a video as RGB arrays, decoding no more than they need.

A frame needs the packets from the last keyframe before it up to its own. Packets outside those ranges are read but
not decoded, which skips whole groups of pictures without seeking: seeks land in different places in different
containers, and reading is cheap beside decoding. Only a part of a video is sought, once, where its index begins.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import av
import numpy as np

from reeltune.errors import VideoError
from reeltune.video.index import FIX, VideoIndex, open_video, packets_of

# Some streams hold packets that show nothing (VP8's hidden frames, field pairs): a neighbor this near may
# stand in.
NEAREST_FRAMES = 2
# Frame threads are the fast ones, but FFmpeg's VP9 decoder with them crashes the process on some damaged files.
# These two withstood thousands of damaged files; the others decode without.
FRAME_THREADED_CODECS = ("h264", "hevc")
# For a decoder that does not say which packet a frame is from: such frames are passed over.
NO_PACKET = -1


def decode_frames(
    index: VideoIndex, wanted: Sequence[int], keep: Callable[[np.ndarray], np.ndarray]
) -> tuple[list[np.ndarray], np.ndarray]:
    """Decode the frames numbered `wanted` (0..N-1 in the order shown; any order, repeats allowed).

    Each is rotated as the file says and handed to `keep` as uint8 [H, W, 3]; only what `keep` returns is
    held. Returns the kept arrays in the order of `wanted`, and the seconds float64 [T] at which they are
    shown. Chroma, depth, alpha and gray are converted to 8-bit RGB by FFmpeg; pixels that are not square stay
    so; frames of interlaced video are taken as they are. Raises VideoError when a packet or a frame is
    damaged.
    """
    ranks = sorted(set(wanted))
    needed = _needed_packets(index, ranks)
    found = _collect(index, ranks, needed, keep, reach=0)
    if len(found) < len(ranks):
        # A keyframe where decoding cannot start after all (intra refresh), or a packet that shows nothing.
        found = _collect(index, ranks, np.ones_like(needed), keep, reach=NEAREST_FRAMES)
    missing = [rank for rank in ranks if rank not in found]
    if missing:
        raise VideoError(
            f"{index.path}: the frame at {index.times[missing[0]]:.3f} s cannot be decoded "
            f"({len(missing)} of {len(ranks)} wanted). {FIX}."
        )
    times = np.array([found[rank][0] for rank in wanted], np.float64)
    return [found[rank][1] for rank in wanted], times


def _needed_packets(index: VideoIndex, ranks: list[int]) -> np.ndarray:
    """bool [M]: the packets to decode for these frames."""
    needed = np.zeros(index.packet_count, bool)
    if index.packets is None:
        needed[:] = True
        return needed
    shown_at = np.full(index.packet_count, np.iinfo(np.int64).max)
    shown_at[index.packets] = np.arange(len(index.packets))
    for rank in ranks:
        packet = index.packets[rank]
        place = int(np.searchsorted(index.keyframes, packet, side="right")) - 1
        # Frames decoded after a keyframe but shown before it lean on the keyframe before that (open groups).
        while place > 0 and shown_at[index.keyframes[place]] > rank:
            place -= 1
        needed[index.keyframes[place] if place >= 0 else 0 : packet + 1] = True
    return needed


def _collect(
    index: VideoIndex,
    ranks: list[int],
    needed: np.ndarray,
    keep: Callable[[np.ndarray], np.ndarray],
    *,
    reach: int,
) -> dict[int, tuple[float, np.ndarray]]:
    """{rank: (seconds, kept array)} of every wanted frame that came out, or a neighbor of it within `reach`."""
    found: dict[int, tuple[float, np.ndarray]] = {}
    pending = deque(ranks)
    before: tuple[int, Any] | None = None

    def settle(candidates: list[tuple[int, Any]]) -> None:
        rank = pending.popleft()
        nearest, frame = min(candidates, key=lambda candidate: abs(candidate[0] - rank))
        if abs(nearest - rank) <= reach:
            found[rank] = (float(index.times[nearest]), keep(_upright_rgb(index, nearest, frame)))

    for rank, frame in _ranked_frames(index, needed):
        while pending and pending[0] <= rank:
            settle([(rank, frame)] + ([before] if before and pending[0] < rank else []))
        before = (rank, frame)
        if not pending:
            break
    while pending and before:
        settle([before])
    return found


def _ranked_frames(index: VideoIndex, needed: np.ndarray) -> Iterator[tuple[int, Any]]:
    """(number in the order shown, frame) of all that the needed packets decode to and that is shown."""
    if index.packets is None:
        for number, (_, frame) in enumerate(_decoded(index, needed)):
            yield min(number, len(index.times) - 1), frame
        return
    rank_of = {int(packet): rank for rank, packet in enumerate(index.packets)}
    for packet, frame in _decoded(index, needed):
        if packet in rank_of:
            yield rank_of[packet], frame


def _decoded(index: VideoIndex, needed: np.ndarray) -> Iterator[tuple[int, Any]]:
    """(packet number, frame) in the order shown, one run of needed packets after the other."""
    last = int(np.flatnonzero(needed)[-1])
    with open_video(index.path) as (container, stream):
        codec = stream.codec_context
        stream.thread_type = "AUTO" if codec.name in FRAME_THREADED_CODECS else "SLICE"
        if index.part and index.part.seek is not None:
            container.seek(index.part.seek, stream=stream, backward=True)
        running = False
        for number, packet in enumerate(packets_of(container, stream)):
            if needed[number]:
                # The decoder hands a packet's time stamp on to its frame through all reordering. The number goes in
                # its place: unlike time stamps it is always there and never twice. (PyAV's `opaque` would do, but
                # frees its values under Python's lock, which can block against a decoder's threads.)
                packet.pts = packet.dts = number
                yield from _decode(index, codec, packet)
            elif running:
                yield from _decode(index, codec, None)
                codec.flush_buffers()
            running = bool(needed[number])
            if number == last:
                break
        yield from _decode(index, codec, None)


def _decode(index: VideoIndex, codec: Any, packet: Any) -> Iterator[tuple[int, Any]]:
    try:
        for frame in codec.decode(packet):
            yield NO_PACKET if frame.pts is None else frame.pts, frame
    except av.error.InvalidDataError as error:
        where = "" if packet is None else f" at packet {packet.pts} of {index.packet_count}"
        raise VideoError(f"{index.path}: damaged{where} ({error.strerror}). {FIX}.") from error


def _upright_rgb(index: VideoIndex, rank: int, frame: Any) -> np.ndarray:
    """uint8 [H, W, 3], turned and mirrored as the display matrix says."""
    if frame.is_corrupt:
        raise VideoError(f"{index.path}: the frame at {index.times[rank]:.3f} s is damaged. {FIX}.")
    rgb: np.ndarray = frame.to_ndarray(format="rgb24")
    matrix = frame.side_data.get("DISPLAYMATRIX")
    return rgb if matrix is None else orient(rgb, np.frombuffer(bytes(matrix), "=i4").reshape(3, 3)[:2, :2])


def orient(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """[H, W, 3] placed as `matrix` [[a, b], [c, d]] says, rounded to quarter turns and mirrors.

    A point (x, y) of the stored picture is shown at (a x + c y, b x + d y), y downwards (ISO/IEC 14496-12,
    6.2.2).
    """
    (a, b), (c, d) = matrix.tolist()
    if abs(a) + abs(d) < abs(b) + abs(c):
        # Shown x follows stored y: exchange the sides, then the signs speak about the exchanged picture.
        image = image.transpose(1, 0, 2)
        a, d = c, b
    if a < 0:
        image = image[:, ::-1]
    if d < 0:
        image = image[::-1]
    return image
