"""Repairs that annotation files need, each named. Import, `init` and `data check --fix` use the same ones.

A repair changes a row only where the contract refuses it: numbers written as text, clock times, one span without its
outer list, letters in another form, spans and boxes past the edge. Which field is of which kind the task declares
(`Task.fields`). What cannot be fixed makes the row unusable, and the reason says so. Nothing is guessed.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from reeltune.answers.final_answer import Block
from reeltune.fields import form
from reeltune.sample import clock_seconds
from reeltune.tasks import TASKS
from reeltune.tasks.base import Task
from reeltune.tasks.choices import LETTERS, normalized
from reeltune.tasks.spans import PAST_DURATION_TOLERANCE, read_spans

Row = dict[str, Any]
PastDuration = Literal["keep", "clip", "drop"]
Note = Callable[[str], None]


class Unusable(Exception):
    """Nothing usable is left of a row; the message is its count's name."""


def repair(row: Mapping[str, Any], note: Note, *, past_duration: PastDuration = "clip") -> Row | None:
    """The row as the contract wants it, or None when nothing usable is left. `note` hears of each change.

    past_duration: what becomes of spans that end after the video: `clip` cuts them, `drop` removes them,
    `keep` leaves them and declares it in `meta.past_duration` (published scores are computed with them).
    """
    fixed = dict(row)
    task = TASKS.get(str(fixed.get("task")))
    if task is None:
        return fixed  # the contract names it
    _repair_types(fixed, note)
    _repair_texts(fixed, task, note)
    _move_unknown(fixed, set(task.sample_type.model_fields), note)
    try:
        for field, kind in task.fields.items():
            if kind == "spans":
                _repair_spans(fixed, field, note, past_duration)
            elif field in fixed:
                REPAIRS[kind](fixed, field, note)
    except Unusable as reason:
        note(str(reason))
        return None
    return fixed


def _repair_types(row: Row, note: Note) -> None:
    if isinstance(row.get("id"), float) and is_number(row["id"]):
        row["id"] = f"{row['id']:.15g}"
        note("numeric ids: converted to text")
    if "duration" in row:
        row["duration"] = _seconds(row["duration"], note)
    if isinstance(media := row.get("media"), list):
        row["media"] = [_timed(each, note) if isinstance(each, dict) else each for each in media]


def _timed(medium: Row, note: Note) -> Row:
    """An entry of `media` with its times in seconds."""
    return medium | {name: _seconds(medium[name], note) for name in ("start", "end", "fps") if name in medium}


def _repair_texts(row: Row, task: Task[Any, Any], note: Note) -> None:
    """Numbers where the contract wants text, as options that are counts. Not for a letter: whether a number counts the
    options from 0 or 1, or is the text of one, would be a guess."""
    for name, field in task.sample_type.model_fields.items():
        wanted = form(field.annotation)
        if (
            wanted not in ("text", "[text, ...]")
            or name not in row
            or name == "id"
            or task.fields.get(name) == "letter"
        ):
            continue
        value = row[name]
        text = _as_text(value) if wanted == "text" else [*map(_as_text, value)] if isinstance(value, list) else value
        if text != value:
            note("numbers where text belongs: converted")
            row[name] = text


def _as_text(value: Any) -> Any:
    return f"{value:.15g}" if is_number(value) else value


def _move_unknown(row: Row, known: set[str], note: Note) -> None:
    if not isinstance(row.get("meta") or {}, dict):
        return  # the contract names it
    for name in [name for name in row if name not in known]:
        row["meta"] = {**(row.get("meta") or {}), name: row.pop(name)}
        note("fields that the task does not have: moved to meta")


