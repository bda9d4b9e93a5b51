"""Written videos are real H.264 files that play everywhere, and the same frames give the same bytes."""

import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from reeltune.errors import InputError
from reeltune.video.decode import decode_frames
from reeltune.video.encode import write_video
from reeltune.video.index import index_video

Numbered = Callable[..., np.ndarray]


def test_h264_in_mp4_ready_to_stream(tmp_path: Path, numbered: Numbered) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, numbered(20), Fraction(24000, 1001))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
        assert stream.frames == 20 and stream.average_rate == Fraction(24000, 1001)
    blob = path.read_bytes()
    assert blob.index(b"moov") < blob.index(b"mdat")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"]


ENCODE = """
import hashlib, sys
import numpy as np
from pathlib import Path
from reeltune.video.encode import write_video

side, path = int(sys.argv[1]), Path(sys.argv[2])
frames = np.zeros((24, side, side, 3), np.uint8)
for number in range(24):
    frames[number] = number * 6
    frames[number, side // 4 : side // 2, number : number + 20] = [255, 0, 0]
for _ in range(25):
    write_video(path, frames, 8)
    print(hashlib.sha256(path.read_bytes()).hexdigest())
"""


@pytest.mark.parametrize("side", [56, 84, 112])
def test_same_frames_same_bytes(tmp_path: Path, side: int) -> None:
    """50 times, in two processes whose fresh memory holds other bytes: nothing unwritten decides."""
    found = []
    for fill in ("0", "85"):
        command = [sys.executable, "-c", ENCODE, str(side), str(tmp_path / "a.mp4")]
        done = subprocess.run(command, env=os.environ | {"MALLOC_PERTURB_": fill}, capture_output=True, check=True)
        found += done.stdout.split()
    assert len(found) == 50 and len(set(found)) == 1


def test_pictures_come_back_nearly_the_same(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:64, :64]
    frames = np.stack(
        [np.stack([rows * 3 + shift, columns * 3, rows + columns], -1) for shift in range(0, 40, 4)]
    ).astype(np.uint8)
    write_video(tmp_path / "a.mp4", frames, 5)
    decoded, _ = decode_frames(index_video(tmp_path / "a.mp4"), list(range(10)), np.copy)
    assert np.abs(np.stack(decoded).astype(int) - frames).mean() < 3


@pytest.mark.parametrize(
    ("frames", "arguments", "message"),
    [
        (np.zeros((2, 8, 8, 3), np.float32), {"fps": 1}, "must be uint8"),
        (np.zeros((0, 8, 8, 3), np.uint8), {"fps": 1}, "T >= 1"),
        (np.zeros((2, 7, 8, 3), np.uint8), {"fps": 1}, "must be even, got 7 x 8"),
        (np.zeros((2, 8, 8, 3), np.uint8), {}, "either fps or timestamps"),
        (np.zeros((2, 8, 8, 3), np.uint8), {"fps": 1, "timestamps": [0, 1]}, "either fps or timestamps"),
        (np.zeros((2, 8, 8, 3), np.uint8), {"fps": 0}, "at least 0.01, got 0"),
        (np.zeros((2, 8, 8, 3), np.uint8), {"timestamps": [1, 1]}, "must rise"),
        (np.zeros((2, 8, 8, 3), np.uint8), {"timestamps": [1]}, "got 1 for 2"),
    ],
)
def test_wrong_arguments(tmp_path: Path, frames: np.ndarray, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        write_video(tmp_path / "a.mp4", frames, **arguments)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
