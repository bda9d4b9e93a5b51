"""The child process in which FFmpeg runs: `python -m reeltune.video.worker`. See contained.py, which talks to it.

Requests come as JSON lines on stdin; answers go to stdout as JSON lines, each followed by as many bytes as it says.
FFmpeg's own complaints, which it prints in C to stderr, are caught in a file in memory and handed on: asked for in
Python they would need the interpreter's lock from a decoder's thread, which can hang on damaged files.
"""

import json
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np

from reeltune.errors import VideoError
from reeltune.video.decode import decode_frames
from reeltune.video.index import VideoIndex, index_video
from reeltune.video.part import index_part

LOOK_FOR_PARENT = 2.0


class Worker:
    def __init__(self, answers: BinaryIO, log: int) -> None:
        self.answers = answers
        self.log = log
        self.index: tuple[tuple[Any, ...], VideoIndex] | None = None

    def do(self, request: dict[str, Any]) -> None:
        os.ftruncate(self.log, 0)
        os.lseek(self.log, 0, os.SEEK_SET)
        try:
            index = self._index(Path(request["path"]), request["part"])
            if request["do"] == "index":
                self._send_index(index)
            else:
                self._send_frames(index, request["wanted"])
        except VideoError as error:
            self._send({"error": str(error)})
        except Exception:
            self._send({"defect": traceback.format_exc()})

    def _index(self, path: Path, part: list[float | None] | None) -> VideoIndex:
        """The index of the last file or part is kept: its frames are asked for next. `part`: start and end."""
        stat = path.stat() if path.is_file() else None
        key = (path, stat.st_size, stat.st_mtime_ns, part) if stat else (path, part)
        if self.index is None or self.index[0] != key:
            self.index = (key, index_part(path, part[0] or 0.0, part[1]) if part else index_video(path))
        return self.index[1]

    def _send_index(self, index: VideoIndex) -> None:
        packets = np.empty(0, np.int64) if index.packets is None else index.packets
        header = {
            "duration": index.duration,
            "size": index.size,
            "fps": index.fps,
            "packet_count": index.packet_count,
            "frames": len(index.times),
            "packets": None if index.packets is None else len(index.packets),
            "part": index.part and asdict(index.part),
            "complaints": self._complaints(),
        }
        arrays = (index.times.astype(np.float64), packets.astype(np.int64), index.keyframes.astype(np.int64))
        self._send(header, b"".join(array.tobytes() for array in arrays))

    def _send_frames(self, index: VideoIndex, wanted: list[int]) -> None:
        sent = 0

        def send(frame: np.ndarray) -> np.ndarray:
            nonlocal sent
            self._send({"frame": frame.shape}, np.ascontiguousarray(frame).tobytes())
            sent += 1
            return np.array(sent - 1)

        numbers, times = decode_frames(index, wanted, send)
        self._send({"order": [int(each) for each in numbers], "complaints": self._complaints()}, times.tobytes())

    def _complaints(self) -> list[str]:
        size = os.fstat(self.log).st_size
        lines = os.pread(self.log, min(size, 2**20), 0).decode("utf-8", "replace").splitlines()
        return [line.strip()[:300] for line in lines if line.strip()][:100]

    def _send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        self.answers.write(json.dumps({**header, "bytes": len(payload)}).encode() + b"\n" + payload)
        self.answers.flush()


def main() -> None:
    # The run ends this process; a Ctrl-C that reaches both must not look like a crash of the decoder.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    log = os.memfd_create("ffmpeg")
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    av.logging.restore_default_callback()
    av.logging.set_libav_level(av.logging.ERROR)
    worker = Worker(answers, log)
    for line in sys.stdin.buffer:
        worker.do(json.loads(line))


def _end_with_parent(parent: int) -> None:
    """Also while a decoder hangs, when nobody reads stdin."""
    while os.getppid() == parent:
        time.sleep(LOOK_FOR_PARENT)
    os._exit(1)


if __name__ == "__main__":
    main()
