"""Resizing as transformers' video processors do it: bicubic, antialiased, on uint8, on the CPU."""

import numpy as np


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
