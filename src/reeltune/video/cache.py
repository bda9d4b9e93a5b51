"""Decoded clips on disk: a second epoch decodes nothing.

An entry is one file: MAGIC, a BLAKE2b digest of the rest, then the clip as safetensors. An entry that does
not match its digest is thrown away and counted as a miss, so it is built again. Entries appear by rename,
whole; two processes that write the same key write the same content, and the last one wins.
"""

import hashlib
import json
import logging
import os
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from reeltune.errors import InputError
from reeltune.files import write_whole
from reeltune.video.clip import Clip
from reeltune.video.sampling import FrameSampling, PixelBudget

# Raise this when decoding, resizing or the file layout change what a clip holds.
FORMAT_VERSION = 1
MAGIC = b"reelclip"
DIGEST_BYTES = 32
SUFFIX = ".clip"
LEFTOVER_SECONDS = 3600.0

log = logging.getLogger(__name__)


def clip_key(video_hash: str, sampling: FrameSampling, pixels: PixelBudget, factor: int) -> str:
    """32 hex digits naming what a clip depends on: the file's content, every sampling field, the format."""
    facts = [FORMAT_VERSION, video_hash, asdict(sampling), asdict(pixels), factor]
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()


class FrameCache:
    """Clips in `directory`, at most `max_bytes` of them; the least recently used give way.

    hits, misses: how often `get` found a clip, and did not. Whoever misses decodes, so `misses` counts
    decodes.
    corrupt: how many of the misses were entries that did not match their digest.
    Safe for several processes. A clip larger than the whole budget is not kept, with a warning.
    Raises InputError when `max_bytes` is not positive.
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        if max_bytes <= 0:
            raise InputError(f"frame cache: max_bytes must be positive, got {max_bytes}")
        self.directory = directory
        self.max_bytes = max_bytes
        self.hits = 0
        self.misses = 0
        self.corrupt = 0
        self._unseen_bytes = 0
        directory.mkdir(parents=True, exist_ok=True)
        self._drop_leftovers()

    def get(self, key: str) -> Clip | None:
        """The clip, or None when there is none or a damaged one."""
        path = self._path(key)
        try:
            blob = path.read_bytes()
            os.utime(path)  # the modification time is the time of last use
        except FileNotFoundError:
            self.misses += 1
            return None
        clip = _unpack(blob)
        if clip is None:
            log.warning("%s does not match its checksum; the clip is decoded again", path)
            path.unlink(missing_ok=True)
            self.corrupt += 1
            self.misses += 1
            return None
        self.hits += 1
        return clip

    def put(self, key: str, clip: Clip) -> None:
        blob = _pack(clip)
        if len(blob) > self.max_bytes:
            log.warning("a clip of %d bytes exceeds the frame cache of %d bytes", len(blob), self.max_bytes)
            return
        write_whole(self._path(key), lambda temporary: _fill(temporary, blob))
        self._unseen_bytes -= len(blob)
        if self._unseen_bytes < 0:
            self._evict()

    def _path(self, key: str) -> Path:
        return self.directory / f"{key}{SUFFIX}"

    def _evict(self) -> None:
        """Bring the directory within the budget, as it is now: other processes write there too."""
        entries = []
        for entry in os.scandir(self.directory):
            if entry.name.endswith(SUFFIX):
                try:
                    stat = entry.stat()
                except FileNotFoundError:
                    continue
                entries.append((stat.st_mtime_ns, stat.st_size, entry.path))
        surplus = sum(size for _, size, _ in entries) - self.max_bytes
        # Looking costs some 10 ms per thousand entries. An eighth of the free room may be filled before the next
        # look, so that eight processes at once stay within the budget.
        self._unseen_bytes = max(0, -surplus) // 8
        for _, size, path in sorted(entries):
            if surplus <= 0:
                return
            Path(path).unlink(missing_ok=True)
            surplus -= size

    def _drop_leftovers(self) -> None:
        """Temporary files of writers that were killed. Younger ones may belong to a living writer."""
        for path in self.directory.glob(f".*{SUFFIX}.*"):
            try:
                if time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                    path.unlink()
            except FileNotFoundError:
                continue


def _pack(clip: Clip) -> bytes:
    arrays = {
        "frames": np.ascontiguousarray(clip.frames),
        "timestamps": clip.timestamps,
        "duration": np.array([clip.duration]),
        "video_hash": np.frombuffer(clip.video_hash.encode(), np.uint8),
    }
    body: bytes = save(arrays)
    return MAGIC + _digest(body) + body


def _unpack(blob: bytes) -> Clip | None:
    start = len(MAGIC) + DIGEST_BYTES
    body = blob[start:]
    if not blob.startswith(MAGIC) or _digest(body) != blob[len(MAGIC) : start]:
        return None
    arrays = load(body)
    return Clip(
        frames=arrays["frames"].copy(),  # writable: torch shares memory with it
        timestamps=arrays["timestamps"].copy(),
        duration=float(arrays["duration"][0]),
        video_hash=arrays["video_hash"].tobytes().decode(),
    )


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest()


def _fill(path: Path, blob: bytes) -> None:
    path.write_bytes(blob)
