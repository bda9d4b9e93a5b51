"""From a video file to the clip that a model sees."""

from pathlib import Path

import numpy as np

from reeltune.errors import InputError, VideoError
from reeltune.video.cache import FrameCache, clip_key
from reeltune.video.clip import Clip, video_hash
from reeltune.video.contained import TIMEOUT_S, decode_frames, index_video
from reeltune.video.index import VideoIndex
from reeltune.video.resize import FrameSize, resize_frame
from reeltune.video.sampling import (
    FrameSampling,
    PixelBudget,
    frame_count,
    frame_indices,
    frames_by_time,
    resized_size,
)


def load_clip(
    path: Path,
    sampling: FrameSampling,
    pixels: PixelBudget | FrameSize,
    factor: int,
    cache: FrameCache | None = None,
    *,
    timeout_s: float = TIMEOUT_S,
) -> Clip:
    """The sampled frames of a video, resized within the pixel budget or to one size, with their true times.

    `factor` is patch size times merge size: 28 for Qwen2.5-VL, 32 for Qwen3-VL. Frames are chosen by number,
    as the published systems do, evenly from first to last, or by time. Where the frame rate varies, the times of
    frames chosen by number are not evenly spaced, and the clip says so. With a cache, the same content and
    settings are decoded once.
    Raises VideoError when the file is missing, damaged, truncated or not a video, and when FFmpeg takes longer than
    `timeout_s` to read it or to decode it.
    """
    content = video_hash(path)
    if cache is None:
        return _decode_clip(path, content, sampling, pixels, factor, timeout_s)
    key = clip_key(content, sampling, pixels, factor)
    clip = cache.get(key)
    if clip is None:
        clip = _decode_clip(path, content, sampling, pixels, factor, timeout_s)
        cache.put(key, clip)
    return clip


def _decode_clip(
    path: Path, content: str, sampling: FrameSampling, pixels: PixelBudget | FrameSize, factor: int, timeout_s: float
) -> Clip:
    index = index_video(path, timeout_s=timeout_s)
    wanted = _chosen(index, sampling)
    size: tuple[int, int] | None = None

    def resized(frame: np.ndarray) -> np.ndarray:
        nonlocal size
        if isinstance(pixels, FrameSize):
            return pixels.resize(frame)
        if size is None:  # of the first frame: rotation is known only once a frame is decoded
            try:
                size = resized_size(len(wanted), frame.shape[0], frame.shape[1], pixels, factor)
            except InputError as error:
                raise VideoError(f"{path}: {error}") from error
        return resize_frame(frame, *size)

    kept, times = decode_frames(index, wanted, resized, timeout_s=timeout_s)
    return Clip(np.stack(kept), times, index.duration, content)


def blank_clip(path: Path, sampling: FrameSampling, pixels: PixelBudget | FrameSize, factor: int) -> Clip:
    """What `load_clip` gives, its times and size, but black: nothing is decoded, no pixel is held.

    Its frames are a read-only view of a single zero. A video that is to be turned by 90 degrees keeps its stored
    sides: height and width change places, their product stays. Raises VideoError as `load_clip` does.
    """
    index = index_video(path)
    wanted = _chosen(index, sampling)
    if isinstance(pixels, FrameSize):
        height, width = pixels.height, pixels.width
    else:
        try:
            height, width = resized_size(len(wanted), *index.size, pixels, factor)
        except InputError as error:
            raise VideoError(f"{path}: {error}") from error
    frames = np.broadcast_to(np.uint8(0), (len(wanted), height, width, 3))
    return Clip(frames, index.times[wanted], index.duration, video_hash(path))


def _chosen(index: VideoIndex, sampling: FrameSampling) -> list[int]:
    """Numbers of the frames to look at, in the order shown."""
    if sampling.by == "time":
        return frames_by_time(index.times, index.duration, sampling)
    total = len(index.times)
    return frame_indices(total, frame_count(total, index.fps, sampling))
