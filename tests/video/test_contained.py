"""A decoder that crashes, hangs or complains costs one video, and nothing else."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reeltune.errors import VideoError
from reeltune.video import contained
from reeltune.video.contained import DECODER, Decoder
from reeltune.video.decode import decode_frames
from reeltune.video.encode import write_video
from reeltune.video.index import index_video

Remux = Callable[..., Path]


def test_the_child_gives_what_this_process_gives(numbered_video: Path) -> None:
    ours, theirs = index_video(numbered_video), contained.index_video(numbered_video)
    for name in ("path", "duration", "size", "fps", "packet_count"):
        assert getattr(ours, name) == getattr(theirs, name)
    for name in ("times", "packets", "keyframes"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name))
    wanted = [200, 3, 3, 100]
    frames, times = decode_frames(ours, wanted, lambda frame: frame)
    found, at = contained.decode_frames(theirs, wanted, lambda frame: frame)
    assert np.array_equal(np.stack(frames), np.stack(found)) and np.array_equal(times, at)


def test_errors_are_those_of_this_process(tmp_path: Path) -> None:
    for name, content in (("gone.mp4", None), ("empty.mp4", b""), ("text.mp4", b"hello " * 100)):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(VideoError) as ours:
            index_video(tmp_path / name)
        with pytest.raises(VideoError) as theirs:
            contained.index_video(tmp_path / name)
        assert str(ours.value) == str(theirs.value)


CRASH = "import os, sys; sys.stdin.readline(); os.abort()"
HANG = "import sys, time; sys.stdin.readline(); time.sleep(60)"


def test_a_decoder_that_crashes_or_hangs_is_an_error_of_that_video(tmp_path: Path, numbered_video: Path) -> None:
    crashing, hanging = (Decoder([sys.executable, "-c", code]) for code in (CRASH, HANG))
    with pytest.raises(VideoError, match=r"numbered\.mp4: the decoder crashed on it, twice \(signal 6\)"):
        crashing.index(numbered_video, 30)
    started = time.monotonic()
    with pytest.raises(VideoError, match=r"numbered\.mp4: reading did not end within 0\.5 s"):
        hanging.index(numbered_video, 0.5)
    assert time.monotonic() - started < 30, "the child sleeps for 60 s"
    assert hanging._child is None


def test_a_child_that_somebody_else_kills_is_started_again(numbered_video: Path) -> None:
    contained.index_video(numbered_video)
    assert DECODER._child is not None
    os.kill(DECODER._child.pid, signal.SIGKILL)
    assert contained.index_video(numbered_video).packet_count == 240


def test_a_keep_that_fails_leaves_the_next_job_alone(numbered_video: Path) -> None:
    def fail(frame: np.ndarray) -> np.ndarray:
        raise KeyboardInterrupt

    index = contained.index_video(numbered_video)
    with pytest.raises(KeyboardInterrupt):
        contained.decode_frames(index, [0, 1, 2], fail)
    frames, _ = contained.decode_frames(index, [5], lambda frame: frame)
    assert len(frames) == 1


def test_the_child_ends_with_its_parent_also_while_it_hangs(tmp_path: Path, numbered_video: Path) -> None:
    code = (
        "import sys, os; from pathlib import Path; from reeltune.video import contained\n"
        "contained.index_video(Path(sys.argv[1])); print(contained.DECODER._child.pid, flush=True)\n"
        "os.kill(contained.DECODER._child.pid, 19); os.kill(contained.DECODER._child.pid, 18); os.kill(os.getpid(), 9)"
    )
    parent = subprocess.run([sys.executable, "-c", code, str(numbered_video)], stdout=subprocess.PIPE, check=False)
    child = Path("/proc") / parent.stdout.decode().strip()
    end = time.monotonic() + 30
    while child.exists() and "Z" not in (child / "stat").read_text().split()[2]:
        assert time.monotonic() < end, "the child outlives its parent"
        time.sleep(0.1)


def noise(path: Path) -> Path:
    rng = np.random.default_rng(0)
    write_video(path, rng.integers(0, 256, (60, 96, 128, 3), dtype=np.uint8), 10, keyframe_interval=15)
    return path


@pytest.mark.parametrize(
    ("name", "container", "told"),
    [
        ("a.mkv", "matroska", "check sum"),
        ("a.mp4", "mp4", "a hole of zeros in packet"),
        ("a.ts", "mpegts", "a hole of zeros in packet"),
    ],
)
def test_a_hole_of_zeros_is_found(tmp_path: Path, remux: Remux, name: str, container: str, told: str) -> None:
    path = remux(noise(tmp_path / "whole.mp4"), tmp_path / name, container)
    index = contained.index_video(path)
    contained.decode_frames(index, range(60), lambda frame: frame[:1])
    data = bytearray(path.read_bytes())
    assert len(data) > 160_000
    data[80_000:120_000] = bytes(40_000)
    path.write_bytes(data)
    with pytest.raises(VideoError, match=f"damaged: .*{told}"):
        contained.decode_frames(contained.index_video(path), range(60), lambda frame: frame[:1])


def test_what_the_decoder_conceals_and_complains_of_is_no_clip(tmp_path: Path) -> None:
    path = noise(tmp_path / "a.mp4")
    data = bytearray(path.read_bytes())
    data[80_000:80_400] = np.random.default_rng(0).bytes(400)
    path.write_bytes(data)
    # A later frame that leans on the damaged one: it is not marked as damaged itself.
    with pytest.raises(VideoError, match=r"damaged: FFmpeg complains \d+ times, first: "):
        contained.decode_frames(contained.index_video(path), [13], lambda frame: frame[:1])


@pytest.mark.parametrize("keep", [0.6, 0.61, 0.33])
def test_a_transport_stream_cut_within_a_packet_is_truncated(tmp_path: Path, remux: Remux, keep: float) -> None:
    path = remux(noise(tmp_path / "whole.mp4"), tmp_path / "a.ts", "mpegts")
    data = path.read_bytes()
    cut = int(len(data) * keep) // 188 * 188 + 17
    path.write_bytes(data[:cut])
    with pytest.raises(VideoError, match="truncated within"):
        contained.index_video(path)


def test_lost_packets_of_a_transport_stream_are_found(tmp_path: Path, remux: Remux) -> None:
    path = remux(noise(tmp_path / "whole.mp4"), tmp_path / "a.ts", "mpegts")
    data = path.read_bytes()
    middle = len(data) // 188 // 2 * 188
    path.write_bytes(data[:middle] + data[middle + 188 :])
    with pytest.raises(VideoError, match=r"packets are lost at 1 places|damaged"):
        contained.index_video(path)


def test_joined_transport_streams_and_one_that_begins_within_a_packet_are_whole(tmp_path: Path, remux: Remux) -> None:
    path = remux(noise(tmp_path / "whole.mp4"), tmp_path / "a.ts", "mpegts")
    data = path.read_bytes()
    count = contained.index_video(path).packet_count
    for name, joined in (("joined.ts", data + data), ("late.ts", data[100:])):
        (tmp_path / name).write_bytes(joined)
        assert contained.index_video(tmp_path / name).packet_count >= count


def test_a_picture_is_no_video(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.mp4")
    with pytest.raises(VideoError, match=r"a picture or a text \(png_pipe\), not a video"):
        contained.index_video(tmp_path / "a.mp4")
