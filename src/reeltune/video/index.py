"""What a video's packets say about its frames, before any frame is decoded.

Headers lie or are silent: the frame count, the duration and the rate of a file may be missing, rounded or
wrong for a variable frame rate, and a truncated file still promises all it once had. So every packet is
looked at once. That reads the file but decodes nothing (some 10 ms for a minute of video) and gives the true
time of every frame.

Time 0 is where the file starts to play: the earliest start of its streams, pictures or sound. So does FFmpeg count
(-ss, -t), and mpv (--rebase-start-time). A browser counts the same where anything starts at 0, as the sound does in
nearly all files whose pictures start late; it does not move a file in which everything starts late. Sound from before
0 is a codec's warm-up that no one hears, and does not count, as in Chromium; FFmpeg counts it, some 10 ms.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from reeltune.errors import VideoError
from reeltune.video.matroska import refuse_wrong_sums
from reeltune.video.transport import refuse_lost_packets

# Containers whose header states how long the file should be. Others estimate it from the bytes there are.
DECLARING_CONTAINERS = ("mov", "mp4", "matroska", "webm", "flv", "asf")
MAX_BELIEVABLE_FPS = 1000
# FFmpeg states a file's start in whole microseconds.
START_ROUNDING = 2e-6
# A gap between frames that is so many times the usual one, or less than its inverse, is no jitter of a clock.
VARIABLE_GAP = 1.5
# Entropy coders, and the escapes and start codes of the older ones, leave no such run within a packet. MPEG-1 and -2
# are left out: their streams may be stuffed with zeros. So is MJPEG: flat frames with their own Huffman code are zeros.
NO_ZEROS = (
    "h264", "hevc", "vp8", "libvpx", "vp9", "libvpx-vp9", "av1", "libdav1d", "libaom-av1", "theora",
    "mpeg4", "h263", "flv", "msmpeg4", "msmpeg4v2", "wmv1", "wmv2",
)  # fmt: skip
HOLE = bytes(32)
FIX = "Fetch the file again or re-encode it (ffmpeg -i IN -c:v libx264 OUT.mp4), or drop the sample"


@dataclass(frozen=True)
class Part:
    """Seconds `start` to `end` (None: the end) of a file.

    seek: where its packets begin, in ticks of the stream; None: with the file's first.
    content: a digest of what was read of it.
    """

    start: float
    end: float | None
    seek: int | None
    content: str


@dataclass(frozen=True)
class VideoIndex:
    """The frames of one video in the order they are shown, N of them, and the M packets they come from.

    times: float64 [N], seconds from the start of the file (see above), never decreasing. The first is above 0
        where the pictures start after the sound.
    duration: seconds from the first frame to the end of the last.
    size: (height, width) as the header says, not yet turned as the file may ask.
    fps: mean frames per second: the declared rate if the times agree with it within 1 %, else N / duration.
    packets: int64 [N], the packet (in decoding order) that holds each frame; None when the container does not
        say (raw H.264, AVI): then frames are known by the order in which they come out of the decoder.
    keyframes: int64 [K], packets where decoding can start, rising.
    packet_count: M.
    part: which part of the file it is of, None for the whole; see video/part.py.
    """

    path: Path
    times: np.ndarray
    duration: float
    size: tuple[int, int]
    fps: float
    packets: np.ndarray | None
    keyframes: np.ndarray
    packet_count: int
    part: Part | None = None

    @property
    def end(self) -> float:
        """Seconds from the start of the file to the end of the last frame."""
        return float(self.times[0]) + self.duration

    @property
    def gaps(self) -> tuple[float, float, float]:
        """Smallest, median and largest seconds from one frame to the next; zeros for a single frame."""
        gaps = np.diff(self.times) if len(self.times) > 1 else np.zeros(1)
        return float(gaps.min()), float(np.median(gaps)), float(gaps.max())

    @property
    def is_variable(self) -> bool:
        """Whether the frame rate varies: a gap is more than 1.5 times the median gap, or less than 1 / 1.5 of it."""
        least, usual, most = self.gaps
        return most > VARIABLE_GAP * usual or least < usual / VARIABLE_GAP


def index_video(path: Path) -> VideoIndex:
    """Look at every packet of the first real video stream (cover pictures do not count).

    Raises VideoError, naming the file and the reason: no file, not a video, no video stream, no frames,
    truncated.
    """
    with open_video(path) as (container, stream):
        packets: list[PacketFacts] = []
        end = 0.0
        for packet in packets_of(container):
            if packet.stream.index == stream.index:
                refuse_hole(path, stream.codec_context.name, packet, len(packets))
                packets.append(packet_facts(packet))
            if packet.pts is not None and packet.time_base:
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        if not packets:
            raise VideoError(f"{path}: the video stream has no frames. {FIX}.")
        if container.format.name == "mpegts":
            refuse_lost_packets(path, stream.id, FIX)
        if "matroska" in container.format.name.split(","):
            refuse_wrong_sums(path, FIX)
        _refuse_truncated(path, container, stream, packets, end)
        return _index(path, container, stream, packets)


@dataclass(frozen=True)
class PacketFacts:
    """One packet: its time stamp and duration in the stream's ticks, and whether decoding can start there."""

    pts: int | None
    duration: int
    is_keyframe: bool
    is_shown: bool
    is_cut: bool


