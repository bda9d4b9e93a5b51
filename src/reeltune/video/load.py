"""From a video file to the clip that a model sees."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from reeltune.errors import InputError, VideoError
from reeltune.video.cache import FrameCache, clip_key
from reeltune.video.clip import Clip, video_hash
from reeltune.video.contained import TIMEOUT_S, Bounds, decode_frames, index_video
from reeltune.video.images import decode_image, digest, frame_files, image_size, read_bytes
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
    part: Bounds | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Clip:
    """The sampled frames of a video, resized within the pixel budget or to one size, with their true times.

    `factor` is patch size times merge size: 28 for Qwen2.5-VL, 32 for Qwen3-VL. Frames are chosen by number,
    as the published systems do, evenly from first to last, or by time. Where the frame rate varies, the times of
    frames chosen by number are not evenly spaced, and the clip says so. With a cache, the same content and
    settings are decoded once. `part`: from start to end (None: the file's end) in seconds; no other part of the file
    is read, and times count from its start.
    Raises VideoError when the file is missing, damaged, truncated or not a video, and when FFmpeg takes longer than
    `timeout_s` to read it or to decode it.
    """
    index = None if part is None else index_video(path, part=part, timeout_s=timeout_s)
    content = index.part.content if index and index.part else video_hash(path)

    def decode() -> Clip:
        found = index or index_video(path, timeout_s=timeout_s)
        wanted = _chosen(found, sampling)
        keep = _resizer(path, len(wanted), pixels, factor)
        kept, times = decode_frames(found, wanted, keep, timeout_s=timeout_s)
        return Clip(np.stack(kept), times, found.duration, content)

    # What a part holds is known by its packets, when it is shown by its bounds.
    bounds = "" if part is None else f"/{part[0]:g}-{'' if part[1] is None else f'{part[1]:g}'}"
    return _cached(cache, content + bounds, sampling, pixels, factor, decode)


def load_frames(
    paths: Sequence[Path],
    rate: float,
    sampling: FrameSampling,
    pixels: PixelBudget | FrameSize,
    factor: int,
    cache: FrameCache | None = None,
    *,
    part: Bounds | None = None,
) -> Clip:
    """The clip of a list of image files, or a folder of them, taken at `rate` per second; frames are chosen as
    `load_clip` chooses them, and only those are read. Raises VideoError.
    """
    files, index = _listed(paths, rate, part)
    chosen = _chosen(index, sampling)
    data = {number: read_bytes(files[number]) for number in sorted(set(chosen))}
    content = digest(list(data.values()))

    def decode() -> Clip:
        keep = _resizer(files[chosen[0]], len(chosen), pixels, factor)
        kept = {number: keep(decode_image(files[number], each)) for number, each in data.items()}
        return Clip(np.stack([kept[number] for number in chosen]), index.times[chosen], index.duration, content)

    times = ",".join(f"{time:.6f}" for time in index.times[chosen])
    return _cached(cache, f"{content}/{times}/{index.duration:.6f}", sampling, pixels, factor, decode)


def _listed(paths: Sequence[Path], rate: float, part: Bounds | None) -> tuple[list[Path], VideoIndex]:
    """The files of a list of frames, or of a part of it, and their index."""
    files = frame_files(paths)
    start, end = part or (0.0, None)
    first = math.ceil(start * rate - 1e-6)
    last = len(files) if end is None else min(math.ceil(end * rate - 1e-6), len(files))
    if first >= last:
        raise VideoError(
            f"{paths[0]}: {len(files)} frames at {rate:g} per second end at {len(files) / rate:g} s; none lies from "
            f"{start:g} s on. Correct `start`, `end` and `fps` of the sample's media."
        )
    times = np.arange(first, last) / rate - start
    nothing = np.zeros(0, np.int64)
    size = image_size(files[first])
    return files[first:last], VideoIndex(paths[0], times, len(times) / rate, size, rate, None, nothing, len(times))


def _cached(
    cache: FrameCache | None,
    content: str,
    sampling: FrameSampling,
    pixels: PixelBudget | FrameSize,
    factor: int,
    decode: Callable[[], Clip],
) -> Clip:
    if cache is None:
        return decode()
    key = clip_key(content, sampling, pixels, factor)
    clip = cache.get(key)
    if clip is None:
        clip = decode()
        cache.put(key, clip)
    return clip


def _resizer(
    path: Path, frames: int, pixels: PixelBudget | FrameSize, factor: int
) -> Callable[[np.ndarray], np.ndarray]:
    """What brings each of a clip's frames to one size."""
    size: tuple[int, int] | None = None

    def resized(frame: np.ndarray) -> np.ndarray:
        nonlocal size
        if isinstance(pixels, FrameSize):
            return pixels.resize(frame)
        if size is None:  # of the first frame: rotation is known only once a frame is decoded
            size = _size_within(path, frames, frame.shape[:2], pixels, factor)
        return resize_frame(frame, *size)

    return resized


def _size_within(path: Path, frames: int, size: tuple[int, ...], pixels: PixelBudget, factor: int) -> tuple[int, int]:
    try:
        return resized_size(frames, size[0], size[1], pixels, factor)
    except InputError as error:
        raise VideoError(f"{path}: {error}") from error


def blank_clip(
    path: Path,
    sampling: FrameSampling,
    pixels: PixelBudget | FrameSize,
    factor: int,
    *,
    part: Bounds | None = None,
) -> Clip:
    """What `load_clip` gives, its times and size, but black: nothing is decoded, no pixel is held.

    Its frames are a read-only view of a single zero. A video that is to be turned by 90 degrees keeps its stored
    sides: height and width change places, their product stays. Raises VideoError as `load_clip` does.
    """
    index = index_video(path, part=part)
    return _blank(index, sampling, pixels, factor, index.part.content if index.part else video_hash(path))


def blank_frames(
    paths: Sequence[Path],
    rate: float,
    sampling: FrameSampling,
    pixels: PixelBudget | FrameSize,
    factor: int,
    *,
    part: Bounds | None = None,
) -> Clip:
    """What `load_frames` gives, black; only the header of one image is read."""
    _, index = _listed(paths, rate, part)
    return _blank(index, sampling, pixels, factor, str(paths[0]))


def _blank(
    index: VideoIndex, sampling: FrameSampling, pixels: PixelBudget | FrameSize, factor: int, content: str
) -> Clip:
    wanted = _chosen(index, sampling)
    if isinstance(pixels, FrameSize):
        height, width = pixels.height, pixels.width
    else:
        height, width = _size_within(index.path, len(wanted), index.size, pixels, factor)
    frames = np.broadcast_to(np.uint8(0), (len(wanted), height, width, 3))
    return Clip(frames, index.times[wanted], index.duration, content)


def _chosen(index: VideoIndex, sampling: FrameSampling) -> list[int]:
    """Numbers of the frames to look at, in the order shown."""
    if sampling.by == "time":
        return frames_by_time(index.times, index.duration, sampling)
    total = len(index.times)
    return frame_indices(total, frame_count(total, index.fps, sampling))
