"""The samples of a run or an evaluation, kept in its own folder, so that it says everything by itself wherever it goes.

    RUN/samples/train.jsonl, held_out.jsonl     the samples as they were used, media relative to this folder
    RUN/samples/media.jsonl                     {"media": "../../videos/a.mp4", "bytes": 31337, "digest": "3f2c..."}

Media stay where they are. Where a run was moved without them, `MediaFinder` looks for them below the folders that the
reader names (`--media-root`), and knows them by size and digest: another file of that name is not taken for it.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from reeltune.files import write_jsonl
from reeltune.media import names_shown, rebase
from reeltune.provenance import sampled_bytes
from reeltune.sample import Sample, read_rows

FOLDER = "samples"
MEDIA = "media.jsonl"
READERS = 16
"""Files looked at together: a network mount answers each in milliseconds."""


def keep_samples(directory: Path, parts: Mapping[str, Sequence[Sample]]) -> None:
    """Write DIRECTORY/samples: one file a part ("train", "held_out"), empty ones left out, and what their media are."""
    folder = (directory / FOLDER).absolute()
    names: dict[str, None] = {}
    for part, samples in parts.items():
        rows = [rebase(sample.model_dump(mode="json", exclude_unset=True), sample.folder, folder) for sample in samples]
        names |= dict.fromkeys(name for row in rows for name in media_names(row))
        if rows:
            write_jsonl(folder / f"{part}.jsonl", rows)
    _write_media(folder, names)


def keep_media(directory: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write what the media of samples are, whose `rows` DIRECTORY keeps in a file of its own, relative to it."""
    folder = (directory / FOLDER).absolute()
    moved = (rebase(row, directory.absolute(), folder) for row in rows)
    _write_media(folder, dict.fromkeys(name for row in moved for name in media_names(row)))


def _write_media(folder: Path, names: Iterable[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)  # names with .. go through it
    with ThreadPoolExecutor(READERS) as readers:
        found = readers.map(lambda name: _media_row(folder, name), names)
        write_jsonl(folder / MEDIA, [row for row in found if row])


def media_names(row: Mapping[str, Any]) -> list[str]:
    """The files and folders that a sample's row names as its media, in the order of the conversation."""
    return [name for names in names_shown(row) for name in names]


def _media_row(folder: Path, name: str) -> dict[str, Any] | None:
    path = folder / name
    if not path.is_file():
        return None
    return {"media": name, "bytes": path.stat().st_size, "digest": sampled_bytes(path)}


def kept_files(directory: Path) -> list[Path]:
    """The files of samples that DIRECTORY keeps; none of one that an older version wrote."""
    return sorted(path for path in (directory / FOLDER).glob("*.jsonl") if path.name != MEDIA)


@dataclass(frozen=True)
class Media:
    """Where a medium of a sample stands; `path` None: nowhere that may be looked at, and `problem` says why."""

    name: str
    path: Path | None
    problem: str = ""


class MediaFinder:
    """Finds the media of samples: where they say, or below `roots`. Nothing outside `allowed` and `roots` is given
    out, but for the very file that a run recorded: who could name its digest knows it already.
    """

    def __init__(self, allowed: Iterable[Path], roots: Iterable[Path] = (), records: Iterable[Path] = ()) -> None:
        self.roots = [root.absolute() for root in roots]
        self.allowed = [folder.resolve() for folder in (*allowed, *self.roots)]
        self._records: dict[Path, tuple[int, str]] = {}
        for file in records:
            for _, row in read_rows(file):
                self._records[_plain(file.parent / row["media"])] = (row["bytes"], row["digest"])

    def find(self, folder: Path, name: str) -> Media:
        """The medium that a samples file in `folder` calls `name`."""
        stated = _plain(folder / name)
        record = self._records.get(stated)
        problem = f"there is no file {stated}; if the folder was moved, pass its new place with --media-root FOLDER"
        for path in (stated, *self._elsewhere(name)):
            if not path.exists():
                continue
            same = record is None or _is(path, record)
            if not same:
                problem = f"{path} is not the file that the run used: its size or content differs"
            elif record is not None or self._may_show(path):
                return Media(name, path)
            else:
                problem = f"{path} is outside the given folders; to show it, pass --media-root {path.parent}"
        return Media(name, None, problem)

    def _may_show(self, path: Path) -> bool:
        place = path.resolve()
        return any(place.is_relative_to(folder) for folder in self.allowed)

    def _elsewhere(self, name: str) -> Iterable[Path]:
        """Below each root: the longest tail of the path first, its bare name last."""
        parts = [part for part in Path(name).parts if part not in ("..", "/", ".")]
        for root in self.roots:
            yield from (root.joinpath(*parts[start:]) for start in range(len(parts)))


def _is(path: Path, record: tuple[int, str]) -> bool:
    stat = path.stat()
    return stat.st_size == record[0] and _digest(path, stat.st_size, stat.st_mtime_ns) == record[1]


@lru_cache(maxsize=100_000)
def _digest(path: Path, size: int, mtime: int) -> str:
    return sampled_bytes(path)


def _plain(path: Path) -> Path:
    """Absolute, without `..`, links kept."""
    return Path(os.path.normpath(path.absolute()))
