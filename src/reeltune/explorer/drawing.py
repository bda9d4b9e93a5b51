"""What can be drawn of an answer: spans on the clock, boxes on the frames, a text for all else.

Read off the shape of the value that a task parses, so that a task of your own is drawn without a line here: pairs of
numbers are spans, fours of numbers are boxes at the sample's `times`, and a dataclass has them among its fields.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from reeltune.sample import Sample
from reeltune.tasks import get_task

Drawn = dict[str, Any]


def truth(sample: Sample) -> Drawn:
    """Spans, boxes and text of the gold answer."""
    task = get_task(sample.task)
    gold = task.gold(sample, task.modes[-1])  # the shortest form
    found = drawn(task.parse(sample, gold).value, times_of(sample))
    for field, kind in task.fields.items():  # as the sample has them: the gold answer is rounded
        if kind == "spans":
            found["spans"] = [list(span) for span in getattr(sample, field)]
        elif kind == "boxes" and found["boxes"]:
            found["boxes"]["boxes"] = [list(box) for box in getattr(sample, field)]
    return {**found, "gold": gold}


def drawn(value: Any, times: Sequence[float]) -> Drawn:
    """{"spans": [[s, e]...], "boxes": {"times", "boxes"} or None, "text"} of a parsed value; None: nothing was read."""
    spans: list[list[float]] = []
    boxes: list[list[float]] = []
    texts: list[str] = []
    for part in _parts(value):
        rows = _numbers(part)
        if rows and all(len(row) == 2 for row in rows):
            spans += rows
        elif rows and all(len(row) == 4 for row in rows) and len(rows) == len(times):
            boxes += rows
        elif told := _told(part):
            texts.append(told)
    return {
        "spans": spans,
        "boxes": {"times": list(times), "boxes": boxes} if boxes else None,
        "text": " · ".join(texts)[:2000],
    }


def times_of(sample: Sample) -> Sequence[float]:
    """The seconds at which boxes are asked for."""
    times = getattr(sample, "times", ())
    return [float(time) for time in times] if isinstance(times, Sequence) else []


def first_box(sample: Sample) -> list[float] | None:
    """A box that the prompt gives."""
    box = getattr(sample, "start_box", None)
    return [float(value) for value in box] if isinstance(box, Sequence) and len(box) == 4 else None


def _parts(value: Any) -> Iterator[Any]:
    if is_dataclass(value) and not isinstance(value, type):
        yield from (getattr(value, each.name) for each in fields(value))
    elif isinstance(value, Mapping):
        yield from value.values()
    else:
        yield value


def _told(value: Any) -> str:
    """A value in words: what is empty is left out, and so are the names of fields."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, Mapping) or is_dataclass(value):
        return " | ".join(filter(None, map(_told, _parts(value))))
    if isinstance(value, Sequence):
        return "; ".join(filter(None, map(_told, value)))
    return str(value)


def _numbers(value: Any) -> list[list[float]]:
    """Rows of numbers; [] when it is anything else."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return []
    rows = [[float(each) for each in row] for row in value if _is_row(row)]
    return rows if len(rows) == len(value) else []


def _is_row(row: Any) -> bool:
    return (
        isinstance(row, Sequence)
        and not isinstance(row, str)
        and bool(row)
        and all(isinstance(each, int | float) and not isinstance(each, bool) for each in row)
    )
