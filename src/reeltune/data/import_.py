"""A public annotation file becomes samples.jsonl. Nothing is dropped without a count."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from reeltune.data.formats import Annotations, Benchmark, Row, get_benchmark
from reeltune.data.repair import PastDuration, repair
from reeltune.errors import InputError
from reeltune.files import write_jsonl
from reeltune.media import IMAGE_SUFFIXES, with_paths
from reeltune.sample import to_sample
from reeltune.tasks import sample_types
from reeltune.video.digests import record_digests

VIDEO_ENDINGS = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".flv", ".mpg", ".mpeg", ".3gp")
ENDINGS = (*VIDEO_ENDINGS, *IMAGE_SUFFIXES)


@dataclass(frozen=True)
class Imported:
    """rows: as written. counts: what was left out, fixed or assumed -> how often. refused: why, one for each
    entry that breaks the contract."""

    rows: list[dict[str, Any]]
    counts: Counter[str]
    refused: list[str]
    videos: int
    missing: int


def import_annotations(
    name: str,
    files: Sequence[Path],
    *,
    videos: Path,
    output: Path,
    past_duration: PastDuration = "keep",
    digests: bool = True,
) -> Imported:
    """Read annotations of format `name` and write samples to `output`, video paths relative to its folder.

    Videos may be absent: they are counted. `digests`: record those of the media that are there (video/digests.py).
    Raises InputError for files of another form, and when no row is left.
    """
    benchmark = get_benchmark(name)
    finder = VideoFinder(videos)
    annotations = Annotations(files, finder.find)
    rows, refused, missing, seen = [], list[str](), set[str](), set[str]()
    names = IdRegister()

    def placed(video: str) -> str:
        seen.add(video)
        if finder.find(video) is None:
            missing.add(video)
        return finder.relative(video, output.parent)

    for raw in _entries(benchmark, annotations, name):
        row = _usable(raw, annotations.counts, refused, past_duration)
        if row is None:
            continue
        row = with_paths(row, placed)
        if names.repeats(row):
            annotations.counts["repeated entries: kept, each under its own id"] += 1
        row["id"] = names.unique(str(row["id"]), annotations.counts)
        rows.append(row)
    if not rows:
        raise InputError(
            f"{', '.join(map(str, files))}: no usable entry for format {name}; {_listed(annotations.counts)}"
        )
    if digests:
        record_digests(rows, output.parent)
    write_jsonl(output, rows)
    return Imported(rows, annotations.counts, refused, len(seen), len(missing))


def _entries(benchmark: Benchmark, annotations: Annotations, name: str) -> Iterator[Row]:
    """What the reader yields. A file of another form fails deep inside it; the user learns which file it was."""
    try:
        yield from benchmark.read(annotations)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        files = ", ".join(map(str, annotations.files))
        raise InputError(
            f"{files}: does not match format {name} ({type(error).__name__}: {error}); see docs/data.md"
        ) from error


def _usable(
    raw: dict[str, Any], counts: Counter[str], refused: list[str], past_duration: PastDuration
) -> dict[str, Any] | None:
    """The row, fixed and checked against the contract; None when it is unusable, which is counted."""

    def note(text: str) -> None:
        counts[text] += 1

    given = {key: value for key, value in raw.items() if value not in ({}, None)}
    row = repair(given, note, past_duration=past_duration)
    if row is None:
        return None
    try:
        to_sample(row, sample_types())
    except InputError as error:
        counts["entries that break the contract: dropped"] += 1
        refused.append(str(error).partition(", id ")[2])
        return None
    return row


class IdRegister:
    """Ids in use and entries seen."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._entries: set[str] = set()

    def repeats(self, row: dict[str, Any]) -> bool:
        """Whether an entry with the same content, id aside, came before."""
        content = repr(sorted((key, repr(value)) for key, value in row.items() if key != "id"))
        known = content in self._entries
        self._entries.add(content)
        return known

    def unique(self, name: str, counts: Counter[str]) -> str:
        """The id itself, or with the first free suffix "-2", "-3", ...; a changed one is counted."""
        free, number = name, 1
        while free in self._ids:
            number += 1
            free = f"{name}-{number}"
        if number > 1:
            counts["duplicate ids: given a suffix"] += 1
        self._ids.add(free)
        return free


class VideoFinder:
    """Finds the video or image an annotation means by a name: below the folder, with any ending, or by name alone.

    The path as the annotation gives it comes first. Raises InputError where a name fits several files: which one is
    meant cannot be known.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._found: dict[str, Path | None] = {}
        self._by_stem: dict[str, list[Path]] | None = None

    def find(self, name: str) -> Path | None:
        if name not in self._found:
            self._found[name] = self._search(name)
        return self._found[name]

    def all(self) -> list[Path]:
        """Every video file below the folder, sorted."""
        files = sorted(self.folder.rglob("*")) if self.folder.is_dir() else []
        return [path for path in files if path.suffix.lower() in VIDEO_ENDINGS]

    def relative(self, name: str, start: Path) -> str:
        """The path to write: of the file that was found, else where it would be expected."""
        path = self.find(name)
        if path is None:
            known = name.lower().endswith((*ENDINGS, "/"))  # a folder of frames is named with its slash
            path = self.folder / (name if known else f"{name}.mp4")
        return Path(os.path.relpath(path.absolute(), start.absolute())).as_posix()

    def _search(self, name: str) -> Path | None:
        exact = self.folder / name
        if exact.is_file():
            return exact
        with_ending = [Path(f"{exact}{ending}") for ending in VIDEO_ENDINGS]
        if found := self._only([path for path in with_ending if path.is_file()], name):
            return found
        return exact if exact.is_dir() else self._only(self._below(name), name)

    def _below(self, name: str) -> list[Path]:
        """Files anywhere below the folder that fit best: by file name, else without ending; of these, those that share
        most folders with the name, from its end on."""
        if self._by_stem is None:
            self._by_stem = {}
            for path in sorted(self.folder.rglob("*")) if self.folder.is_dir() else []:
                if path.suffix.lower() in ENDINGS:
                    self._by_stem.setdefault(path.stem, []).append(path)
        wanted = Path(name)
        known = name.lower().endswith(ENDINGS)
        kind = IMAGE_SUFFIXES if name.lower().endswith(IMAGE_SUFFIXES) else VIDEO_ENDINGS
        stem = self._by_stem.get(wanted.stem if known else wanted.name, [])
        stem = [path for path in stem if path.suffix.lower() in kind]
        fits = [path for path in stem if path.name == wanted.name] or stem
        folders = [_common_tail(path.parent.parts, wanted.parent.parts) for path in fits]
        return [path for path, count in zip(fits, folders, strict=True) if count == max(folders)]

    def _only(self, paths: list[Path], name: str) -> Path | None:
        """The one file among the candidates; links to one file are one."""
        different = list({path.resolve(): path for path in reversed(paths)}.values())
        if len(different) > 1:
            candidates = ", ".join(sorted(map(str, different)))
            raise InputError(
                f"video {name!r} matches {len(different)} files: {candidates}. Set --videos to the folder that the "
                "annotation's paths are relative to, or move the other files away"
            )
        return different[0] if different else None


def _common_tail(own: Sequence[str], wanted: Sequence[str]) -> int:
    """
    >>> _common_tail(("data", "x", "clips"), ("/", "home", "x", "clips")), _common_tail(("x",), ("y",))
    (2, 0)
    """
    pairs = zip(reversed(own), reversed(wanted), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _listed(counts: Counter[str]) -> str:
    return "; ".join(f"{count} {text}" for text, count in counts.items()) or "it has none"
