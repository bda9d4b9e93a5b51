"""A part of a video: the frames that the whole has there, found without reading the rest of the file."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reeltune.errors import VideoError
from reeltune.video import contained
from reeltune.video.cache import FrameCache
from reeltune.video.decode import decode_frames
from reeltune.video.encode import write_video
from reeltune.video.index import index_video
from reeltune.video.load import load_clip
from reeltune.video.part import index_part
from reeltune.video.sampling import FrameSampling, PixelBudget

SAMPLING = FrameSampling(fps=4, min_frames=2, max_frames=16)
PIXELS = PixelBudget(total=10**6, min_per_frame=28 * 28, max_per_frame=112 * 112)


def inside(path: Path, start: float, end: float | None) -> np.ndarray:
    """The whole file's frames of [start, end), by their numbers."""
    times = index_video(path).times
    return np.flatnonzero((times >= start - 1e-4) & ((times < end - 1e-4) if end is not None else True))


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.floats(0, 7.8), length=st.one_of(st.none(), st.floats(0.05, 5)))
def test_a_part_has_the_frames_and_times_of_the_whole(numbered_video: Path, start: float, length: float | None) -> None:
    end = None if length is None else start + length
    wanted, whole, part = (
        inside(numbered_video, start, end),
        index_video(numbered_video),
        index_part(numbered_video, start, end),
    )
    assert np.allclose(part.times, whole.times[wanted] - start, atol=1e-4) and len(part.times) == len(wanted)
    assert part.end == pytest.approx(min(end or whole.end, whole.end) - start, abs=1 / 30 + 1e-3)
    some = sorted({0, len(wanted) // 2, len(wanted) - 1})
    ours, at = decode_frames(part, some, lambda frame: frame)
    theirs, _ = decode_frames(whole, [int(wanted[each]) for each in some], lambda frame: frame)
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True)) and np.array_equal(at, part.times[some])


@pytest.mark.parametrize(
    ("name", "container"), [("a.mkv", "matroska"), ("a.ts", "mpegts"), ("a.mov", "mov"), ("a.flv", "flv")]
)
def test_in_every_container(
    name: str, container: str, numbered_video: Path, tmp_path: Path, remux: Callable[..., Path]
) -> None:
    path = remux(numbered_video, tmp_path / name, container)
    wanted, whole, part = inside(path, 3.1, 5.0), index_video(path), contained.index_video(path, part=(3.1, 5.0))
    assert np.allclose(part.times, whole.times[wanted] - 3.1, atol=2e-3) and len(wanted) > 50
    ours, _ = contained.decode_frames(part, [0, 20, 50], lambda frame: frame)
    theirs, _ = decode_frames(whole, wanted[[0, 20, 50]].tolist(), lambda frame: frame)
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_the_rest_of_the_file_is_not_read(numbered: Callable[..., np.ndarray], tmp_path: Path) -> None:
    """Every byte outside the header and the part's packets is overwritten: a damaged rest is no matter."""
    noise = np.random.default_rng(0).integers(0, 256, (300, 96, 128, 3), dtype=np.uint8)
    write_video(tmp_path / "a.mp4", noise, 30, keyframe_interval=30)
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    clip = load_clip(tmp_path / "a.mp4", SAMPLING, PIXELS, 28, part=(4.0, 6.0))
    third = len(data) // 4
    data[-third:] = os.urandom(third)
    data[len(data) // 12 : third] = os.urandom(third - len(data) // 12)
    (tmp_path / "b.mp4").write_bytes(data)
    again = load_clip(tmp_path / "b.mp4", SAMPLING, PIXELS, 28, part=(4.0, 6.0))
    assert np.array_equal(clip.frames, again.frames) and clip.video_hash == again.video_hash
    with pytest.raises(VideoError):
        load_clip(tmp_path / "b.mp4", SAMPLING, PIXELS, 28)


def test_a_part_is_cached_as_itself(numbered_video: Path, tmp_path: Path) -> None:
    cache = FrameCache(tmp_path / "cache", 2**30)
    parts = [(1.0, 3.0), (1.0, None), (2.0, 3.0)]
    first = [load_clip(numbered_video, SAMPLING, PIXELS, 28, cache, part=part) for part in parts]
    assert (cache.hits, cache.misses) == (0, 3)
    again = [load_clip(numbered_video, SAMPLING, PIXELS, 28, cache, part=part) for part in parts]
    assert (cache.hits, cache.misses) == (3, 3)
    for one, two in zip(first, again, strict=True):
        assert np.array_equal(one.frames, two.frames) and np.array_equal(one.timestamps, two.timestamps)
    assert [clip.duration for clip in first] == pytest.approx([2.0, 7.0, 1.0], abs=0.04)
    assert first[0].timestamps[0] == pytest.approx(0, abs=1e-3)


def test_what_is_not_there_is_named(numbered_video: Path, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"no frame is shown from 9 s to its end; the file ends at 8\.00 s"):
        index_part(numbered_video, 9.0, None)
    (tmp_path / "cut.mp4").write_bytes(numbered_video.read_bytes()[: numbered_video.stat().st_size // 2])
    with pytest.raises(VideoError):
        index_part(tmp_path / "cut.mp4", 6.0, None)
