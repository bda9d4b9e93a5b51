"""Readers of public annotation files, one file each: from their form to the rows of samples.jsonl.

A reader's file states source, split, size, metric, license note and known defects of the data. It repairs
nothing: `reeltune data import` does that for all alike, and counts it. One of your own is a file with a `Benchmark`,
named `file.py` (its BENCHMARK), `file.py:object` or `module:object` on the command line.
"""

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reeltune.data.tables import Row, first_entry, read_csv, read_json, read_records
from reeltune.errors import InputError
from reeltune.registry import Registry

__all__ = ["Annotations", "Benchmark", "Row", "field_of", "formats", "get_benchmark", "import_command", "read_csv",
           "read_json", "read_records"]  # fmt: skip


@dataclass
class Annotations:
    """What a reader gets: the files named on the command line, where videos may be, and a place for counts."""

    files: Sequence[Path]
    find_video: Callable[[str], Path | None]
    """The path of a video by the annotation's name for it, None when it is not there."""
    counts: Counter[str] = field(default_factory=Counter)
    """What was left out or assumed, in words -> how often. Nothing is dropped without a count."""

    @property
    def file(self) -> Path:
        """The only file; InputError for more."""
        if len(self.files) != 1:
            raise InputError(f"give one annotation file; got {', '.join(map(str, self.files))}")
        return self.files[0]


@dataclass(frozen=True)
class Benchmark:
    """What the docs and `reeltune data import` say about a format."""

    task: str
    source: str
    splits: str
    metric: str
    license: str
    defects: str
    read: Callable[[Annotations], Iterator[Row]]
    """The rows of samples.jsonl; `video` is the name the annotation gives, with or without an ending."""
    seen: bool = True
    """False: written from public documentation, without a file of that form at hand."""
    recognizes: Callable[[Row], bool] | None = None
    """Whether an entry is of this form and of no other: `reeltune data check` then names the import."""


def _check(name: str, found: Any) -> None:
    if not isinstance(found, Benchmark):
        raise InputError(f"format {name!r}: must be a reeltune.data.formats.Benchmark; got {type(found).__name__}")


FORMATS: Registry[Benchmark] = Registry(
    "format",
    {
        "activitynet-captions": "reeltune.data.formats.activitynet_captions:BENCHMARK",
        "activitynet-rtl": "reeltune.data.formats.activitynet_rtl:BENCHMARK",
        "carebench": "reeltune.data.formats.carebench:BENCHMARK",
        "charades-sta": "reeltune.data.formats.charades_sta:BENCHMARK",
        "conversations": "reeltune.data.formats.conversations:BENCHMARK",
        "easyvideor1": "reeltune.data.formats.easyvideor1:BENCHMARK",
        "dream-1k": "reeltune.data.formats.dream_1k:BENCHMARK",
        "got10k": "reeltune.data.formats.got10k:BENCHMARK",
        "mmvu": "reeltune.data.formats.mmvu:BENCHMARK",
        "mvbench": "reeltune.data.formats.mvbench:BENCHMARK",
        "nextgqa": "reeltune.data.formats.nextgqa:BENCHMARK",
        "perception-test": "reeltune.data.formats.perception_test:BENCHMARK",
        "qvhighlights": "reeltune.data.formats.qvhighlights:BENCHMARK",
        "rextime": "reeltune.data.formats.rextime:BENCHMARK",
        "tempcompass": "reeltune.data.formats.tempcompass:BENCHMARK",
        "timelens": "reeltune.data.formats.timelens:BENCHMARK",
        "vdc": "reeltune.data.formats.vdc:BENCHMARK",
        "video-mme": "reeltune.data.formats.video_mme:BENCHMARK",
        "video-mme-v2": "reeltune.data.formats.video_mme_v2:BENCHMARK",
        "video-quality": "reeltune.data.formats.video_quality:BENCHMARK",
        "video-r1": "reeltune.data.formats.video_r1:BENCHMARK",
    },
    check=_check,
)


def formats() -> list[str]:
    """Names of all formats of ours; imports none of them."""
    return sorted(FORMATS)


def get_benchmark(name: str) -> Benchmark:
    """The reader of a format; InputError names the nearest and lists the known ones."""
    return FORMATS.get(f"{name}:BENCHMARK" if name.endswith(".py") else name)


def recognized(entry: Any) -> str | None:
    """The name of the format that an entry is of, where it can be told; None for others."""
    for name in formats():
        recognizes = get_benchmark(name).recognizes
        if recognizes and isinstance(entry, dict) and recognizes(entry):
            return name
    return None


def import_command(path: Path) -> str | None:
    """The command that makes samples of a file whose first entry is of a form we recognize; None for other files."""
    try:
        entry = first_entry(path)
    except InputError:
        return None  # whoever reads the file says what is wrong with it
    if name := recognized(entry):
        words = ["reeltune", "data", "import", name, str(path), "--videos", str(path.parent)]
        return shlex.join([*words, "-o", str(path.with_name(f"{path.stem}_samples.jsonl"))])
    return None


def field_of(row: Row, name: str, path: Path, number: int) -> Any:
    """A field that must be there; InputError says where it is missing (entries count from 1)."""
    if name not in row:
        raise InputError(
            f"{path}, entry {number}, field {name!r}: missing; the entry has {', '.join(map(str, row)) or 'none'}. "
            "Is this the right format?"
        )
    return row[name]