def packet_facts(packet: Any) -> PacketFacts:
    return PacketFacts(packet.pts, packet.duration or 0, packet.is_keyframe, not packet.is_discard, packet.is_corrupt)


def packets_of(container: Any, *streams: Any) -> Iterator[Any]:
    """The packets that hold something, of the given streams or of all.

    Ends at the first of the empty packets that PyAV adds at the end: past it, PyAV 18 looks up streams that
    appeared in mid-file by numbers it does not have.
    """
    for packet in container.demux(*streams):
        if packet.size:
            yield packet
        elif packet.dts is None and packet.pts is None:
            return


@contextmanager
def open_video(path: Path) -> Iterator[tuple[Any, Any]]:
    """The PyAV container and its video stream. FFmpeg's errors inside become VideoError."""
    if not path.is_file():
        raise VideoError(f"{path}: no such file. Check the sample's `video` path.")
    if path.stat().st_size == 0:
        raise VideoError(f"{path}: the file is empty (0 bytes). {FIX}.")
    try:
        # "file:" keeps a colon in the path from being read as a protocol, and a playlist from reaching the
        # network.
        options = {"protocol_whitelist": "file"}
        with av.open(f"file:{path}", metadata_errors="replace", container_options=options) as container:
            if container.format.name.endswith("_pipe") or container.format.name in ("image2", "tty"):
                raise VideoError(f"{path}: a picture or a text ({container.format.name}), not a video. {FIX}.")
            for stream in container.streams.video:
                if stream.disposition & av.stream.Disposition.attached_pic:
                    continue
                if stream.codec_context is None:
                    raise VideoError(f"{path}: FFmpeg knows no decoder for its codec. {FIX}.")
                yield container, stream
                return
            kinds = {"cover picture" if stream.type == "video" else stream.type for stream in container.streams}
            found = ", ".join(sorted(kinds)) or "a header"
            raise VideoError(f"{path}: no video stream, only {found}. {FIX}.")
    except av.error.FFmpegError as error:
        raise VideoError(f"{path}: cannot be read as a video ({error.strerror}). {FIX}.") from error


def _refuse_truncated(path: Path, container: Any, stream: Any, packets: list[PacketFacts], end: float) -> None:
    """Spans beyond the cut would be taught on frames that are not there, so a cut file is an error."""
    if packets[-1].is_cut:
        raise VideoError(f"{path}: truncated within its last frame. {FIX}.")
    if len(packets) < stream.frames and stream.duration:
        # Fewer frames alone prove nothing: an edit list may trim a file. Its trimmed duration counts.
        ends = [packet.pts + packet.duration for packet in packets if packet.is_shown and packet.pts is not None]
        there = (max(ends, default=0) - (stream.start_time or 0)) * float(stream.time_base)
        _refuse_short(path, there, float(stream.duration * stream.time_base), 1.5 * there / max(len(ends), 1))
    if container.duration and any(name in container.format.name.split(",") for name in DECLARING_CONTAINERS):
        # Matroska declares where it ends; the others how long they are.
        start = 0 if "matroska" in container.format.name else (container.start_time or 0) / av.time_base
        there = end - start
        declared = container.duration / av.time_base
        _refuse_short(path, there, declared, max(1.0, 0.05 * declared))


