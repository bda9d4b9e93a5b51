"""From file to clip: the published counts and sizes on real videos, and a second epoch that decodes nothing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reeltune.errors import VideoError
from reeltune.video import load
from reeltune.video.cache import FrameCache
from reeltune.video.clip import video_hash
from reeltune.video.encode import write_video
from reeltune.video.load import load_clip
from reeltune.video.resize import resize_frame
from reeltune.video.sampling import VIDEOCHAT_R1, FrameSampling, PixelBudget

Numbered = Callable[..., np.ndarray]
VIDEOS = Path(__file__).parents[3] / "shared" / "data" / "videos"


def test_counts_sizes_and_times(numbered_video: Path) -> None:
    clip = load_clip(numbered_video, FrameSampling(), VIDEOCHAT_R1, 28)
    assert clip.frames.shape == (16, 112, 140, 3) and clip.frames.dtype == np.uint8
    expected = np.linspace(0, 239, 16).round() / 30
    np.testing.assert_allclose(clip.timestamps, expected, atol=1e-9)
    assert clip.duration == pytest.approx(8)
    assert clip.video_hash == video_hash(numbered_video)


def test_frames_equal_resizing_the_whole_video(numbered_video: Path) -> None:
    import av

    clip = load_clip(numbered_video, FrameSampling(max_frames=8), PixelBudget(10**6, min_total=10**3), 32)
    with av.open(str(numbered_video)) as container:
        every = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    expected = [resize_frame(every[int(number)], 96, 128) for number in np.linspace(0, 239, 8).round()]
    np.testing.assert_array_equal(clip.frames, np.stack(expected))


@pytest.mark.parametrize(("count", "frames"), [(1, 2), (2, 2), (3, 2), (5, 4)])
def test_very_short_videos(tmp_path: Path, numbered: Numbered, count: int, frames: int) -> None:
    write_video(tmp_path / "short.mp4", numbered(count), 30)
    clip = load_clip(tmp_path / "short.mp4", FrameSampling(), VIDEOCHAT_R1, 28)
    assert len(clip.frames) == len(clip.timestamps) == frames
    assert clip.timestamps[0] == 0 and clip.timestamps[-1] == pytest.approx((count - 1) / 30)
    assert clip.duration == pytest.approx(count / 30)


def test_second_epoch_decodes_nothing(numbered_video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = FrameCache(numbered_video.parent / "cache", 10**8)
    first = load_clip(numbered_video, FrameSampling(), VIDEOCHAT_R1, 28, cache)

    def no_decoding(*_: object) -> None:
        raise AssertionError("the video was read again")

    monkeypatch.setattr(load, "index_video", no_decoding)
    monkeypatch.setattr(load, "decode_frames", no_decoding)
    copied = numbered_video.rename(numbered_video.with_name("elsewhere.mp4"))
    second = load_clip(copied, FrameSampling(), VIDEOCHAT_R1, 28, FrameCache(cache.directory, 10**8))
    np.testing.assert_array_equal(first.frames, second.frames)
    np.testing.assert_array_equal(first.timestamps, second.timestamps)
    assert (cache.hits, cache.misses) == (0, 1)
    load_clip(copied, FrameSampling(), VIDEOCHAT_R1, 28, cache)
    assert (cache.hits, cache.misses) == (1, 1)


def test_a_changed_file_is_a_new_clip(tmp_path: Path, numbered: Numbered) -> None:
    cache, path = FrameCache(tmp_path / "cache", 10**8), tmp_path / "a.mp4"
    write_video(path, numbered(10), 5)
    first = load_clip(path, FrameSampling(), VIDEOCHAT_R1, 28, cache)
    write_video(path, 255 - numbered(10), 5)
    second = load_clip(path, FrameSampling(), VIDEOCHAT_R1, 28, cache)
    assert first.video_hash != second.video_hash and cache.misses == 2
    assert not np.array_equal(first.frames, second.frames)


def test_broken_entry_is_rebuilt(numbered_video: Path) -> None:
    cache = FrameCache(numbered_video.parent / "cache", 10**8)
    first = load_clip(numbered_video, FrameSampling(), VIDEOCHAT_R1, 28, cache)
    (entry,) = cache.directory.iterdir()
    entry.write_bytes(entry.read_bytes()[:-7])
    again = load_clip(numbered_video, FrameSampling(), VIDEOCHAT_R1, 28, cache)
    np.testing.assert_array_equal(first.frames, again.frames)
    assert (cache.misses, cache.corrupt) == (2, 1)
    load_clip(numbered_video, FrameSampling(), VIDEOCHAT_R1, 28, cache)
    assert cache.hits == 1


def test_errors_name_the_file(tmp_path: Path, numbered: Numbered) -> None:
    (tmp_path / "story.mp4").write_text("once upon a time\n" * 50)
    write_video(tmp_path / "strip.mp4", np.zeros((4, 8, 2000, 3), np.uint8), 2)
    for name, message in [("missing.mp4", "No such file"), ("story.mp4", "cannot be read"), ("strip.mp4", "aspect")]:
        with pytest.raises(VideoError, match=message) as caught:
            load_clip(tmp_path / name, FrameSampling(), VIDEOCHAT_R1, 28, FrameCache(tmp_path / "cache", 10**8))
        assert str(tmp_path / name) in str(caught.value)
    assert not (tmp_path / "cache").exists()


@pytest.mark.skipif(not VIDEOS.is_dir(), reason=f"{VIDEOS} is not there")
@pytest.mark.parametrize(
    ("name", "seconds", "shape"),
    [("bigbuckbunny.mp4", 5.28, (10, 560, 980, 3)), ("bikes.mp4", 10.0, (20, 280, 644, 3))],
)
def test_real_videos(name: str, seconds: float, shape: tuple[int, ...]) -> None:
    clip = load_clip(VIDEOS / name, FrameSampling(), VIDEOCHAT_R1, 28)
    assert clip.duration == pytest.approx(seconds) and clip.frames.shape == shape
    assert clip.timestamps[0] == 0 and clip.timestamps[-1] == pytest.approx(seconds - 0.04)
    assert clip.frames.std() > 20
