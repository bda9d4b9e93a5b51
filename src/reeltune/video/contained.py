"""FFmpeg in a child process: a decoder that crashes or hangs ends the child, and is an error of that one video.

A deadline holds per file. What FFmpeg complains of while it reads and decodes (it conceals damage, and goes on) counts
too: a clip with a complaint is not used, because its frames are likely not those of the video.
"""

import atexit
import json
import os
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from reeltune.errors import VideoError
from reeltune.video.index import FIX, Part, VideoIndex

TIMEOUT_S = 300.0
NOISE = re.compile(
    r"co located POCs unavailable|mmco: unref short failure|reference picture missing during reorder"
    r"|Missing reference picture, default is|illegal short term buffer state|number of reference frames .* exceeds max"
    r""
)
"""What decoders say of healthy streams too: cut from longer ones, or decoded from a keyframe on (our choice)."""
MOST_NOISE = 10


Bounds = tuple[float, float | None]
"""Start and end of a part of a file in seconds; None: its end."""
T = TypeVar("T")


class _Dead(Exception):
    """The child ended in the middle of a job."""


class Decoder:
    """One child process, started when it is needed and again after it was lost; it ends with this object. Safe for
    threads and forks."""

    def __init__(self, command: Sequence[str] = (sys.executable, "-m", "reeltune.video.worker")) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()
        self._rest = b""

    def index(self, path: Path, timeout_s: float, part: Bounds | None = None) -> VideoIndex:
        def take(header: dict[str, Any], payload: bytes) -> VideoIndex:
            _refuse_complaints(path, header["complaints"])
            count, known = header["frames"], header["packets"]
            words = np.frombuffer(payload, np.int64)
            times = np.frombuffer(payload[: 8 * count], np.float64).copy()
            packets = None if known is None else words[count : count + known].copy()
            keyframes = words[count + (known or 0) :].copy()
            height, width = header["size"]
            return VideoIndex(
                path, times, header["duration"], (height, width), header["fps"], packets, keyframes,
                header["packet_count"], header["part"] and Part(**header["part"]),
            )  # fmt: skip

        request = {"do": "index", "path": str(path.absolute()), "part": part}
        return self._job(path, request, timeout_s, lambda *_: None, take)

    def frames(
        self, index: VideoIndex, wanted: Sequence[int], keep: Callable[[np.ndarray], np.ndarray], timeout_s: float
    ) -> tuple[list[np.ndarray], np.ndarray]:
        path, part = index.path, index.part and (index.part.start, index.part.end)
        kept: list[np.ndarray] = []

        def frame(shape: tuple[int, ...], pixels: bytes) -> None:
            kept.append(keep(np.frombuffer(pixels, np.uint8).reshape(shape).copy()))

        def take(header: dict[str, Any], payload: bytes) -> tuple[list[np.ndarray], np.ndarray]:
            _refuse_complaints(path, header["complaints"])
            return [kept[number] for number in header["order"]], np.frombuffer(payload, np.float64).copy()

        numbers = [int(each) for each in wanted]
        request = {"do": "frames", "path": str(path.absolute()), "part": part, "wanted": numbers}
        return self._job(path, request, timeout_s, frame, take, before=kept.clear)

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        if self._child and self._owner == os.getpid():
            self._child.kill()
            self._child.wait()
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe:
                    pipe.close()
        self._child, self._rest = None, b""

    def _job(
        self,
        path: Path,
        request: dict[str, Any],
        timeout_s: float,
        frame: Callable[[tuple[int, ...], bytes], None],
        take: Callable[[dict[str, Any], bytes], T],
        before: Callable[[], None] = lambda: None,
    ) -> T:
        with self._lock:
            for attempt in (1, 2):
                before()
                try:
                    return self._ask(path, request, time.monotonic() + timeout_s, frame, take)
                except _Dead as dead:
                    # Once may be somebody else's doing, such as a kill for memory.
                    if attempt == 2:
                        raise VideoError(f"{path}: the decoder crashed on it, twice ({dead}). {FIX}.") from None
                except TimeoutError:
                    self.close()
                    raise VideoError(f"{path}: reading did not end within {timeout_s:g} s. {FIX}.") from None
                except (VideoError, RuntimeError):
                    raise
                except BaseException:
                    self.close()  # what the child still says belongs to no job
                    raise
            raise AssertionError("the second attempt returns or raises")

    def _ask(
        self, path: Path, request: dict[str, Any], end: float, frame: Callable[..., None], take: Callable[..., T]
    ) -> T:
        child = self._running()
        assert child.stdin is not None
        try:
            child.stdin.write(json.dumps(request).encode() + b"\n")
            child.stdin.flush()
        except BrokenPipeError:
            raise self._dead() from None
        while True:
            header = json.loads(self._read_line(end))
            payload = self._read(header.pop("bytes"), end)
            if "frame" in header:
                try:
                    frame(tuple(header["frame"]), payload)
                except VideoError:
                    self.close()
                    raise
            elif "error" in header:
                raise VideoError(header["error"].replace(request["path"], str(path)))
            elif "defect" in header:
                raise RuntimeError(f"{path}: a defect in reeltune's decoding:\n{header['defect']}")
            else:
                return take(header, payload)

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._owner != os.getpid():
            # Of the process that we were forked from.
            self._child, self._owner = None, os.getpid()
        if self._child is None or self._child.poll() is not None:
            self.close()
            environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        return self._child

    def _read_line(self, end: float) -> bytes:
        while b"\n" not in self._rest:
            self._more(end)
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _read(self, count: int, end: float) -> bytes:
        parts = [self._rest[:count]]
        self._rest = self._rest[count:]
        missing = count - len(parts[0])
        while missing:
            self._more(end)
            parts.append(self._rest[:missing])
            self._rest = self._rest[missing:]
            missing -= len(parts[-1])
        return b"".join(parts)

    def _more(self, end: float) -> None:
        assert self._child is not None and self._child.stdout is not None
        ready, _, _ = select.select([self._child.stdout], [], [], max(end - time.monotonic(), 0))
        if not ready:
            raise TimeoutError
        part = os.read(self._child.stdout.fileno(), 2**20)
        if not part:
            raise self._dead()
        self._rest += part

    def _dead(self) -> _Dead:
        assert self._child is not None
        code = self._child.wait()
        self.close()
        return _Dead(f"signal {-code}" if code < 0 else f"exit code {code}")


