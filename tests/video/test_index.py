"""The true times of every frame, from files with and without honest headers; clear errors for the rest."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from reeltune.errors import VideoError
from reeltune.video.decode import decode_frames
from reeltune.video.encode import write_video
from reeltune.video.index import index_video


def test_constant_rate(numbered_video: Path) -> None:
    index = index_video(numbered_video)
    np.testing.assert_allclose(index.times, np.arange(240) / 30, atol=1e-9)
    assert index.fps == 30
    assert index.duration == pytest.approx(8)
    assert index.keyframes[0] == 0 and max(np.diff([*index.keyframes, 240])) <= 48


@pytest.mark.parametrize("fps", [24000 / 1001, 30000 / 1001, 12.5, 60, 0.5])
def test_rates_come_back(tmp_path: Path, numbered: Callable[..., np.ndarray], fps: float) -> None:
    path = tmp_path / "rate.mp4"
    write_video(path, numbered(12, 32, 64), fps)
    index = index_video(path)
    assert index.fps == pytest.approx(fps, rel=1e-9)
    np.testing.assert_allclose(index.times, np.arange(12) / fps, atol=1e-6)
    assert index.duration == pytest.approx(12 / fps, abs=1e-6)


def test_variable_rate_counts_from_the_first_frame(tmp_path: Path, numbered: Callable[..., np.ndarray]) -> None:
    stamps = [1.0, 1.1, 1.9, 2.0, 5.0, 5.04, 9.5]
    path = tmp_path / "variable.mp4"
    write_video(path, numbered(7), timestamps=stamps)
    index = index_video(path)
    np.testing.assert_allclose(index.times, np.array(stamps) - 1.0, atol=1e-5)
    assert index.fps == pytest.approx(7 / index.duration)
    assert 8.5 < index.duration < 13.1


@pytest.mark.parametrize(
    ("name", "container"),
    [("a.mkv", "matroska"), ("a.ts", "mpegts"), ("a.flv", "flv"), ("a.mov", "mov")],
)
def test_containers(numbered_video: Path, remux: Callable[..., Path], name: str, container: str) -> None:
    index = index_video(remux(numbered_video, numbered_video.with_name(name), container))
    np.testing.assert_allclose(index.times, np.arange(240) / 30, atol=6e-4)
    assert index.fps == 30
    assert index.duration == pytest.approx(8, abs=1e-3)


def test_fragments_declare_no_frame_count(numbered_video: Path, remux: Callable[..., Path]) -> None:
    fragmented = remux(numbered_video, numbered_video.with_name("f.mp4"), "mp4", movflags="frag_keyframe+empty_moov")
    assert len(index_video(fragmented).times) == 240


def test_raw_stream_takes_the_codecs_rate(
    tmp_path: Path, numbered: Callable[..., np.ndarray], encode: Callable[..., Path]
) -> None:
    rated = {"x264-params": "force-cfr=1"}
    index = index_video(encode(tmp_path / "a.h264", numbered(60), container="h264", options=rated))
    assert index.packets is None
    assert index.fps == 30
    np.testing.assert_allclose(index.times, np.arange(60) / 30)


def test_raw_stream_without_a_rate_is_refused(
    tmp_path: Path, numbered: Callable[..., np.ndarray], remux: Callable[..., Path]
) -> None:
    """FFmpeg would assume 25 frames per second; nothing here guesses."""
    write_video(tmp_path / "v.mp4", numbered(30), timestamps=[number / 30 for number in range(30)])
    raw = remux(tmp_path / "v.mp4", tmp_path / "v.h264", "h264")
    with pytest.raises(VideoError, match="neither time stamps nor a frame rate"):
        index_video(raw)


def test_one_frame(tmp_path: Path, numbered: Callable[..., np.ndarray]) -> None:
    write_video(tmp_path / "one.mp4", numbered(1), 10)
    index = index_video(tmp_path / "one.mp4")
    assert list(index.times) == [0.0]
    assert index.duration == pytest.approx(0.1)


def test_sound_longer_than_the_picture_is_not_truncation(
    tmp_path: Path, numbered: Callable[..., np.ndarray], encode: Callable[..., Path]
) -> None:
    for name in ("long.mkv", "long.mp4"):
        index = index_video(encode(tmp_path / name, numbered(30), silence=6.0))
        assert index.duration == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("name", "container"), [("a.mp4", "mp4"), ("a.mkv", "matroska"), ("a.flv", "flv")])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.8])
def test_truncated_files_are_refused(
    numbered_video: Path, remux: Callable[..., Path], name: str, container: str, share: float
) -> None:
    options = {"movflags": "faststart"} if container == "mp4" else {}
    whole = remux(numbered_video, numbered_video.with_name(name), container, **options)
    whole.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])
    with pytest.raises(VideoError, match=r"truncated|cannot be read"):
        index_video(whole)


def test_files_that_are_no_videos(
    tmp_path: Path, numbered: Callable[..., np.ndarray], encode: Callable[..., Path]
) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("once upon a time\n" * 100)
    (tmp_path / "zeros.mp4").write_bytes(bytes(5000))
    encode(tmp_path / "sound.mp4", numbered(0), silence=1.0)
    (tmp_path / "folder.mp4").mkdir()
    for name, message in [
        ("empty.mp4", "empty"),
        ("text.mp4", "cannot be read as a video"),
        ("zeros.mp4", "cannot be read as a video"),
        ("sound.mp4", "no video stream, only audio"),
        ("folder.mp4", "no such file"),
        ("missing.mp4", "no such file"),
    ]:
        with pytest.raises(VideoError, match=message) as caught:
            index_video(tmp_path / name)
        assert name in str(caught.value)


def test_a_colon_in_the_name_is_no_protocol(tmp_path: Path, numbered: Callable[..., np.ndarray]) -> None:
    path = tmp_path / "http:12 %d [x].mp4"
    write_video(path, numbered(4), 2)
    assert len(index_video(path).times) == 4


def test_a_trimmed_file_is_not_truncated(numbered_video: Path, number_of: Callable[[np.ndarray], int]) -> None:
    """An edit list that shows seconds 3 to 5 only: the header still counts all 240 frames."""
    blob = bytearray(numbered_video.read_bytes())
    start = blob.index(b"elst") + 12
    delay = int.from_bytes(blob[start + 4 : start + 8], "big")
    with av.open(str(numbered_video)) as container:
        ticks = container.streams.video[0].time_base.denominator
    blob[start : start + 8] = (2000).to_bytes(4, "big") + (delay + 3 * ticks).to_bytes(4, "big")
    numbered_video.write_bytes(blob)
    index = index_video(numbered_video)
    assert index.duration == pytest.approx(2) and index.fps == 30
    frames, times = decode_frames(index, [0, 20, 59], np.copy)
    assert [number_of(frame) for frame in frames] == [90, 110, 149]
    np.testing.assert_allclose(times, [0, 20 / 30, 59 / 30], atol=1e-9)


@pytest.mark.parametrize("missing", [3, 12, 100])
def test_a_few_missing_frames_are_truncation(tmp_path: Path, missing: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (150, 32, 32, 3), np.uint8)
    path = tmp_path / "noise.mp4"
    write_video(path, noise, 30)
    with av.open(str(path)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    path.write_bytes(path.read_bytes()[: places[-missing]])
    with pytest.raises(VideoError, match="truncated"):
        index_video(path)
