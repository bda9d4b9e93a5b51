"""Decoded clips on disk: a second epoch decodes nothing. An entry is the clip as safetensors."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from reeltune.video.clip import Clip
from reeltune.video.disk_cache import DiskCache
from reeltune.video.resize import FrameSize
from reeltune.video.sampling import FrameSampling, PixelBudget

# Raise this when decoding, resizing or the file layout change what a clip holds.
FORMAT_VERSION = 3


def clip_key(video_hash: str, sampling: FrameSampling, pixels: PixelBudget | FrameSize, factor: int) -> str:
    """32 hex digits naming what a clip depends on: the file's content, every sampling field, the format."""
    facts = [FORMAT_VERSION, video_hash, asdict(sampling), asdict(pixels), factor]
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()


class FrameCache(DiskCache):
    """Clips in `directory`, at most `max_bytes` of them; see DiskCache. Whoever misses decodes."""

    def __init__(self, directory: Path, max_bytes: int) -> None:
        super().__init__(directory, max_bytes, name="frame", magic=b"reelclip", suffix=".clip")

    def get(self, key: str) -> Clip | None:
        """The clip, or None when there is none or a damaged one."""
        body = self.read(key)
        return None if body is None else _unpack(body)

    def put(self, key: str, clip: Clip) -> None:
        self.write(key, _pack(clip))


def _pack(clip: Clip) -> bytes:
    arrays = {
        "frames": np.ascontiguousarray(clip.frames),
        "timestamps": clip.timestamps,
        "duration": np.array([clip.duration]),
        "video_hash": np.frombuffer(clip.video_hash.encode(), np.uint8),
    }
    body: bytes = save(arrays)
    return body


def _unpack(body: bytes) -> Clip:
    arrays = load(body)
    return Clip(
        frames=arrays["frames"].copy(),  # writable: torch shares memory with it
        timestamps=arrays["timestamps"].copy(),
        duration=float(arrays["duration"][0]),
        video_hash=arrays["video_hash"].tobytes().decode(),
    )
