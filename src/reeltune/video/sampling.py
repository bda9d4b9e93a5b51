"""Which frames of a video are looked at, and at what size. Pure functions; no frame is touched here.

Source: the rules of VideoChat-R1 (arXiv 2504.06958) and the Qwen-VL families. What they leave open (videos
shorter than `frame_multiple`) is our choice and said where it is made.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reeltune.errors import InputError

# Both Qwen-VL families merge two frames into one row of tokens.
TEMPORAL_PATCH = 2
MAX_ASPECT_RATIO = 200


@dataclass(frozen=True)
class FrameSampling:
    """How many frames: `fps` per second of video, within bounds, a multiple of `frame_multiple`; and which.

    `by` number: evenly from the first frame to the last, as the published systems do. `by` time: those nearest to
    every 1 / fps seconds, which differs where the frame rate varies (see `frames_by_time`).

    The defaults are VideoChat-R1's. `frame_multiple=1` is the rule of transformers' Qwen3-VL processor.
    Raises InputError when the bounds contradict each other.
    """

    fps: float = 2.0
    min_frames: int = 4
    max_frames: int = 768
    frame_multiple: int = 2
    by: Literal["number", "time"] = "number"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise InputError(f"frame sampling: fps must be a positive number, got {self.fps}")
        if self.frame_multiple < 1:
            raise InputError(f"frame sampling: frame_multiple must be at least 1, got {self.frame_multiple}")
        if not 1 <= self.min_frames <= self.max_frames:
            raise InputError(
                "frame sampling: 1 <= min_frames <= max_frames must hold, "
                f"got min_frames={self.min_frames}, max_frames={self.max_frames}"
            )
        if self.max_frames < self.frame_multiple:
            raise InputError(
                f"frame sampling: max_frames={self.max_frames} leaves no room for "
                f"frame_multiple={self.frame_multiple}; raise max_frames"
            )


@dataclass(frozen=True)
class PixelBudget:
    """How many pixels (height times width) the sampled frames may have. One of two rules:

    - with `min_per_frame` and `max_per_frame`: VideoChat-R1's rule (also qwen-vl-utils'). A frame has at
      least `min_per_frame` pixels and at most
      max(min(max_per_frame, total / T * 2), int(1.05 * min_per_frame)).
      `total` counts a pair of frames once, because the pair becomes one row of tokens.
    - with `min_total`: the rule of transformers' Qwen3-VL processor. T * height * width lies between
      `min_total` and `total`; short clips keep nearly their own resolution.

    Raises InputError when neither or both rules are named, or when the bounds contradict each other.
    """

    total: int
    min_per_frame: int | None = None
    max_per_frame: int | None = None
    min_total: int | None = None

    def __post_init__(self) -> None:
        per_frame = (self.min_per_frame, self.max_per_frame)
        if self.min_total is not None and per_frame == (None, None):
            low, high = self.min_total, self.total
        elif self.min_total is None and self.min_per_frame is not None and self.max_per_frame is not None:
            low, high = self.min_per_frame, self.max_per_frame
        else:
            raise InputError(
                "pixel budget: give either both min_per_frame and max_per_frame, or min_total; "
                f"got min_per_frame={per_frame[0]}, max_per_frame={per_frame[1]}, min_total={self.min_total}"
            )
        if not 0 < low <= high or self.total < 1:
            raise InputError(
                "pixel budget: 0 < smallest <= largest and 0 < total must hold, "
                f"got {low}, {high} and total={self.total}"
            )


VIDEOCHAT_R1 = PixelBudget(total=3584 * 28 * 28, min_per_frame=16 * 28 * 28, max_per_frame=768 * 28 * 28)
QWEN3_VL = PixelBudget(total=24576 * 32 * 32, min_total=4 * 32 * 32)


def frame_count(total_frames: int, video_fps: float, sampling: FrameSampling) -> int:
    """The number T of frames to look at in a video of `total_frames` frames at `video_fps` on average.

    Never more than the video has, but for one case, our choice: a video with fewer frames than
    `frame_multiple` gives `frame_multiple` of them, the last ones repeated, as the processors pad.
    """
    if total_frames < 1 or not video_fps > 0:
        raise ValueError(f"a video has frames and a rate; got {total_frames} frames at {video_fps} fps")
    multiple = sampling.frame_multiple
    least = math.ceil(sampling.min_frames / multiple) * multiple
    most = math.floor(min(sampling.max_frames, total_frames) / multiple) * multiple
    asked = total_frames / video_fps * sampling.fps
    frames = min(max(asked, least), most, total_frames)
    return max(math.floor(frames / multiple) * multiple, multiple)


def frame_indices(total_frames: int, frames: int) -> list[int]:
    """T = `frames` indices spread evenly from the first frame to the last, rounded (halves to even)."""
    return [int(index) for index in np.linspace(0, total_frames - 1, frames).round()]


def frames_by_time(times: np.ndarray, duration: float, sampling: FrameSampling) -> list[int]:
    """Indices of the frames nearest to first + k / fps seconds, k = 0, 1, ... while within the video. Our choice.

    `times` [N] are the frames' seconds, `duration` those from the first frame to the end of the last. The number of
    frames is padded to a multiple of `frame_multiple`, by a time past the end, whose nearest frame is the last.
    Where the bounds, or the N frames there are, allow fewer or ask for more, T of them lie `duration / T` apart.
    Rising; between two frames that lie far apart one may stand several times. Of two as near, the earlier.
    """
    multiple = sampling.frame_multiple
    # The rounding is for 4 s at 2 fps, say, that a container's clock makes 4.0001.
    asked = max(math.ceil(round(duration * sampling.fps, 3)), 1)
    asked = math.ceil(asked / multiple) * multiple
    least = math.ceil(sampling.min_frames / multiple) * multiple
    most = max(math.floor(min(sampling.max_frames, len(times)) / multiple) * multiple, multiple)
    count = min(max(asked, least), most)
    step = 1 / sampling.fps if count == asked else duration / count
    wanted = times[0] + np.arange(count) * step
    after = np.clip(np.searchsorted(times, wanted), 1, max(len(times) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(times) - 1)
    nearer = np.where(wanted - times[before] <= times[after] - wanted, before, after)
    return [int(index) for index in nearer]


def sample_fps(total_frames: int, video_fps: float, frames: int) -> float:
    """The mean rate of the sampled frames in frames per second: T / N * fps."""
    return frames / total_frames * video_fps


def resized_size(frames: int, height: int, width: int, pixels: PixelBudget, factor: int) -> tuple[int, int]:
    """(height, width) of the sampled frames: multiples of `factor` within the budget, aspect ratio kept.

    `factor` is patch size times merge size: 28 for Qwen2.5-VL, 32 for Qwen3-VL.
    Raises InputError for an aspect ratio above 200, which the families refuse.
    """
    if pixels.min_total is not None:
        # Qwen3-VL first brings a side shorter than one factor up to it.
        scale = max(factor / height, factor / width)
        if scale > 1:
            height, width = int(height * scale), int(width * scale)
    if max(height, width) / min(height, width) > MAX_ASPECT_RATIO:
        raise InputError(
            f"the aspect ratio of a frame must be at most {MAX_ASPECT_RATIO}, got {width} x {height}; crop it"
        )
    if pixels.min_total is not None:
        paired = round(frames / TEMPORAL_PATCH) * TEMPORAL_PATCH
        return _fit(height, width, factor, (pixels.min_total, pixels.total), (paired, frames))
    assert pixels.min_per_frame is not None and pixels.max_per_frame is not None
    share = min(pixels.max_per_frame, pixels.total / frames * TEMPORAL_PATCH)
    most = max(share, int(pixels.min_per_frame * 1.05))
    return _fit(height, width, factor, (pixels.min_per_frame, most), (1, 1))


def video_tokens(frames: int, height: int, width: int, factor: int) -> int:
    """Tokens of T = `frames` frames, sides multiples of `factor`; an odd last frame pairs with itself."""
    return math.ceil(frames / TEMPORAL_PATCH) * (height // factor) * (width // factor)


def _fit(height: int, width: int, factor: int, bounds: tuple[float, float], frames: tuple[int, int]) -> tuple[int, int]:
    """Round both sides to `factor`, then shrink or grow until frames * height * width lies within `bounds`.

    The published rule tests the bounds with T rounded to pairs, frames[0], and scales with T itself,
    frames[1].
    """
    least, most = bounds
    rounded_height, rounded_width = round(height / factor) * factor, round(width / factor) * factor
    area = frames[0] * rounded_height * rounded_width
    if area > most:
        shrink = math.sqrt(frames[1] * height * width / most)
        rounded_height = math.floor(height / shrink / factor) * factor
        rounded_width = math.floor(width / shrink / factor) * factor
    elif area < least:
        grow = math.sqrt(least / (frames[1] * height * width))
        rounded_height = math.ceil(height * grow / factor) * factor
        rounded_width = math.ceil(width * grow / factor) * factor
    # A narrow side that rounds to nothing keeps one factor (our choice where the published code divides by
    # 0).
    return max(factor, rounded_height), max(factor, rounded_width)
