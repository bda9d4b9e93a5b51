"""From a folder of videos and a table to samples that train: what `reeltune init` does, but for words and pages.

Columns become fields (`columns`), videos are found and looked at, durations read off the files, what cannot be used is
set aside with its reason, and some videos are held out: all samples of a video, and of equal copies of it, go together.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reeltune.data.cells import Mapped, to_row
from reeltune.data.formats import Annotations, get_benchmark
from reeltune.data.import_ import IdRegister, VideoFinder
from reeltune.data.repair import repair
from reeltune.data.tables import Row
from reeltune.errors import InputError, VideoError
from reeltune.progress import Progress
from reeltune.sample import Sample, to_sample
from reeltune.tasks import get_task, sample_types
from reeltune.video.contained import decode_frames, index_video, own_decoder
from reeltune.video.digests import record_digests
from reeltune.video.index import VideoIndex

QUICK_FRAMES = 4
"""Frames of each video that are decoded here, first and last included; a run sets aside what breaks later."""


@dataclass(frozen=True)
class Started:
    """Rows of samples.jsonl, videos relative to the new folder. aside: {"row", "id", "video", "reason"}, one a row."""

    train: list[Row]
    held_out: list[Row]
    aside: list[Row]
    counts: Counter[str]
    videos: int
    unused_videos: int


def rows_of_table(rows: Sequence[Row], mapped: Mapped) -> list[tuple[int, Row]]:
    """(row number from 1, row of samples.jsonl) of a table whose columns are known."""
    return [(number, to_row(row, number, mapped)) for number, row in enumerate(rows, start=1)]


def rows_of_format(name: str, table: Path, videos: "Videos", counts: Counter[str]) -> list[tuple[int, Row]]:
    """The same of a file that one of our formats reads; what the reader leaves out it counts."""
    annotations = Annotations([table], videos.path, counts)
    return list(enumerate(get_benchmark(name).read(annotations), start=1))


class Videos:
    """The videos of a folder: found by the table's name for them, each looked at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._finder = VideoFinder(folder)
        self._looks: dict[Path, VideoIndex | str] = {}

    def path(self, name: str) -> Path | None:
        """InputError for a name that fits several files: the message lists them."""
        return self._finder.find(name)

    def look(self, paths: Iterable[Path]) -> None:
        """Index the files and decode some frames of each, several at a time."""
        todo = [path for path in dict.fromkeys(paths) if path not in self._looks]
        pool = ThreadPoolExecutor(os.cpu_count(), initializer=own_decoder)
        with pool, Progress(len(todo), "videos", unit="video") as progress:
            for path, found in zip(todo, pool.map(_look, todo), strict=True):
                self._looks[path] = found
                progress.update()

    def index(self, path: Path) -> VideoIndex | str:
        """What `look` found, or why the video cannot be used."""
        return self._looks[path]

    def others(self, used: Iterable[Path]) -> int:
        """How many video files of the folder the table does not name."""
        return len({path.resolve() for path in self._finder.all()} - {path.resolve() for path in used})


def _look(path: Path) -> VideoIndex | str:
    try:
        index = index_video(path)
        last = len(index.times) - 1
        wanted = [round(step * last / (QUICK_FRAMES - 1)) for step in range(QUICK_FRAMES)]
        decode_frames(index, wanted, lambda frame: frame[:1, :1])
    except VideoError as error:
        return str(error)
    return index


