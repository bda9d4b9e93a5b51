"""The one video object: rollout, update and evaluation all see these frames and these times."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from reeltune.errors import VideoError


@dataclass(frozen=True)
class Clip:
    """Sampled frames of one video, of a part of one or of a list of frames; or one still image.

    frames: uint8 [T, H, W, 3], RGB, as the viewer sees them (rotation applied), already resized.
    timestamps: float64 [T], seconds from the start of the file (video/index.py says what that is) or of the part, the
        true presentation times, never decreasing; the first is above 0 where the pictures start late. A frame that
        stands twice (a video shorter than the sampling asks) has its time twice.
    duration: seconds from the first frame to the end of the last; the file's pictures end at
        timestamps[0] + duration.
    video_hash: content hash of the file, as `video_hash` gives it, or of what was read of it.
    size: of a still image, its (height, width) in the file; its frames are then the pieces that the model's family cuts
        it into, and have no times. None: a video.
    """

    frames: np.ndarray
    timestamps: np.ndarray
    duration: float
    video_hash: str
    size: tuple[int, int] | None = None

    @property
    def is_image(self) -> bool:
        return self.size is not None


def video_hash(path: Path) -> str:
    """BLAKE2b of the file's bytes, 32 hex digits. Read once per process while size and mtime stay.

    Raises VideoError when the file cannot be read.
    """
    try:
        stat = path.stat()
        return _content_hash(str(path.absolute()), stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise VideoError(f"{path}: {error.strerror}. Check the sample's `video` path.") from error


@cache
def _content_hash(path: str, size: int, mtime_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
