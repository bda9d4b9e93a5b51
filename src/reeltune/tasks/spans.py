"""Time spans, whole: sample fields, geometry, the reader of written answers, trivial baselines.

A span is (start, end) in seconds. Sets of spans are compared as sets of points: overlapping and touching
spans are merged first (VideoChat-R1's evidence IoU, arXiv 2504.06958; for one span a side it is the plain
temporal IoU).
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from reeltune.answers.final_answer import Block
from reeltune.sample import FieldError, Seconds

PAST_DURATION_TOLERANCE = 0.1
"""Seconds a span may end after the video: public files round to tenths (our choice)."""

Span = tuple[float, float]


def _ordered(span: Span) -> Span:
    if span[1] <= span[0]:
        raise ValueError("the end must lie after the start; give [start, end] in seconds")
    return span


SpanField = Annotated[tuple[Seconds, Seconds], AfterValidator(_ordered)]
SpansField = Annotated[tuple[SpanField, ...], Field(min_length=1)]
"""A sample's list of [start, end]: at least one, none negative, reversed, empty or infinite."""


def check_within(field: str, spans: Iterable[Span], duration: float | None, meta: Mapping[str, Any]) -> None:
    """FieldError when a span ends more than the tolerance after the video; a duration that is not given is not known.

    `meta.past_duration: true` declares that the annotation is so and stays so (`reeltune data import`).
    """
    for start, end in spans:
        if duration is not None and end > duration + PAST_DURATION_TOLERANCE and not meta.get("past_duration"):
            raise FieldError(
                field,
                f"the span [{start:g}, {end:g}] ends after the video, which lasts {duration:g} s (tolerance "
                f"{PAST_DURATION_TOLERANCE} s); cut it at the duration, or run `reeltune data check --fix`",
            )


