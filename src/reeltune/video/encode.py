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
# One thread, and x264's macroblock tree in plain C: its SIMD form works on eight macroblocks at a time and, at the
# end of a row that is no multiple of eight, decides by memory that nobody wrote. So equal frames gave several files
# (seen at widths of 56, 84, 98 and 112, not at 128 or 640).
SAME_BYTES = {"threads": "1", "x264-params": "cpu-independent=1"}


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
    must be even: yuv420p halves them. `crf` is x264's quality, lower is better. The same frames give the same
    bytes (see SAME_BYTES). Raises InputError when the arguments break these rules.
    """
    _check(frames, fps, timestamps)
    if timestamps is None:
        rate = Fraction(fps or 0).limit_denominator(1001)
        clock, ticks = 1 / rate, list(range(len(frames)))
    else:
        # x264 needs some rate; the time stamps are what is written.
        rate, clock = Fraction(30), Fraction(1, CLOCK)
        ticks = [round(seconds * CLOCK) for seconds in timestamps]
    options = {"crf": str(crf), "preset": preset, "g": str(keyframe_interval), **SAME_BYTES}
    muxing = {"movflags": "+faststart", "fflags": "+bitexact"}

    def encode(temporary: Path) -> None:
        with av.open(f"file:{temporary}", "w", format="mp4", options=muxing) as container:
            stream = container.add_stream("libx264", rate=rate, options=options)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = clock
            for tick, pixels in zip(ticks, frames, strict=True):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
                frame.pts, frame.time_base = tick, clock
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))

    write_whole(path, encode)


def _check(frames: np.ndarray, fps: float | Fraction | None, timestamps: Sequence[float] | None) -> None:
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or len(frames) == 0:
        raise InputError(f"frames must be uint8 [T, H, W, 3] with T >= 1, got {frames.dtype} {list(frames.shape)}")
    if frames.shape[1] % 2 or frames.shape[2] % 2:
        raise InputError(f"height and width must be even, got {frames.shape[1]} x {frames.shape[2]}")
    if (fps is None) == (timestamps is None):
        raise InputError("give either fps or timestamps")
    if fps is not None and not fps >= 0.01:
        raise InputError(f"fps must be at least 0.01, got {fps}")
    if timestamps is None:
        return
    rising = all(round(later * CLOCK) > round(earlier * CLOCK) for earlier, later in pairwise(timestamps))
    if len(timestamps) != len(frames) or not rising:
        raise InputError(f"timestamps must rise, one per frame; got {len(timestamps)} for {len(frames)} frames")
