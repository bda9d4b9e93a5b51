"""A fixed copy of a samples file: what can be is repaired, what cannot be used is dropped, every change is listed."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reeltune.data.decoded import Decoder, times_after
from reeltune.data.import_ import IdRegister
from reeltune.data.repair import Note, repair
from reeltune.errors import InputError, VideoError
from reeltune.files import write_jsonl, write_text
from reeltune.media import rebase
from reeltune.sample import Sample, filled_lines, to_sample
from reeltune.tasks import get_task, sample_types
from reeltune.video.digests import record_digests, without_digests


@dataclass(frozen=True)
class Fixed:
    """changes: "line N, id ...: what" in the order of the file."""

    kept: int
    dropped: int
    changes: list[str]

    @property
    def counts(self) -> dict[str, int]:
        """Kind of change -> how often."""
        return dict(Counter(change.partition(": ")[2].partition(" (")[0] for change in self.changes))

    def text(self, path: Path) -> str:
        lines = [
            f"{path}: {self.kept} samples written, {self.dropped} dropped; every change is in {changes_path(path)}"
        ]
        return "\n".join(lines + [f"  {count} {kind}" for kind, count in self.counts.items()])


def changes_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.fixes.txt")


def fix_samples(source: Path, output: Path, *, decode: Decoder | bool = False, digests: bool = True) -> Fixed:
    """Fix what can be fixed, drop what cannot, write `output` and its list of changes.

    Types, clock times, spans, boxes, letters and ids are repaired. Rows that still break the contract, repeat another,
    or whose media are missing or (with `decode`) cannot be decoded are dropped. With `decode` spans are also clipped to
    the length of the file; a `Decoder` does not decode again what it has decoded before. Video paths are
    rewritten for the folder of `output`. With `digests` each row records those of its media, which every later reading
    compares; without, none does. InputError when nothing is left, or when output is the source.
    """
    if source.resolve() == output.resolve():
        raise InputError(f"--fix {output}: give another file; the samples themselves are never changed")
    changes: list[str] = []
    rows: list[dict[str, Any]] = []
    places: list[str] = []
    ids, counts = IdRegister(), Counter[str]()
    decoder = (decode if isinstance(decode, Decoder) else Decoder()) if decode else None
    seen = 0
    for where, row in _rows(source, changes):
        seen += 1
        fixed = _mended(row, source, where, changes, decoder) if row is not None else None
        if fixed is None:
            continue
        if ids.repeats(fixed):
            changes.append(f"{where}: repeats an earlier row: dropped")
            continue
        name = ids.unique(str(fixed["id"]), counts)
        if name != str(fixed["id"]):
            changes.append(f"{where}: duplicate id: now {name!r}")
        fixed = rebase(fixed | {"id": name}, source.parent.absolute(), output.parent.absolute())
        rows.append(fixed)
        places.append(where)
    if not rows:
        raise InputError(f"{source}: no row can be fixed, so nothing was written")
    if digests:
        for number in record_digests(rows, output.parent):
            changes.append(
                f"{places[number]}: its media have changed since their digests were recorded: recorded again"
            )
    else:
        without_digests(rows)
    write_jsonl(output, rows)
    write_text(changes_path(output), "".join(f"{change}\n" for change in changes))
    return Fixed(len(rows), seen - len(rows), changes)


def _rows(source: Path, changes: list[str]) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """(where, row) of every line; None of one that is no JSON object."""
    for line, text in filled_lines(source):
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            row = None
        where = f"line {line}, id {row.get('id') if isinstance(row, dict) else None!r}"
        if isinstance(row, dict):
            yield where, row
        else:
            changes.append(f"{where}: not a JSON object: dropped")
            yield where, None


def _mended(
    row: dict[str, Any], source: Path, where: str, changes: list[str], decoder: Decoder | None
) -> dict[str, Any] | None:
    def note(text: str) -> None:
        changes.append(f"{where}: {text}")

    fixed = repair(row, note, past_duration="clip")
    if fixed is None:
        return None
    meta = fixed.get("meta")
    if isinstance(meta, dict) and "past_duration" in meta:
        fixed["meta"] = {key: value for key, value in meta.items() if key != "past_duration"}
    if not str(fixed.get("id", "")).strip() or fixed["id"] is None:
        fixed["id"] = where.partition(",")[0].replace("line", "row")
        note(f"no id: now {fixed['id']!r}")
    try:
        sample = to_sample(fixed, sample_types(), path=source)
        get_task(sample.task).validate(sample)
    except InputError as error:
        note(f"cannot be fixed: dropped ({str(error).partition(', field ')[2] or error})")
        return None
    for path in sample.files:
        if not path.exists():
            note(f"its {_medium(sample)} is missing: dropped ({path})")
            return None
    return fixed if decoder is None else _within(fixed, sample, decoder, note)


def _within(row: dict[str, Any], sample: Sample, decoder: Decoder, note: Note) -> dict[str, Any] | None:
    """The row, its spans clipped to the length of what it shows; None where that cannot be decoded, or its times are
    after the end."""
    try:
        length = decoder.length(sample)
    except VideoError as error:
        note(f"its {_medium(sample)} cannot be decoded: dropped ({error})")
        return None
    if length is None or not times_after(sample, length):
        return row
    if "duration" not in type(sample).model_fields:
        note(f"times after the end of the file: dropped (it ends at {length:g} s)")
        return None
    note(f"times after the end of the file: its length is now the duration ({length:g} s)")
    return repair(row | {"duration": length}, note, past_duration="clip")


def _medium(sample: Sample) -> str:
    return "image" if all(each.kind == "image" for each in sample.all_media) else "video"
