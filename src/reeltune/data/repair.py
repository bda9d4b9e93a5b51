"""Repairs that public annotation files need, each named. Import and check use the same ones.

A repair changes a row only where the contract refuses it: spans are dropped or cut, boxes cut, letters cleaned.
What cannot be fixed makes the row unusable, and the reason says so. Nothing is guessed.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

from reeltune.tasks.choices import LETTERS
from reeltune.tasks.spans import PAST_DURATION_TOLERANCE

Row = dict[str, Any]
PastDuration = Literal["keep", "clip", "drop"]
Note = Callable[[str], None]

SPAN_FIELDS = {"temporal_grounding": "target", "grounded_qa": "evidence"}
LETTER_TASKS = ("multiple_choice", "grounded_qa")


def repair(row: Mapping[str, Any], note: Note, *, past_duration: PastDuration = "clip") -> Row | None:
    """The row as the contract wants it, or None when nothing usable is left. `note` hears of each change.

    past_duration: what becomes of spans that end after the video: `clip` cuts them, `drop` removes them,
    `keep` leaves them and declares it in `meta.past_duration` (published scores are computed with them).
    """
    fixed = dict(row)
    task = fixed.get("task")
    field = SPAN_FIELDS.get(task) if isinstance(task, str) else None
    if field and isinstance(fixed.get(field), list | tuple) and _is_number(fixed.get("duration")):
        spans, past = _repair_spans(fixed[field], float(fixed["duration"]), note, past_duration)
        if not spans:
            note("samples without a usable span: dropped")
            return None
        fixed[field] = spans
        if past:
            fixed["meta"] = {**(fixed.get("meta") or {}), "past_duration": True}
    if task in LETTER_TASKS:
        fixed["target"] = _repair_letter(fixed.get("target"), note)
        if _past_options(fixed):
            note("letters past the options: sample dropped")
            return None
    return _repair_boxes(fixed, note) if task == "object_tracking" else fixed


def _repair_spans(
    spans: Any, duration: float, note: Note, past_duration: PastDuration
) -> tuple[list[list[float]], bool]:
    kept, past = [], False
    for span in spans:
        if not (isinstance(span, list | tuple) and len(span) == 2 and all(map(_is_number, span))):
            note("spans that are no pair of finite numbers: dropped")
            continue
        start, end = span
        if end <= start:
            note("reversed spans: dropped" if end < start else "empty spans: dropped")
            continue
        if start < 0:
            note("spans that start before 0: cut")
            start = 0.0
        if end > duration + PAST_DURATION_TOLERANCE:
            if past_duration == "keep":
                note("spans that end after the video: kept, meta.past_duration says so")
                past = True
            elif past_duration == "drop" or start >= duration:
                note("spans that end after the video: dropped")
                continue
            else:
                note("spans that end after the video: cut at the duration")
                end = duration
        if end > start:
            kept.append([start, end])
    return kept, past


def _repair_letter(target: Any, note: Note) -> Any:
    text = str(target).strip().strip("()[].").upper() if isinstance(target, str) else ""
    if len(text) == 1 and text in LETTERS and text != target:
        note("letters in another form: written as A, B, ...")
        return text
    return target


def _past_options(row: Row) -> bool:
    target, options = row.get("target"), row.get("options")
    if not isinstance(target, str) or len(target) != 1 or not isinstance(options, list | tuple):
        return False
    return target in LETTERS[len(options) :]


def _repair_boxes(row: Row, note: Note) -> Row | None:
    try:
        row["start_box"] = _cut_box(row["start_box"], note)
        row["target"] = [_cut_box(box, note) for box in row["target"]]
    except (KeyError, TypeError):
        return row  # not boxes at all: the contract names it
    if any(box[2] <= box[0] or box[3] <= box[1] for box in [row["start_box"], *row["target"]]):
        note("boxes without an area inside the picture: sample dropped")
        return None
    return row


def _cut_box(box: Any, note: Note) -> list[float]:
    if len(box) != 4 or not all(map(_is_number, box)):
        raise TypeError
    cut = [min(1.0, max(0.0, value)) for value in box]
    if cut != list(box):
        note("boxes that reach past the picture: cut")
    return cut


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