def refuse_hole(path: Path, codec: str, packet: Any, number: int) -> None:
    """Zeros where a part of the file was never written or fetched. These codecs never write so many in a row."""
    if codec in NO_ZEROS and HOLE in bytes(packet).rstrip(b"\0"):
        raise VideoError(f"{path}: damaged: a hole of zeros in packet {number}. {FIX}.")


def _refuse_short(path: Path, there: float, declared: float, tolerance: float) -> None:
    if there < declared - tolerance:
        raise VideoError(f"{path}: truncated, {there:.2f} of {declared:.2f} seconds are there. {FIX}.")


def _index(path: Path, container: Any, stream: Any, packets: list[PacketFacts]) -> VideoIndex:
    keyframes = np.array([number for number, packet in enumerate(packets) if packet.is_keyframe], np.int64)
    # Before the first keyframe nothing can be decoded; without any, decoding starts at the beginning and
    # hopes.
    first = int(keyframes[0]) if len(keyframes) else 0
    shown = [number for number in range(first, len(packets)) if packets[number].is_shown]
    if not shown:
        raise VideoError(f"{path}: the video stream has no frames that are shown. {FIX}.")
    stamps = [packets[number].pts for number in shown]
    if any(stamp is None for stamp in stamps):
        fps = _codec_rate(path, stream)
        times = np.arange(len(shown)) / fps
        return VideoIndex(path, times, len(shown) / fps, picture_size(stream), fps, None, keyframes, len(packets))
    ticks = np.array(stamps, np.int64)
    order = np.argsort(ticks, kind="stable")
    times = (ticks[order] - ticks[order[0]]) * float(stream.time_base)
    last = packets[shown[order[-1]]].duration * float(stream.time_base)
    declared = float(stream.average_rate or 0)
    duration = float(times[-1]) + (last or usual_gap(times, declared))
    fps = mean_rate(len(times), duration, declared)
    # AVI stamps packets in decoding order: the set of times is right, which frame has which is not.
    known = None if container.format.name == "avi" else np.array(shown, np.int64)[order]
    times += _late(container, float(ticks[order[0]] * stream.time_base))
    return VideoIndex(path, times, duration, picture_size(stream), fps, known, keyframes, len(packets))


def _late(container: Any, first: float) -> float:
    """Seconds from the start of the file to its first frame, which is shown at `first` by the container's clock."""
    return first - file_start(container, first)


def file_start(container: Any, first: float) -> float:
    """The container's time of the file's time 0, where its first frame is shown at `first`."""
    start = max((container.start_time or 0) / av.time_base, 0.0)
    return start if first - start > START_ROUNDING else first


def stated_start(container: Any, stream: Any) -> float:
    """The same where no packet is read: by what the header says of the first frame."""
    return file_start(container, float((stream.start_time or 0) * stream.time_base))


def mean_rate(frames: int, duration: float, declared: float) -> float:
    """Frames per second: the declared rate if the times agree with it within 1 %."""
    fps = frames / duration
    return declared if declared and abs(declared / fps - 1) < 0.01 else fps


def picture_size(stream: Any) -> tuple[int, int]:
    return int(stream.codec_context.height), int(stream.codec_context.width)


def usual_gap(times: np.ndarray, declared_fps: float) -> float:
    """Seconds that the last frame is shown when its packet does not say: as long as the usual one."""
    if len(times) > 1:
        return float(np.median(np.diff(times)))
    return 1 / declared_fps if declared_fps else 1.0


def _codec_rate(path: Path, stream: Any) -> float:
    """The rate in the codec's own headers. The container's is no help: it is FFmpeg's assumption of 25."""
    rate = float(stream.codec_context.framerate or 0)
    if not 0 < rate <= MAX_BELIEVABLE_FPS:
        raise VideoError(
            f"{path}: neither time stamps nor a frame rate. Put it into a container that has them "
            "(ffmpeg -framerate RATE -i IN -c copy OUT.mp4), or drop the sample."
        )
    return rate
