"""A fixed copy of a samples file, with a list of every change."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reeltune.data.import_ import IdRegister
from reeltune.data.repair import repair
from reeltune.errors import InputError
from reeltune.files import write_jsonl, write_text
from reeltune.sample import read_rows, to_sample
from reeltune.tasks import TASKS


@dataclass(frozen=True)
class Fixed:
    """changes: "line N, id ...: what" in the order of the file."""

    kept: int
    dropped: int
    changes: list[str]

    def text(self, path: Path) -> str:
        kinds = Counter(change.partition(": ")[2].partition(" (")[0] for change in self.changes)
        lines = [
            f"{path}: {self.kept} samples written, {self.dropped} dropped; every change is in {changes_path(path)}"
        ]
        return "\n".join(lines + [f"  {count} {kind}" for kind, count in kinds.items()])


def changes_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.fixes.txt")


def fix_samples(source: Path, output: Path) -> Fixed:
    """Fix what can be fixed, drop what cannot, write `output` and its list of changes.

    Spans are cut or dropped, boxes cut, letters cleaned, repeated ids get a suffix, repeated rows go. Video paths
    are rewritten for the folder of `output`. InputError when nothing is left, or when output is the source.
    """
    if source.resolve() == output.resolve():
        raise InputError(f"--fix {output}: give another file than the samples themselves, which stay as they are")
    changes: list[str] = []
    rows: list[dict[str, Any]] = []
    ids, counts = IdRegister(), Counter[str]()
    seen = 0
    for line, row in read_rows(source):
        seen += 1
        where = f"line {line}, id {row.get('id')!r}"
        fixed = _mended(row, where, changes)
        if fixed is None:
            continue
        if ids.repeats(fixed):
            changes.append(f"{where}: repeats an earlier row: dropped")
            continue
        name = ids.unique(str(fixed["id"]), counts)
        if name != fixed["id"]:
            changes.append(f"{where}: an id used before: now {name!r}")
            fixed["id"] = name
        moved = (source.parent / fixed["video"]).absolute()
        fixed["video"] = Path(os.path.relpath(moved, output.parent.absolute())).as_posix()
        rows.append(fixed)
    if not rows:
        raise InputError(f"{source}: no row can be fixed; nothing was written")
    write_jsonl(output, rows)
    write_text(changes_path(output), "".join(f"{change}\n" for change in changes))
    return Fixed(len(rows), seen - len(rows), changes)


def _mended(row: dict[str, Any], where: str, changes: list[str]) -> dict[str, Any] | None:
    fixed = repair(row, lambda text: changes.append(f"{where}: {text}"), past_duration="clip")
    if fixed is None:
        return None
    meta = fixed.get("meta")
    if isinstance(meta, dict) and "past_duration" in meta:
        fixed["meta"] = {key: value for key, value in meta.items() if key != "past_duration"}
    try:
        sample = to_sample(fixed, {name: task.sample_type for name, task in TASKS.items()})
        TASKS[sample.task].validate(sample)
    except InputError as error:
        changes.append(f"{where}: cannot be fixed: dropped ({str(error).partition(', field ')[2] or error})")
        return None
    return fixed
