"""Which column of a table is which field of which task: a guess that says what it rests on, and can be corrected.

No task is known by name here: each declares its fields' kinds and the usual names of its columns, and the one whose
contract most of the rows keep, with the most fields filled, is taken.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from reeltune.data.cells import Mapped, option_number, options_of, to_row
from reeltune.data.repair import repair
from reeltune.data.tables import Row
from reeltune.errors import InputError, nearest
from reeltune.sample import to_sample
from reeltune.tasks import TASKS, get_task, sample_types
from reeltune.tasks.base import ANSWER_COLUMNS
from reeltune.tasks.choices import LETTERS

TRIED = 200
"""Rows that a guess is tried on."""
MOST_LABELS = 100

# fmt: off
_ANSWER = (
    *ANSWER_COLUMNS, "answer_idx", "answer_id", "correct_idx", "correct_index", "answer_index", "label", "response",
)
BY_KIND: Mapping[str, tuple[str, ...]] = {
    "spans": (
        "span", "spans", "timestamps", "timestamp", "segment", "segments", "window", "windows", "relevant_windows",
        "interval", "intervals", "time", "times", "time_span", "gt", "glue", "evidence", "target", "ground_truth",
    ),
    "letter": _ANSWER,
    "number": _ANSWER,
    "label": ("label", "class", "category", "action", "activity"),
    "box": ("start_box", "first_box", "box", "bbox"),
    "boxes": ("boxes", "bboxes", "target", "gt"),
}
START = (
    "start", "begin", "start_time", "begin_time", "start_sec", "start_seconds", "start_s", "t_start", "onset", "from",
)
END = ("end", "stop", "end_time", "stop_time", "end_sec", "end_seconds", "end_s", "t_end", "offset", "to", "finish")
COMMON: Mapping[str, tuple[str, ...]] = {
    "video": (
        "video", "video_path", "path", "file", "file_name", "filename", "video_file", "video_name", "clip", "clip_path",
        "video_id", "videoid", "vid", "clip_id", "media", "url", "name",
    ),
    "id": ("id", "sample_id", "question_id", "qid", "uid", "problem_id", "annotation_id"),
    "duration": ("duration", "video_duration", "video_length", "length", "duration_s", "duration_sec"),
    "source": ("source", "dataset", "data_source"),
    "type": ("type", "question_type", "category", "task_type"),
    "tolerance": ("tolerance",),
}
# fmt: on


def map_columns(
    rows: Sequence[Row],
    *,
    given: Mapping[str, str] | None = None,
    task: str | None = None,
    index_from: int | None = None,
) -> Mapped:
    """The best guess. `given`: field -> column, corrections; `task`: the only one tried. InputError when none fits."""
    names = list(dict.fromkeys(key for row in rows[:TRIED] for key in row))
    _check_given(given or {}, names)
    video = _column("video", COMMON["video"], names, given or {})
    if video is None:
        raise InputError(
            f"no column of the table names a video; the columns are {', '.join(names)}; say which with --column "
            "video=NAME"
        )
    tried = []
    for name in [get_task(task).name] if task else list(TASKS):
        found = _fields(name, rows, names, given or {}, index_from)
        if found is not None:
            tried.append((_fit(found, rows), found))
    best = max(tried, key=lambda each: each[0], default=None)
    if best is None or best[0][0] == 0:
        wanted = f"task {task!r}" if task else "any task"
        raise InputError(
            f"the columns {', '.join(names)} do not provide the fields of {wanted}; name them with --column "
            "FIELD=NAME (start, end, query, question, options, target, caption, ...), and the task with --task. "
            + (f"The first row: {json.dumps(rows[0], default=str)[:300]}" if rows else "")
        )
    return best[1]


def _check_given(given: Mapping[str, str], names: Sequence[str]) -> None:
    for name, column in given.items():
        if column not in names:
            raise InputError(
                f"--column {name}={column}: no such column{nearest(column, names)}; it has {', '.join(names)}"
            )


def _key(name: str) -> str:
    """A column's name for comparing: "Start Time" -> "start_time"."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).casefold()).strip("_")


def _column(name: str, usual: Sequence[str], names: Sequence[str], given: Mapping[str, str]) -> str | None:
    if name in given:
        return given[name]
    keys = {_key(column): column for column in reversed(names) if column not in given.values()}
    return next((keys[each] for each in (name, *usual) if each in keys), None)