def merge(spans: Iterable[Span]) -> list[Span]:
    """Sorted spans without overlap; touching ones become one. Empty and reversed ones count for nothing.

    >>> merge([(2, 4), (0, 3), (5, 5)])
    [(0, 4)]
    """
    merged: list[Span] = []
    for start, end in sorted(span for span in spans if span[1] > span[0]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def total(spans: Iterable[Span]) -> float:
    """Length in seconds of merged spans."""
    return sum(end - start for start, end in spans)


def overlap(first: Sequence[Span], second: Sequence[Span]) -> float:
    """Seconds that two merged lists share, by one sweep."""
    shared, i, j = 0.0, 0, 0
    while i < len(first) and j < len(second):
        shared += max(0.0, min(first[i][1], second[j][1]) - max(first[i][0], second[j][0]))
        if first[i][1] < second[j][1]:
            i += 1
        else:
            j += 1
    return shared


def iou(predicted: Sequence[Span], truth: Sequence[Span]) -> float:
    """Intersection over union of two sets of spans, in 0..1; 0 when both are empty.

    >>> round(iou([(2, 10)], [(5, 15)]), 6)
    0.384615
    """
    return iou_and_iop(predicted, truth)[0]


def iou_and_iop(predicted: Sequence[Span], truth: Sequence[Span]) -> tuple[float, float]:
    """IoU, and intersection over prediction: the share of the predicted time that is true (NExT-GQA).

    IoP in its set form; the official script takes the best single true span instead. 0 for an empty prediction.
    """
    a, b = (predicted, truth) if _plain(predicted) and _plain(truth) else (merge(predicted), merge(truth))
    shared, length = overlap(a, b), total(a)
    union = length + total(b) - shared
    return (shared / union if union > 0 else 0.0), (shared / length if length > 0 else 0.0)


def _plain(spans: Sequence[Span]) -> bool:
    """One span that needs no merging: by far the most frequent case."""
    return len(spans) == 1 and spans[0][0] < spans[0][1]


def seconds_text(value: float) -> str:
    """A time as answers write it: at most two decimals, at least one.

    >>> seconds_text(7.5), seconds_text(3), seconds_text(2.126)
    ('7.5', '3.0', '2.13')
    """
    text = f"{value:.2f}"
    return text[:-1] if text.endswith("0") else text


def span_text(span: Span) -> str:
    """'start to end' in seconds."""
    return " to ".join(_end_texts(span))


def pair_text(span: Span) -> str:
    """'(start, end)' in seconds."""
    return f"({', '.join(_end_texts(span))})"


def _end_texts(span: Span) -> tuple[str, str]:
    """A span so short that two decimals would change it gets the decimals it needs."""
    start, end = seconds_text(span[0]), seconds_text(span[1])
    if iou([(float(start), float(end))], [span]) < 0.99:
        return repr(float(span[0])), repr(float(span[1]))
    return start, end


_SIGN = r"(?<![\w.)\]%])-"
_NUMBER = r"(?:\d+(?:\.\d+)?|\.\d+)(?:e[+-]?\d+)?"
_UNIT = r"(?:\s*(?:seconds?|secs?|s)\b)?"
_CLOCK = r"\d+(?::\d+){1,2}(?:\.\d+)?"
_MINUTES = r"\d+\s*(?:minutes?|mins?|m)(?![a-z])\s*(?:and\s*)?(?:\d+(?:\.\d+)?\s*(?:seconds?|secs?|s)\b)?"
_TIME = rf"(?:(?:{_SIGN})?(?:{_CLOCK}|{_MINUTES}|{_NUMBER}{_UNIT}))"

_GAP = r"[\"'\s:=]{0,12}"
_START = rf"\bstart\w*{_GAP}(?:(?:time|at|from|is|around|about|approximately|second|the)\b{_GAP}){{0,4}}"
_END = _START.replace("start", "end")
_KEYED = re.compile(rf"{_START}({_TIME})[^<>]{{0,60}}?{_END}({_TIME})", re.IGNORECASE)
_PAIR = re.compile(rf"[\[(]\s*[\"']?({_TIME})[\"']?\s*[,;]\s*[\"']?({_TIME})[\"']?\s*[\])]", re.IGNORECASE)
_RANGE = re.compile(
    rf"(?<![\d.:])({_TIME})\s*(?:-+>?|–|—|→|~|to|and|until|till|through)\s*(?:the\s+)?({_TIME})",
    re.IGNORECASE,
)
_SINGLE = re.compile(_TIME, re.IGNORECASE)

MAX_CHARACTERS = 20_000
"""Longer answer texts are not read: no answer is that long, and reading time stays bounded."""


def read_spans(block: Block) -> tuple[tuple[Span, ...] | None, str | None]:
    """(spans, None), or (None, why they cannot be read)."""
    text = block.text
    if not text:
        return None, "no answer"
    if len(text) > MAX_CHARACTERS:
        return None, f"an answer of {len(text)} characters"
    if re.search(r"(?<![a-z])(?:nan|inf|infinity)(?![a-z])", text, re.IGNORECASE):
        return None, "a time that is no finite number"
    pairs = _pairs(text, prose=not block.tagged)
    if not pairs:
        return None, "no start and end"
    spans = []
    for start_text, end_text in pairs:
        start, end = read_time(start_text), read_time(end_text)
        problem = _problem(start, end)
        if problem:
            return None, f"{problem}: {start_text} to {end_text}"[:120]
        spans.append((start, end))
    return tuple(dict.fromkeys(spans)), None


def read_time(text: str) -> float:
    """One time in seconds; NaN when its fields are out of range (`1:75`).

    >>> read_time("00:05"), read_time("1m30s"), read_time("7.5 seconds")
    (5.0, 90.0, 7.5)
    """
    text = text.strip().lower()
    if ":" in text:
        *left, last = text.lstrip("-").split(":")
        fields = [float(field) for field in (*left, last)]
        if any(field >= 60 for field in fields[1:]):
            return math.nan
        value = 0.0
        for field in fields:
            value = value * 60 + field
        return -value if text.startswith("-") else value
    minutes = re.match(r"(-?\d+)\s*m", text)
    if minutes:
        rest = re.search(r"\d+(?:\.\d+)?(?=\s*s)", text[minutes.end() :])
        return float(minutes[1]) * 60 + (float(rest[0]) if rest else 0.0)
    number = re.match(rf"-?{_NUMBER}", text)
    return float(number[0]) if number else math.nan


def _pairs(text: str, *, prose: bool) -> list[tuple[str, str]]:
    for pattern in (_KEYED, _PAIR, _RANGE):
        found = [(match[1], match[2]) for match in pattern.finditer(text)]
        if found:
            return found
    singles = [match[0] for match in _SINGLE.finditer(text)]
    return [(singles[0], singles[1])] if len(singles) == 2 and not prose else []


def _problem(start: float, end: float) -> str | None:
    if not (math.isfinite(start) and math.isfinite(end)):
        return "a time that is no finite number"
    if start < 0 or end < 0:
        return "a negative time"
    return "a reversed span" if end < start else None


GRID = 20
"""The fixed span starts and ends on twentieths of the duration (our choice)."""


def best_fixed_span(rows: Sequence[tuple[float, Sequence[Span]]]) -> tuple[float, float]:
    """(start, end) in fractions of the duration with the highest mean IoU over (duration, true spans); the
    earliest, shortest of equals."""
    import numpy as np

    if not rows:
        return 0.0, 1.0
    merged = [merge(spans) for _, spans in rows]
    width = max(len(spans) for spans in merged)
    truth = np.zeros((2, width, len(rows)))
    for index, spans in enumerate(merged):
        truth[:, : len(spans), index] = np.array(spans).T
    durations = np.array([duration for duration, _ in rows])
    lengths = (truth[1] - truth[0]).sum(axis=0)
    best, choice = -1.0, (0.0, 1.0)
    for first in range(GRID):
        for last in range(first + 1, GRID + 1):
            start, end = first / GRID * durations, last / GRID * durations
            shared = (np.minimum(truth[1], end) - np.maximum(truth[0], start)).clip(0).sum(axis=0)
            mean = float((shared / (lengths + (end - start) - shared)).mean())
            if mean > best + 1e-12:
                best, choice = mean, (first / GRID, last / GRID)
    return choice
