"""Clips whose frames carry their own number, so that a test can read which frame it was given."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from reeltune.video.encode import write_video

Numbered = Callable[..., np.ndarray]


def _numbered(count: int, height: int = 96, width: int = 128) -> np.ndarray:
    """uint8 [count, height, width, 3]: eight blocks across the top spell the frame's number in binary."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    for number in range(count):
        for bit in range(8):
            if number >> bit & 1:
                frames[number, : height // 2, bit * width // 8 : (bit + 1) * width // 8] = 255
        frames[number, height // 2 :] = number * 2 % 256
    return frames


@pytest.fixture
def numbered() -> Numbered:
    return _numbered


@pytest.fixture
def number_of() -> Callable[[np.ndarray], int]:
    def read(frame: np.ndarray) -> int:
        height, width = frame.shape[:2]
        block = width // 8
        lit = [frame[height // 8 : height * 3 // 8, bit * block + 3 : (bit + 1) * block - 3] for bit in range(8)]
        return sum(1 << bit for bit in range(8) if lit[bit].mean() > 128)

    return read


@pytest.fixture
def numbered_video(tmp_path: Path) -> Path:
    """240 numbered frames, 8 seconds, a keyframe every 48 frames, B-frames between them."""
    path = tmp_path / "numbered.mp4"
    write_video(path, _numbered(240), 30, keyframe_interval=48)
    return path


@pytest.fixture
def remux() -> Callable[..., Path]:
    """Put the packets of a video into another container."""

    def copy(source: Path, target: Path, container: str, **options: str) -> Path:
        with av.open(str(source)) as reading, av.open(str(target), "w", container, options=options) as writing:
            stream = reading.streams.video[0]
            copied = writing.add_stream_from_template(stream)
            for packet in reading.demux(stream):
                if packet.dts is not None:
                    packet.stream = copied
                    writing.mux(packet)
        return target

    return copy


@pytest.fixture
def encode() -> Callable[..., Path]:
    """Encode frames with any codec and pixel format, with seconds of silence beside it when asked."""

    def write(
        path: Path,
        frames: np.ndarray,
        codec: str = "libx264",
        pixels: str = "yuv420p",
        *,
        container: str | None = None,
        silence: float = 0.0,
        options: dict[str, str] | None = None,
    ) -> Path:
        with av.open(str(path), "w", container) as file:
            audio = file.add_stream("aac", rate=16_000) if silence else None
            if len(frames):
                video = file.add_stream(codec, rate=30, options=options or {})
                video.height, video.width = frames.shape[1:3]
                video.pix_fmt = pixels
                for frame in frames:
                    file.mux(video.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
                file.mux(video.encode(None))
            if audio is not None:
                for _ in range(round(silence * 16_000 / 1024)):
                    sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
                    sound.sample_rate = 16_000
                    file.mux(audio.encode(sound))
                file.mux(audio.encode(None))
        return path

    return write
