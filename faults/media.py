"""Damaged videos: thousands of mutations over containers and codecs, each compared with the frames of the whole file.

A damaged file is *counted* when reading or decoding it is a VideoError. It is *silent* when it decodes to visibly other
frames (or to another number of them) without one. Crashes and hangs of the decoder are VideoErrors too, and told apart.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from faults.table import Row
from reeltune.errors import VideoError
from reeltune.video import contained
from reeltune.video.digests import medium_digest
from reeltune.video.sampling import frame_indices

FILES = (
    ("mp4", "libx264", "yuv420p"), ("mov", "libx264", "yuv420p"), ("mkv", "libx264", "yuv420p"),
    ("flv", "libx264", "yuv420p"), ("ts", "libx264", "yuv420p"), ("mp4", "libx265", "yuv420p"),
    ("mkv", "libx265", "yuv420p"), ("webm", "libvpx", "yuv420p"), ("webm", "libvpx-vp9", "yuv420p"),
    ("mkv", "libsvtav1", "yuv420p"), ("avi", "mpeg4", "yuv420p"), ("mp4", "mpeg4", "yuv420p"),
    ("mpg", "mpeg2video", "yuv420p"), ("ts", "mpeg2video", "yuv420p"), ("avi", "mjpeg", "yuvj420p"),
    ("mov", "prores_ks", "yuv422p10le"), ("mkv", "ffv1", "yuv420p"), ("asf", "wmv2", "yuv420p"),
    ("nut", "mpeg4", "yuv420p"), ("3gp", "h263", "yuv420p"),
)  # fmt: skip
"""Container, encoder, pixel format: those that the installed PyAV lacks are left out, and told."""
Mutation = Callable[[bytearray, random.Random], bytes]
FRAMES, SAMPLED = 60, 16
VISIBLE = 2.0
"""Mean difference of a frame's values, of 255, above which it is another frame (our choice)."""
HEALTHY = 200


def media(scratch: Path, *, seconds: float, seed: int) -> list[Row]:
    whole = Row("media", "healthy files, none refused")
    originals = _originals(scratch, seed, whole)
    end = time.monotonic() + seconds
    rows = {kind: Row("media", kind) for kind in KINDS}
    rng = random.Random(seed)
    contain = Row("media", "decoder crashes and hangs contained")
    digest = Row("media", "silent, but told by a recorded digest")
    said: Counter[str] = Counter()
    number = 0
    while time.monotonic() < end or number < len(KINDS):
        path = rng.choice(list(originals))
        kind = list(KINDS)[number % len(KINDS)]
        number += 1
        damaged = scratch / f"damaged{path.suffix}"
        damaged.write_bytes(KINDS[kind](bytearray(path.read_bytes()), random.Random(f"{seed}-{number}")))
        try:
            found = _sampled(damaged)
        except VideoError as error:
            said["contained" if "crashed" in str(error) or "did not end" in str(error) else "counted"] += 1
            rows[kind].took(None)
            continue
        finally:
            contain.took(None)
        if _is_other(originals[path], found):
            said["silent"] += 1
            digest.took(_by_digest(path, damaged))
            rows[kind].took(f"{path.name}, seed {seed}-{number}: other frames in silence")
        else:
            said["same"] += 1
            rows[kind].took(None)
    other = said["silent"] + said["counted"] + said["contained"]
    share = Row("media", "all kinds", number, number - said["silent"])
    share.wrong = [each for row in rows.values() for each in row.wrong]
    share.note = (
        f"{said['counted']} counted, {said['same']} decode to the same frames, {said['silent']} to others in silence: "
        f"{said['silent'] / max(other, 1):.1%} of those with other frames or none"
    )
    contain.note = f"{said['contained']} crashed or hung"
    return [whole, contain, *rows.values(), share, digest]


def _by_digest(whole: Path, damaged: Path) -> str | None:
    """What `init`, `data import` and `data check --fix` record of a video, and all that reads it compares."""
    return f"{damaged.name}: not told" if medium_digest([whole]) == medium_digest([damaged]) else None


def _flip(count: int) -> Mutation:
    def mutate(data: bytearray, rng: random.Random) -> bytes:
        for _ in range(count):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        return bytes(data)

    return mutate


def _zero(data: bytearray, rng: random.Random, share: float) -> bytes:
    at, size = rng.randrange(len(data)), max(int(len(data) * share), 512)
    data[at : at + size] = bytes(len(data[at : at + size]))
    return bytes(data)


def _delete(data: bytearray, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    del data[at : at + rng.randrange(1, 5000)]
    return bytes(data)


def _double(data: bytearray, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    data[at:at] = data[at : at + rng.randrange(1, 5000)]
    return bytes(data)


KINDS: dict[str, Mutation] = {
    "cut off": lambda data, rng: bytes(data[: int(len(data) * rng.uniform(0.05, 0.98))]),
    "a block of zeros": lambda data, rng: _zero(data, rng, 0.02),
    "two fifths zeros": lambda data, rng: _zero(data, rng, 0.4),
    "bytes lost": _delete,
    "bytes doubled": _double,
    "30 bits flipped": _flip(30),
    "one bit flipped": _flip(1),
}


def _originals(scratch: Path, seed: int, row: Row) -> dict[Path, np.ndarray]:
    """Healthy files of all kinds with their sampled frames; HEALTHY of them are looked at."""
    found: dict[Path, np.ndarray] = {}
    missing = []
    for number in range(HEALTHY):
        container, encoder, pixels = FILES[number % len(FILES)]
        path = scratch / f"{encoder}-{number // len(FILES)}.{container}"
        try:
            _write(path, encoder, pixels, seed + number // len(FILES))
        except (av.error.FFmpegError, ValueError) as error:
            missing.append(f"{encoder}.{container} ({type(error).__name__})")
            continue
        try:
            found[path] = _sampled(path)
            row.took(None)
        except VideoError as error:
            row.took(str(error))
    row.note = f"not encoded here: {', '.join(sorted(set(missing)))}" if missing else ""
    return found


def _write(path: Path, encoder: str, pixels: str, seed: int) -> None:
    """A textured background that moves, with a bright square that moves otherwise."""
    os.environ["SVT_LOG"] = "1"  # it tells its settings otherwise
    rng = np.random.default_rng(seed)
    height, width = (144, 176) if encoder == "h263" else (120, 160)
    ground = rng.integers(0, 256, (height // 8 + 10, width // 8 + 20, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    options = {"x265-params": "log-level=none"} if encoder == "libx265" else {}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.codec_context.gop_size = 15
        for number in range(FRAMES):
            frame = ground[number : number + height, number : number + width].copy()
            left = number * 3 % (width - 30)
            frame[30:60, left : left + 30] = [255, number * 4 % 256, 0]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def _sampled(path: Path) -> np.ndarray:
    index = contained.index_video(path, timeout_s=20)
    wanted = frame_indices(len(index.times), SAMPLED)
    frames, _ = contained.decode_frames(index, wanted, lambda frame: frame[::4, ::4], timeout_s=20)
    return np.stack(frames)


def _is_other(whole: np.ndarray, found: np.ndarray) -> bool:
    if whole.shape != found.shape:
        return True
    return bool((np.abs(whole.astype(int) - found).mean(axis=(1, 2, 3)) > VISIBLE).any())
