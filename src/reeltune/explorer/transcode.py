"""`python -m reeltune.explorer.transcode IN OUT START END`: a video that browsers play, in a process of its own.

Whatever FFmpeg decodes becomes H.264 in MP4, at most HEIGHT lines high, without sound. Each frame keeps its own time,
so that spans and boxes stand where they stood; the file's time 0 is START. Prints the share that is done, a line each.
"""

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from reeltune.files import write_whole
from reeltune.video.decode import orient
from reeltune.video.index import stated_start

HEIGHT = 720
CLOCK = 90_000
OPTIONS = {"crf": "23", "preset": "veryfast", "g": "30"}
"""A keyframe each 30 frames: one seeks about in these files."""


def transcode(source: Path, target: Path, start: float, end: float | None) -> None:
    """Write `target` whole or not at all. Errors of FFmpeg go through; ValueError where no frame is between the two."""
    write_whole(target, lambda temporary: _write(source, temporary, start, end), sync=False)


def _write(source: Path, temporary: Path, start: float, end: float | None) -> None:
    with (
        av.open(f"file:{source}") as inside,
        av.open(f"file:{temporary}", "w", format="mp4", options={"movflags": "+faststart"}) as outside,
    ):
        stream = inside.streams.video[0]
        stream.thread_type = "AUTO"
        zero = stated_start(inside, stream)
        length = (inside.duration or 0) / av.time_base
        until = end if end is not None else length
        if start > 0:
            inside.seek(int((start + zero) * av.time_base), backward=True)
        rate = stream.average_rate or Fraction(25)
        encoder: Any = None
        last = -1
        for number, frame in enumerate(inside.decode(stream)):
            time = float(frame.time) - zero if frame.time is not None else number / float(rate)
            if end is not None and time >= end:
                break
            if time < start - 1e-6:
                continue
            picture = _playable(frame)
            if encoder is None:
                encoder = _encoder(outside, rate, picture)
            last = max(last + 1, round((time - start) * CLOCK))
            picture.pts, picture.time_base = last, Fraction(1, CLOCK)
            outside.mux(encoder.encode(picture))
            if number % 25 == 0 and until > start:
                print(f"{min(1.0, (time - start) / (until - start)):.3f}", flush=True)
        if encoder is None:
            raise ValueError(f"no frame at or after {start:g} s")
        outside.mux(encoder.encode(None))


def _encoder(container: Any, rate: Fraction, picture: Any) -> Any:
    stream = container.add_stream("libx264", rate=rate, options=OPTIONS)
    stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
    stream.codec_context.time_base = Fraction(1, CLOCK)
    return stream


def _playable(frame: Any) -> Any:
    """Upright, 8 bits, even sides, at most HEIGHT lines."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is not None:
        turned = orient(frame.to_ndarray(format="rgb24"), np.frombuffer(bytes(matrix), "=i4").reshape(3, 3)[:2, :2])
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(turned), format="rgb24")
    scale = min(1.0, HEIGHT / frame.height)
    width, height = (max(2, round(side * scale / 2) * 2) for side in (frame.width, frame.height))
    return frame.reformat(width=width, height=height, format="yuv420p")


def main(arguments: list[str]) -> int:
    source, target, start, end = arguments
    try:
        transcode(Path(source), Path(target), float(start), float(end) if end != "end" else None)
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