def start(
    given: Sequence[tuple[int, Row]],
    videos: Videos,
    directory: Path,
    *,
    held_out: float = 0.1,
    seed: int = 0,
    counts: Counter[str] | None = None,
    digests: bool = True,
) -> Started:
    """Samples for training and for evaluation, and what was set aside. `held_out`: the share of videos for evaluation.
    `digests`: record those of the videos (video/digests.py).

    InputError when nothing is left.
    """
    counts = Counter[str]() if counts is None else counts
    aside: list[Row] = []
    found: list[tuple[int, Row, Path]] = []
    for number, row in given:
        path, reason = _found(videos, str(row.get("video") or ""))
        if path is None:
            aside.append(_aside(number, row, reason))
        else:
            found.append((number, row, path))
    videos.look(path for _, _, path in found)
    samples: list[tuple[Row, Path]] = []
    ids = IdRegister()
    for number, row, path in found:
        made, reason = _usable(row, videos.index(path), counts)
        if made is None:
            aside.append(_aside(number, row, reason))
            continue
        made["id"] = ids.unique(str(made["id"]), counts)
        made["video"] = Path(os.path.relpath(path.absolute(), directory.absolute())).as_posix()
        samples.append((made, path))
    if not samples:
        shown = "; ".join(f"row {each['row']}: {each['reason']}" for each in aside[:3])
        raise InputError(
            f"no row of the table could be converted to a sample; the first reasons: {shown or 'the table is empty'}"
        )
    if digests:
        record_digests([row for row, _ in samples], directory)
    out = _held_out([path for _, path in samples], held_out, seed)
    return Started(
        [row for row, path in samples if path not in out],
        [row for row, path in samples if path in out],
        sorted(aside, key=lambda each: each["row"]),
        counts,
        len({path for _, path in samples}),
        videos.others(path for _, _, path in found),
    )


def _aside(number: int, row: Row, reason: str) -> Row:
    return {"row": number, "id": str(row.get("id")), "video": str(row.get("video")), "reason": reason}


def _found(videos: Videos, name: str) -> tuple[Path | None, str]:
    name = name.rpartition("v=")[2].partition("&")[0] if "watch?v=" in name else name
    if not name:
        return None, "the row does not name a complete video; for other media use `reeltune data import`"
    try:
        path = videos.path(name)
    except InputError as error:  # several files of this name: which one is meant cannot be known
        return None, str(error)
    if path is None:
        return None, f"there is no video {name!r} in {videos.folder}"
    return (
        (path, "")
        if path.is_file()
        else (None, f"{path} is a folder of frames; convert them to a video (docs/data.md)")
    )


def _usable(row: Row, index: VideoIndex | str, counts: Counter[str]) -> tuple[Row | None, str]:
    """The row as the contract wants it, or why it cannot be."""
    if isinstance(index, str):
        return None, index
    changes: list[str] = []
    types = sample_types()
    made: dict[str, Any] = dict(row)
    if "duration" in types[str(row["task"])].model_fields and not _agrees(made.get("duration"), index):
        counts["durations: read from the files"] += 1
        made["duration"] = round(index.end, 3)
    fixed = repair(made, changes.append, past_duration="clip")
    if fixed is None:
        return None, changes[-1]
    try:
        sample: Sample = to_sample(fixed, types)
        get_task(sample.task).validate(sample)
    except InputError as error:
        return None, str(error).partition(", id ")[2] or str(error)
    counts.update(change for change in changes if "duration" not in change or "span" in change)
    return fixed, ""


def _agrees(duration: Any, index: VideoIndex) -> bool:
    try:
        return abs(float(duration) - index.end) <= 1.0
    except (TypeError, ValueError):
        return False


def _held_out(paths: Sequence[Path], share: float, seed: int) -> set[Path]:
    """The videos for evaluation: at least one where there are two, at most all but one; copies stay together."""
    groups = _copies(list(dict.fromkeys(paths)))
    if len(groups) < 2 or share <= 0:
        return set()
    count = min(len(groups) - 1, max(1, round(share * len(groups))))
    ordered = sorted(groups, key=lambda group: hashlib.sha256(f"{seed} {group[0].name}".encode()).digest())
    return {path for group in ordered[:count] for path in group}


def _copies(paths: Sequence[Path]) -> list[list[Path]]:
    """Files of equal content together; only those of equal size are read."""
    from reeltune.video.clip import video_hash

    sizes = Counter(path.stat().st_size for path in paths)
    groups: dict[str, list[Path]] = {}
    for path in paths:
        same = sizes[path.stat().st_size] > 1
        groups.setdefault(video_hash(path) if same else str(path), []).append(path)
    return list(groups.values())