def _seconds(value: Any, note: Note) -> Any:
    """A number of seconds where the text says one: "12.5", "12.5 s", "1:02.5". Anything else comes back as it is."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*(?:s|secs?|seconds?)?\s*", value)
    found = float(match[1]) if match else clock_seconds(value)
    if found is None:
        return value
    note("times written as text: converted to seconds")
    return found


def _repair_spans(row: Row, field: str, note: Note, past_duration: PastDuration) -> None:
    value = _listed(row.get(field), note)
    duration = row.get("duration")
    if not isinstance(value, list | tuple):
        return
    if len(value) == 2 and not any(isinstance(part, list | tuple) for part in value):
        note("one span without its outer list: wrapped in one")
        value = [value]
    spans = [[_seconds(part, note) for part in s] if isinstance(s, list | tuple) else s for s in value]
    limit = float(duration) if duration is not None and is_number(duration) else math.inf
    kept, past = _usable_spans(spans, limit, note, past_duration)
    if not kept:
        raise Unusable("samples without a usable span: dropped")
    row[field] = kept
    if past:
        row["meta"] = {**(row.get("meta") or {}), "past_duration": True}


def _listed(value: Any, note: Note) -> Any:
    """A list that was written as text: JSON, or a span in words such as "2 to 5" and "0:02 - 0:05"."""
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        spans, _ = read_spans(Block(value, tagged=True))
        found = [list(span) for span in spans] if spans else value
    if isinstance(found, list):
        note("spans written as text: converted")
        return found
    return value


def _usable_spans(
    spans: Any, duration: float, note: Note, past_duration: PastDuration
) -> tuple[list[list[float]], bool]:
    kept, past = [], False
    for span in spans:
        if not (isinstance(span, list | tuple) and len(span) == 2 and all(map(is_number, span))):
            note("spans that are not a pair of finite numbers: dropped")
            continue
        start, end = span
        if end <= start:
            note("reversed spans: dropped" if end < start else "empty spans: dropped")
            continue
        if start < 0:
            note("spans that start before 0: clipped")
            start = 0.0
        if end > duration + PAST_DURATION_TOLERANCE:
            if past_duration == "keep":
                note("spans that end after the video: kept and declared in meta.past_duration")
                past = True
            elif past_duration == "drop" or start >= duration:
                note("spans that end after the video: dropped")
                continue
            else:
                note("spans that end after the video: clipped to the duration")
                end = duration
        if end > start:
            kept.append([start, end])
    return kept, past


def _repair_letter(row: Row, field: str, note: Note) -> None:
    """A letter in another form, or the text of one option."""
    target, options = row[field], row.get("options")
    text = str(target).strip().strip("()[].").upper() if isinstance(target, str) else ""
    names = LETTERS[: len(options)] if isinstance(options, list | tuple) else LETTERS
    is_text = isinstance(options, list | tuple) and normalized(str(target)) in [normalized(str(o)) for o in options]
    if len(text) == 1 and text in LETTERS and (text in names or not is_text):
        if text != target:
            note("letters in another form: rewritten as A, B, ...")
            row[field] = text
        if isinstance(options, list | tuple) and text in LETTERS[len(options) :]:
            raise Unusable("letters beyond the options: sample dropped")
    elif isinstance(target, str) and isinstance(options, list | tuple):
        texts = [normalized(str(option)) for option in options]
        if texts.count(normalized(target)) == 1 and len(texts) <= len(LETTERS):
            note("answers that are the text of an option: replaced by its letter")
            row[field] = LETTERS[texts.index(normalized(target))]


def _repair_label(row: Row, field: str, note: Note) -> None:
    labels, target = row.get("labels"), row[field]
    if not isinstance(labels, list | tuple) or target in labels or not isinstance(target, str):
        return
    same = [label for label in labels if isinstance(label, str) and normalized(label) == normalized(target)]
    if len(same) == 1:
        note("labels in another form: rewritten as in `labels`")
        row[field] = same[0]


def _repair_number(row: Row, field: str, note: Note) -> None:
    row[field] = _number(row[field], note)


def _number(value: Any, note: Note) -> Any:
    """The number that a text is. Anything else comes back as it is."""
    if isinstance(value, str) and re.fullmatch(r"\s*[-+]?\d{1,15}(?:\.\d{1,15})?\s*", value):
        note("numbers written as text: converted")
        return float(value)
    return value


def _repair_box(row: Row, field: str, note: Note) -> None:
    box = row[field] = _numbers(row[field], note)
    if _is_box(box):
        row[field] = _cut_box(box, note)


def _repair_boxes(row: Row, field: str, note: Note) -> None:
    if not isinstance(row[field], list | tuple):
        return
    boxes = row[field] = [_numbers(box, note) for box in row[field]]
    if all(map(_is_box, boxes)):
        row[field] = [_cut_box(box, note) for box in boxes]


def _numbers(box: Any, note: Note) -> Any:
    return [_number(value, note) for value in box] if isinstance(box, list | tuple) else box


def _is_box(value: Any) -> bool:
    """Anything else is no box at all, and the contract names it."""
    return isinstance(value, list | tuple) and len(value) == 4 and all(map(is_number, value))


def _cut_box(box: Any, note: Note) -> list[float]:
    cut = [min(1.0, max(0.0, value)) for value in box]
    if cut != list(box):
        note("boxes that extend beyond the frame: clipped")
    if cut[2] <= cut[0] or cut[3] <= cut[1]:
        raise Unusable("boxes without an area inside the frame: sample dropped")
    return cut


def is_number(value: Any) -> bool:
    """A finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


REPAIRS: Mapping[str, Callable[[Row, str, Note], None]] = {
    "letter": _repair_letter,
    "label": _repair_label,
    "number": _repair_number,
    "box": _repair_box,
    "boxes": _repair_boxes,
}
"""By the kind of a field; spans are repaired beside them, as they need the duration."""
