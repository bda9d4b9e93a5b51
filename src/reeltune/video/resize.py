"""Resizing as transformers' processors do it: bicubic, antialiased, on uint8, on the CPU."""

from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class FrameSize:
    """One size for all frames, for models that see a video as images.

    `fill` (R, G, B): pad to a square with this color first, evenly on both sides; None: stretch.
    `longest`: in two steps with Lanczos' filter, as SmolVLM's processor: the shape kept until the longer side is this,
    and then stretched; None: in one cubic step.
    """

    height: int
    width: int
    fill: tuple[int, ...] | None = None
    longest: int | None = None

    def resize(self, frame: np.ndarray) -> np.ndarray:
        """uint8 [H, W, 3] -> uint8 [height, width, 3]; a frame of this size is left as it is."""
        if frame.shape[:2] == (self.height, self.width):
            return frame
        if self.longest is not None:
            frame = resize_lanczos(frame, *with_longer_side(frame.shape[0], frame.shape[1], self.longest))
            return resize_lanczos(frame, self.height, self.width)
        if self.fill is not None:
            frame = pad_to_square(frame, self.fill)
        return resize_frame(frame, self.height, self.width)


def pad_to_square(frame: np.ndarray, fill: tuple[int, ...]) -> np.ndarray:
    """uint8 [H, W, 3] -> uint8 [S, S, 3] with S = max(H, W), the frame in the middle."""
    height, width = frame.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.empty((side, side, 3), np.uint8)
    square[:] = fill
    square[top : top + height, left : left + width] = frame
    return square


def with_longer_side(height: int, width: int, longest: int) -> tuple[int, int]:
    """(height, width) with the longer side `longest`, the other one rounded down and then up to an even number."""
    shape = width / height
    if width >= height:
        return max(_even(int(longest / shape)), 1), longest
    return longest, max(_even(int(longest * shape)), 1)


def _even(size: int) -> int:
    return size + size % 2


def resize_frame(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """uint8 [H, W, 3] -> uint8 [height, width, 3].

    The processors call torchvision's resize, which for bicubic uint8 tensors on a CPU is this one call of
    torch: integer weights, the result rounded and clamped to 0..255. Frames are independent of each other, so
    one at a time equals the whole video at once, and only one frame in full size is held.
    """
    import torch  # here, so that sampling, indexing and the cache work without it

    if frame.shape[:2] == (height, width):
        return frame
    # A writable, contiguous copy only where needed: torch refuses the negative strides of a flipped frame.
    channels_last = torch.from_numpy(np.require(frame, requirements=["C", "W"]))
    resized = torch.nn.functional.interpolate(
        channels_last.permute(2, 0, 1).unsqueeze(0),
        size=(height, width),
        mode="bicubic",
        align_corners=False,
        antialias=True,
    )
    return np.ascontiguousarray(resized[0].permute(1, 2, 0).numpy())


def resize_lanczos(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """uint8 [H, W, 3] -> uint8 [height, width, 3] with Lanczos' filter, which some models' images were resized with."""
    if frame.shape[:2] == (height, width):
        return frame
    return np.array(Image.fromarray(frame).resize((width, height), Image.Resampling.LANCZOS))
