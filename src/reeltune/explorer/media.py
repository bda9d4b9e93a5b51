"""What a browser is given for a medium of a sample: the file as it is, or one made of it, in a bounded cache."""

import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from reeltune.files import write_whole
from reeltune.media import Medium
from reeltune.video.contained import decode_frames, index_video
from reeltune.video.index import stated_start
from reeltune.video.resize import resize_frame

GIB = 2**30
VERSION = "1"
IMAGES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif"}
PLAYED = {"mp4": ("h264", "av1", "vp9"), "webm": ("vp8", "vp9", "av1")}
"""Container -> codecs that every browser of today plays, in 8 bits and 4:2:0."""
PIXELS = ("yuv420p", "yuvj420p")
STRIP_HEIGHT, MOST_FRAMES, EVEN_FRAMES = 72, 64, 16


@dataclass
class Job:
    """A conversion: `share` done, `error` where it failed."""

    share: float = 0.0
    error: str = ""
    done: bool = False


class MediaCache:
    """Files made for browsers, at most `gib` of them: the one unused for longest goes first. Safe for threads."""

    def __init__(self, folder: Path, gib: float = 4.0) -> None:
        self.folder = folder
        self.bytes = int(gib * GIB)
        folder.mkdir(parents=True, exist_ok=True)
        self._jobs: dict[Path, Job] = {}
        self._lock = threading.Lock()
        self._one_at_a_time = threading.Semaphore(2)

    def playable(self, path: Path, medium: Medium) -> dict[str, Any]:
        """{"state": "ready", "file", "type", "offset"} or "converting" with its share, or "failed" with the reason.

        `offset`: the second of the given file at which the medium's part begins.
        """
        if (kind := IMAGES.get(path.suffix.lower())) is not None:
            return {"state": "ready", "file": path, "type": kind, "offset": 0.0}
        try:
            container, offset = _container(path)
        except (av.error.FFmpegError, IndexError) as error:
            return {"state": "failed", "problem": f"{path.name} is not a readable video ({error})"}
        if container:
            return {
                "state": "ready",
                "file": path,
                "type": f"video/{container}",
                "offset": (medium.start or 0.0) + offset,
            }
        target = self._place(path, (medium.start, medium.end), "mp4")
        if target.exists():
            target.touch()
            return {"state": "ready", "file": target, "type": "video/mp4", "offset": 0.0}
        job = self._start(path, medium, target)
        if job.error:
            return {"state": "failed", "problem": f"{path.name} could not be converted: {job.error}"}
        return {"state": "converting", "share": job.share}

    def wait(self, path: Path, medium: Medium) -> dict[str, Any]:
        """As `playable`, once it is ready or has failed."""
        while (state := self.playable(path, medium))["state"] == "converting":
            time.sleep(0.05)
        return state

    def strip(self, path: Path, medium: Medium, seen: Sequence[float]) -> dict[str, Any]:
        """A row of pictures, one JPEG: {"file", "times", "count", "height", "even"}.

        `seen` and `times` count from where the medium's part begins; with nothing seen, EVEN_FRAMES of it. VideoError
        when they cannot be decoded.
        """
        index = index_video(path)
        start, end = medium.start or 0.0, min(medium.end or index.end, index.end)
        wanted = _evenly([start + time for time in seen], MOST_FRAMES)
        wanted = wanted or list(np.linspace(start, end, EVEN_FRAMES, endpoint=False))
        numbers = [int(np.abs(index.times - time).argmin()) for time in wanted]
        target = self._place(path, numbers, "jpg")
        if not target.exists():
            frames, _ = decode_frames(index, numbers, _small)
            row = np.concatenate(list(frames), axis=1)
            write_whole(target, lambda temporary: _jpeg(temporary, row), sync=False)
            self._make_room()
        return {
            "file": target,
            "times": [float(index.times[number]) - start for number in numbers],
            "count": len(numbers),
            "height": STRIP_HEIGHT,
            "even": not seen,
        }

    def _place(self, path: Path, part: object, suffix: str) -> Path:
        stat = path.stat()
        name = [VERSION, str(path), stat.st_size, stat.st_mtime_ns, part]
        return self.folder / f"{hashlib.sha256(str(name).encode()).hexdigest()[:32]}.{suffix}"

    def _start(self, path: Path, medium: Medium, target: Path) -> Job:
        with self._lock:
            if target not in self._jobs:
                self._jobs[target] = job = Job()
                arguments = [
                    str(path),
                    str(target),
                    str(medium.start or 0.0),
                    "end" if medium.end is None else str(medium.end),
                ]
                threading.Thread(target=self._run, args=(job, target, arguments), daemon=True).start()
            return self._jobs[target]

    def _run(self, job: Job, target: Path, arguments: list[str]) -> None:
        command = [sys.executable, "-m", "reeltune.explorer.transcode", *arguments]
        with self._one_at_a_time, subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as child:  # fmt: skip
            assert child.stdout is not None and child.stderr is not None
            for line in child.stdout:
                job.share = float(line)
            lines = child.stderr.read().strip().splitlines()
            code = child.wait()
        if code:
            job.error = lines[-1] if lines else f"exit code {code}"
            return
        self._make_room()
        with self._lock:
            self._jobs.pop(target, None)

    def _make_room(self) -> None:
        files = sorted(self.folder.glob("*.*"), key=lambda path: path.stat().st_mtime)
        total = sum(path.stat().st_size for path in files)
        for path in files[:-1]:
            if total <= self.bytes:
                return
            total -= path.stat().st_size
            path.unlink(missing_ok=True)


def _container(path: Path) -> tuple[str, float]:
    """("mp4" or "webm" where browsers play it, else ""; seconds by which everything in it starts late there)."""
    with av.open(f"file:{path}") as container:
        stream = container.streams.video[0]
        names = container.format.name.split(",")
        kind = "mp4" if "mp4" in names else "webm" if path.suffix.lower() == ".webm" else ""
        plays = stream.codec_context.name in PLAYED.get(kind, ()) or stream.codec_context.codec.canonical_name in (
            PLAYED.get(kind, ())
        )
        turned = stream.codec_context.pix_fmt not in PIXELS
        if not plays or turned:
            return "", 0.0
        return kind, stated_start(container, stream)


def _evenly(values: list[float], most: int) -> list[float]:
    return values if len(values) <= most else [values[index * len(values) // most] for index in range(most)]


def _small(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    return resize_frame(frame, STRIP_HEIGHT, max(2, round(STRIP_HEIGHT * width / height / 2) * 2))


def _jpeg(path: Path, picture: np.ndarray) -> None:
    with av.open(f"file:{path}", "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream("mjpeg", rate=Fraction(1))
        stream.height, stream.width, stream.pix_fmt = *picture.shape[:2], "yuvj420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(stream.encode(None))