def _fields(
    task: str, rows: Sequence[Row], names: Sequence[str], given: Mapping[str, str], index_from: int | None
) -> Mapped | None:
    """The columns of a task's fields; None where one that it needs has none.

    A column is taken once: what is sure is taken first, so that a vague name ("text") goes to what is left.
    """
    found: dict[str, str | tuple[str, ...]] = {}
    own = get_task(task)
    if not own.columns:
        return None
    free = list(names)

    def take(name: str, usual: Sequence[str]) -> str | None:
        column = _column(name, usual, free, given)
        if column is not None:
            found[name] = column
            free.remove(column)
        return column

    # 1. What all tasks share, by its usual names.
    notes: list[str] = []
    model = own.sample_type.model_fields
    for name in ("video", "id", *(each for each in ("duration", "tolerance") if each in model)):
        take(name, COMMON[name])
    # 2. The answers, which decide whether the table can be of this task: spans may be two columns, start and end.
    kinds = own.fields
    for name, kind in kinds.items():
        if kind == "spans":
            start, end = _column("start", START, free, given), _column("end", END, free, given)
            if start and end:
                found[name] = (start, end)
                free = [each for each in free if each not in (start, end)]
                continue
        if take(name, BY_KIND[kind]) is None:
            return None
    # 3. What is asked. A field that is a list may be one column an option.
    for name, usual in own.columns.items():
        series = _series(usual, free) if model[name].annotation is not str and name not in given else ()
        if series:
            found[name] = series
            free = [each for each in free if each not in series]
        else:
            take(name, usual)
    # 4. What the rows say and no column's name does: the labels there are, and what option numbers count from.
    labels: tuple[str, ...] = ()
    if "labels" in model and (column := next((found[n] for n, kind in kinds.items() if kind == "label"), None)):
        labels = _labels(rows, str(column))
        if not labels:
            return None
    start_at = _index_base(rows, found, kinds, notes) if index_from is None else index_from
    for name in ("source", "type"):
        take(name, COMMON[name])
    return Mapped(task, found, notes, labels, start_at)


def _series(usual: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Columns that are one option each, in order: option_a, option_b; a0, a1, ...; A, B, C."""
    keys = {_key(name): name for name in reversed(names)}
    for stem in usual:
        for marks in (LETTERS.lower(), [str(n) for n in range(26)], [str(n) for n in range(1, 27)]):
            for joint in ("", "_"):
                found = []
                for mark in marks:
                    if f"{stem}{joint}{mark}" not in keys:
                        break
                    found.append(keys[f"{stem}{joint}{mark}"])
                if len(found) >= 2:
                    return tuple(found)
    return ()


def _labels(rows: Sequence[Row], column: str) -> tuple[str, ...]:
    """The labels of a classification: few, and used more than once; () for a column of other texts."""
    values = [str(row[column]) for row in rows if row.get(column) is not None]
    distinct = sorted(set(values))
    return tuple(distinct) if 2 <= len(distinct) <= min(MOST_LABELS, max(2, len(values) // 2)) else ()


def _index_base(rows: Sequence[Row], found: Mapping[str, Any], kinds: Mapping[str, str], notes: list[str]) -> int:
    """Whether answers that are option numbers count from 0 or 1, where the table shows it."""
    column = next((found[name] for name, kind in kinds.items() if kind == "letter" and name in found), None)
    values = [option_number(row.get(column)) for row in rows] if isinstance(column, str) else []
    numbers = [value for value in values if value is not None]
    if not numbers or len(numbers) < len(values):
        return 0
    counts = [len(options_of(row, found.get("options", ()))) for row in rows]
    if min(numbers) >= 1 and any(number == count for number, count in zip(numbers, counts, strict=True)):
        notes.append(f"answers in {column!r} are option numbers from 1: one answer equals the number of options")
        return 1
    shown = "one is 0" if min(numbers) == 0 else f"they run from {min(numbers)} to {max(numbers)}; else --index-from 1"
    notes.append(f"answers in {column!r} are option numbers from 0: {shown}")
    return 0


def _fit(mapped: Mapped, rows: Sequence[Row]) -> tuple[float, int, int]:
    """(share of rows that keep the contract, if at least half of them do; fields filled; those of a kind)."""
    types = sample_types()
    kept = 0
    tried = list(rows[:TRIED])
    for number, row in enumerate(tried, start=1):
        made = to_row(row, number, mapped)
        if "duration" in types[mapped.task].model_fields:
            made.setdefault("duration", 1e6)  # read off the file later
        fixed = repair(made, lambda text: None)
        try:
            kept += fixed is not None and bool(to_sample(fixed, types))
        except InputError:
            continue
    share = kept / len(tried) if tried else 0.0
    own = get_task(mapped.task)
    wanted = [name for name in mapped.columns if name in own.fields or name in own.columns]
    return float(share >= 0.5), len(wanted), sum(name in own.fields for name in wanted)
