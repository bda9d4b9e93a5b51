"""Frames to a real H.264 MP4 file: for the generated videos, the tests and the report."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

from reeltune.errors import InputError
from reeltune.files import write_whole

# 90 kHz is the clock of MPEG systems; common frame rates are whole ticks of it.
CLOCK = 90_000


def write_video(
    path: Path,
    frames: np.ndarray,
    fps: float | Fraction | None = None,
    *,
    timestamps: Sequence[float] | None = None,
    crf: int = 18,
    preset: str = "veryfast",
    keyframe_interval: int = 250,
) -> None:
    """Write uint8 [T, H, W, 3] RGB frames as H.264, yuv420p, MP4 that starts to play before it is all read.

    Give `fps`, or `timestamps` (seconds, rising, one per frame) for a variable frame rate. Height and width
    must be
    even: yuv420p halves them. `crf` is x264's quality, lower is better. Encoded by one thread, so that the
    same frames give the same bytes. Raises InputError when the arguments break these rules.
    """
    ticks = _ticks(frames, fps, timestamps)
    options = {"crf": str(crf), "preset": preset, "g": str(keyframe_interval), "threads": "1"}

    def encode(temporary: Path) -> None:
        with av.open(
            f"file:{temporary}", "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}
        ) as container:
            rate = Fraction(fps).limit_denominator(1001) if fps is not None else Fraction(30)
            stream = container.add_stream("libx264", rate=rate, options=options)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = "yuv420p"
            stream.thread_count = 1
            stream.codec_context.time_base = Fraction(1, CLOCK)
            for tick, pixels in zip(ticks, frames, strict=True):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
                frame.pts, frame.time_base = tick, Fraction(1, CLOCK)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))

    write_whole(path, encode)


def _ticks(frames: np.ndarray, fps: float | Fraction | None, timestamps: Sequence[float] | None) -> list[int]:
    """The presentation time of each frame in ticks of the clock, after checking what was given."""
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or len(frames) == 0:
        raise InputError(
            f"frames must be uint8 [T, H, W, 3] with T >= 1, got {frames.dtype} {list(frames.shape)}"
        )
    if frames.shape[1] % 2 or frames.shape[2] % 2:
        raise InputError(f"height and width must be even, got {frames.shape[1]} x {frames.shape[2]}")
    if (fps is None) == (timestamps is None):
        raise InputError("give either fps or timestamps")
    if fps is not None:
        if not fps > 0:
            raise InputError(f"fps must be positive, got {fps}")
        return [round(number * CLOCK / fps) for number in range(len(frames))]
    assert timestamps is not None
    ticks = [round(seconds * CLOCK) for seconds in timestamps]
    if len(ticks) != len(frames) or any(later <= earlier for earlier, later in pairwise(ticks)):
        raise InputError(f"timestamps must rise, one per frame; got {len(ticks)} for {len(frames)} frames")
    return ticks
