"""True times: variable frame rates and pictures that start late, in real files, against a plain reading by FFmpeg."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from reeltune.video.index import index_video
from reeltune.video.load import blank_clip, load_clip
from reeltune.video.sampling import FrameSampling, PixelBudget, frames_by_time

Numbered = Callable[..., np.ndarray]
PIXELS = PixelBudget(10**6, min_total=10**3)
IRREGULAR = [0.0, 0.04, 0.08, 0.5, 0.54, 1.9, 2.0, 2.02, 2.04, 2.06, 2.08, 3.5, 4.2, 4.24, 4.28, 6.0]
EVEN = [number / 10 for number in range(40)]
CONTAINERS = ["a.mp4", "a.mov", "a.mkv", "a.ts", "a.flv"]


def late_video(path: Path, frames: np.ndarray, stamps: Sequence[float], *, start: float, sound: float) -> Path:
    """The frames at `start` + `stamps` seconds; `sound` seconds of silence from 0 on, none for 0."""
    clock = Fraction(1, 90_000)
    with av.open(str(path), "w") as file:
        audio = file.add_stream("aac", rate=16_000) if sound else None
        video = file.add_stream("libx264", rate=30)
        video.height, video.width = frames.shape[1:3]
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = clock
        packets = []
        for stamp, pixels in zip(stamps, frames, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = round((start + stamp) / clock), clock
            packets += video.encode(frame)
        packets += video.encode(None)
        for number in range(round(sound * 16_000 / 1024)):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            silence.sample_rate, silence.pts, silence.time_base = 16_000, number * 1024, Fraction(1, 16_000)
            packets += audio.encode(silence)
        packets += audio.encode(None) if audio else []
        for packet in sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)):
            file.mux(packet)
    return path


def plain_times(path: Path) -> tuple[np.ndarray, float]:
    """Every frame decoded, none chosen: its time stamp less the earliest of all streams; and the first of those.

    Sound before 0 does not count: encoders put their warm-up there.
    """
    with av.open(str(path)) as file:
        shown = [float(frame.pts * frame.time_base) for frame in file.decode(video=0)]
    firsts = [min(shown)]
    with av.open(str(path)) as file:
        if file.streams.audio:
            firsts.append(max(min(float(frame.pts * frame.time_base) for frame in file.decode(audio=0)), 0.0))
    return np.array(shown) - min(firsts), min(shown)


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("stamps", [IRREGULAR, EVEN], ids=["variable", "even"])
@pytest.mark.parametrize("sound", [8.0, 0.0], ids=["sound", "silent"])
def test_times_of_a_stream_that_starts_late(
    tmp_path: Path, numbered: Numbered, name: str, stamps: list[float], sound: float
) -> None:
    path = late_video(tmp_path / name, numbered(len(stamps)), stamps, start=1.5, sound=sound)
    expected, first = plain_times(path)
    assert first == pytest.approx(1.5, abs=0.07), "the file is not what this test is about"
    index = index_video(path)
    np.testing.assert_allclose(index.times, expected, atol=1.1e-3)
    # With sound from 0 on the pictures start late; alone they are the start of the file.
    assert index.times[0] == (pytest.approx(1.5, abs=0.07) if sound else 0)
    assert index.end == pytest.approx(index.times[0] + index.duration)
    assert index.is_variable == (stamps is IRREGULAR)
    for sampling in (FrameSampling(), FrameSampling(by="time")):
        clip = load_clip(path, sampling, PIXELS, 32)
        assert set(np.round(clip.timestamps, 2)) <= set(np.round(expected, 2))
        np.testing.assert_array_equal(blank_clip(path, sampling, PIXELS, 32).timestamps, clip.timestamps)


def test_frames_and_times_belong_together(
    tmp_path: Path, numbered: Numbered, number_of: Callable[[np.ndarray], int]
) -> None:
    path = late_video(tmp_path / "a.mp4", numbered(16), IRREGULAR, start=1.5, sound=8.0)
    for by in ("number", "time"):
        clip = load_clip(path, FrameSampling(fps=4, by=by), PixelBudget(10**7, min_total=10**5), 32)  # type: ignore[arg-type]
        shown = [IRREGULAR[number_of(frame)] + 1.5 for frame in clip.frames]
        np.testing.assert_allclose(clip.timestamps, shown, atol=1e-3)


def test_an_edit_list_delays_the_pictures(tmp_path: Path, numbered: Numbered) -> None:
    """The delay of an MP4 is an empty edit; without it the same packets start at once."""
    path = late_video(tmp_path / "a.mp4", numbered(40), EVEN, start=1.5, sound=6.0)
    assert path.read_bytes().count(b"elst") == 2
    assert index_video(path).times[0] == pytest.approx(1.5)
    with av.open(str(path), options={"ignore_editlist": "1"}) as file:
        assert float(file.streams.video[0].start_time * file.streams.video[0].time_base) < 0.3
    np.testing.assert_allclose(np.diff(index_video(path).times), 0.1, atol=1e-5)


def test_time_sampling_is_even_where_numbers_are_not(tmp_path: Path, numbered: Numbered) -> None:
    """Fifty frames in the first second, then one a second: numbers look at the first second almost alone."""
    stamps = [number / 50 for number in range(50)] + [float(second) for second in range(1, 10)]
    path = late_video(tmp_path / "a.mp4", numbered(59), stamps, start=0, sound=0)
    by_number = load_clip(path, FrameSampling(fps=1), PIXELS, 32).timestamps
    by_time = load_clip(path, FrameSampling(fps=1, by="time"), PIXELS, 32).timestamps
    assert (by_number < 1).sum() >= 7
    np.testing.assert_allclose(by_time, np.arange(10), atol=1e-3)


def test_time_sampling_against_the_definition() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        count = int(rng.integers(1, 60))
        times = np.sort(rng.uniform(0, 20, count)) + rng.choice([0.0, 1.5])
        duration = float(times[-1] - times[0]) + 0.1
        sampling = FrameSampling(fps=float(rng.choice([0.5, 1, 2])), min_frames=2, max_frames=30, by="time")
        chosen = frames_by_time(times, duration, sampling)
        assert len(chosen) % 2 == 0 and chosen == sorted(chosen) and len(chosen) <= max(count, 2)
        asked = 2 * int(np.ceil(np.ceil(round(duration * sampling.fps, 3)) / 2))
        step = 1 / sampling.fps if len(chosen) == asked else duration / len(chosen)
        for number, index in enumerate(chosen):
            wanted = times[0] + number * step
            assert abs(times[index] - wanted) == pytest.approx(min(abs(times - wanted)), abs=1e-12)


@pytest.mark.parametrize(("count", "fps", "expected"), [(240, 30, 16), (250, 25, 20), (75, 10, 16), (3, 30, 2)])
def test_time_sampling_at_an_even_rate(count: int, fps: int, expected: int) -> None:
    times = np.arange(count) / fps
    chosen = frames_by_time(times, count / fps, FrameSampling(by="time"))
    assert len(chosen) == expected
    if count > 3:
        np.testing.assert_allclose(times[chosen], np.minimum(np.arange(expected) / 2, times[-1]), atol=0.5 / fps + 1e-9)