DECODER = Decoder()
atexit.register(DECODER.close)
_THREADS = threading.local()


def own_decoder() -> None:
    """Give this thread a child process of its own: several threads then decode at once. It ends with the thread."""
    _THREADS.decoder = Decoder()


def _decoder() -> Decoder:
    return getattr(_THREADS, "decoder", DECODER)


def index_video(path: Path, *, part: Bounds | None = None, timeout_s: float = TIMEOUT_S) -> VideoIndex:
    """As `index.index_video`, or of a part as `part.index_part`. VideoError also where FFmpeg complains, crashes, or
    does not end in time.
    """
    return _decoder().index(path, timeout_s, part)


def decode_frames(
    index: VideoIndex,
    wanted: Sequence[int],
    keep: Callable[[np.ndarray], np.ndarray],
    *,
    timeout_s: float = TIMEOUT_S,
) -> tuple[list[np.ndarray], np.ndarray]:
    """As `decode.decode_frames`. VideoError also where FFmpeg complains, crashes, or does not end in time."""
    return _decoder().frames(index, wanted, keep, timeout_s)


def _refuse_complaints(path: Path, lines: Sequence[str]) -> None:
    harmful = [line for line in lines if not NOISE.search(line)]
    if harmful or len(lines) > MOST_NOISE:
        first = re.sub(r" @ 0x[0-9a-f]+", "", (harmful or lines)[0])
        raise VideoError(f"{path}: damaged: FFmpeg complains {len(lines)} times, first: {first}. {FIX}.")
