"""What a browser cannot play is converted with each frame's own time kept; the cache stays within its bound."""

import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from tests.explorer.made import FPS, FRAMES, WIDTH, box_at, frames, write_other

from reeltune.errors import VideoError
from reeltune.explorer.media import MediaCache
from reeltune.explorer.transcode import transcode
from reeltune.media import Medium
from reeltune.video.encode import write_video
from reeltune.video.index import index_video


def left_edges(path: Path) -> dict[float, float]:
    """time -> where the square begins, as a fraction of the width."""
    found = {}
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            red = frame.to_ndarray(format="rgb24")[..., 0]
            columns = np.flatnonzero(red[red.shape[0] // 2] > 120)
            found[round(float(frame.time), 3)] = columns[0] / red.shape[1]
    return found


@pytest.mark.parametrize(
    ("codec", "container", "suffix", "pixels"),
    [
        ("libx265", "mp4", "mp4", "yuv420p"),
        ("libx265", "matroska", "mkv", "yuv420p"),
        ("mpeg4", "avi", "avi", "yuv420p"),
        ("libx264", "mp4", "mp4", "yuv444p"),
    ],
)
def test_every_frame_keeps_its_time(codec: str, container: str, suffix: str, pixels: str, tmp_path: Path) -> None:
    source, target = tmp_path / f"film.{suffix}", tmp_path / "out.mp4"
    write_other(source, codec, container, pixels)
    assert MediaCache(tmp_path / "cache").playable(source, Medium(video="x"))["state"] == "converting"
    transcode(source, target, 0.0, None)
    edges = left_edges(target)
    assert len(edges) == FRAMES
    for number, (moment, edge) in enumerate(edges.items()):
        assert moment == pytest.approx(number / FPS, abs=2e-3)
        assert edge == pytest.approx(box_at(moment)[0], abs=2 / WIDTH)
    with av.open(str(target)) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def test_a_part_of_a_long_video_and_an_uneven_rate(tmp_path: Path) -> None:
    source, target = tmp_path / "film.mp4", tmp_path / "out.mp4"
    moments = [number / FPS + (0.03 if number % 3 else 0.0) for number in range(FRAMES)]
    write_video(source, frames(), timestamps=moments, crf=12)
    transcode(source, target, 1.0, 2.0)
    wanted = [moment - 1.0 for moment in moments if 1.0 <= moment < 2.0]
    assert list(left_edges(target)) == pytest.approx(wanted, abs=2e-3) and len(wanted) == 10
    with pytest.raises(ValueError, match="no frame at or after"):
        transcode(source, tmp_path / "none.mp4", 99.0, None)
    assert not (tmp_path / "none.mp4").exists()


@pytest.mark.parametrize("start", [0.0, 1.0])
def test_the_warm_up_of_the_sound_moves_no_frame(tmp_path: Path, start: float) -> None:
    """Sound from before 0 is no part of the file's time, here as in the index: boxes and spans stay on their frames."""
    source, target = tmp_path / "film.mkv", tmp_path / "out.mp4"
    with av.open(str(source), "w", options={"avoid_negative_ts": "disabled"}) as out:
        sound, video = out.add_stream("aac", rate=48_000), out.add_stream("libx264", rate=FPS)
        video.height, video.width, video.pix_fmt = *frames().shape[1:3], "yuv420p"
        packets = [p for each in frames() for p in video.encode(av.VideoFrame.from_ndarray(each, "rgb24"))]
        packets += video.encode(None)
        for number in range(20):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            silence.sample_rate, silence.pts, silence.time_base = 48_000, (number - 4) * 1024, Fraction(1, 48_000)
            packets += sound.encode(silence)
        for packet in sorted(packets + sound.encode(None), key=lambda packet: float(packet.dts * packet.time_base)):
            out.mux(packet)
    with av.open(str(source)) as container:
        assert container.start_time < -0.08 * av.time_base, "the file is not what this test is about"
    transcode(source, target, start, None)
    wanted = [moment - start for moment in index_video(source).times if moment >= start]
    assert list(left_edges(target)) == pytest.approx(wanted, abs=2e-3)


def test_played_as_it_is_or_converted_once(tmp_path: Path) -> None:
    plain, other = tmp_path / "plain.mp4", tmp_path / "other.mkv"
    write_video(plain, frames(), FPS)
    write_other(other, "libx265", "matroska")
    cache = MediaCache(tmp_path / "cache")
    part = Medium(video="x", start=1.0, end=2.0)
    assert cache.playable(plain, part) == {"state": "ready", "file": plain, "type": "video/mp4", "offset": 1.0}
    until = time.monotonic() + 60
    while (state := cache.playable(other, part))["state"] == "converting" and time.monotonic() < until:
        time.sleep(0.05)
    assert state["state"] == "ready" and state["offset"] == 0.0 and state["file"].parent == tmp_path / "cache"
    assert len(left_edges(state["file"])) == 10
    assert cache.wait(other, Medium(video="x"))["state"] == "ready"  # the whole, too


def test_what_is_no_video_is_said(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"root:x:0:0:" * 50)
    cache = MediaCache(tmp_path / "cache")
    assert "not a readable video" in cache.playable(path, Medium(video="x"))["problem"]
    with pytest.raises(VideoError):
        cache.strip(path, Medium(video="x"), [0.0])


def test_the_cache_stays_within_its_bound(tmp_path: Path) -> None:
    source = tmp_path / "film.mkv"
    write_other(source, "libx265", "matroska")
    cache = MediaCache(tmp_path / "cache", gib=0)
    for number in range(5):
        (cache.folder / f"{number}.mp4").write_bytes(b"x" * 1000)
    cache.bytes = 2500
    cache.strip(source, Medium(video="x"), [0.0, 1.0])
    left = sorted(path.name for path in cache.folder.iterdir() if path.suffix == ".mp4")
    assert sum(path.stat().st_size for path in cache.folder.iterdir()) <= 2500 or len(left) == 0
    assert left == [] or left[-1] == "4.mp4"


def test_the_strip_shows_the_frames_that_were_seen(tmp_path: Path) -> None:
    source = tmp_path / "film.mp4"
    write_video(source, frames(), FPS, crf=12)
    found = MediaCache(tmp_path / "cache").strip(source, Medium(video="x"), [0.0, 1.0, 2.0, 3.0])
    assert found["times"] == pytest.approx([0.0, 1.0, 2.0, 3.0]) and not found["even"]
    with av.open(str(found["file"])) as container:
        [frame] = container.decode(video=0)
    picture = frame.to_ndarray(format="rgb24")
    width = picture.shape[1] // 4
    for number, moment in enumerate(found["times"]):
        cell = picture[36, number * width : (number + 1) * width, 0]
        assert np.flatnonzero(cell > 120)[0] / width == pytest.approx(box_at(moment)[0], abs=0.03)
    even = MediaCache(tmp_path / "cache").strip(source, Medium(video="x", start=1.0), [])
    assert even["even"] and len(even["times"]) == 16
    assert even["times"][0] == 0.0 and even["times"][-1] == pytest.approx(FRAMES / FPS - 1.0, abs=0.3)
