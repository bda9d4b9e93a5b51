"""Time spans: sample fields, geometry, trivial baselines. What models write is read in `answers.spans`.

A span is (start, end) in seconds. Sets of spans are compared as sets of points: overlapping and touching
spans are merged first (VideoChat-R1's evidence IoU, arXiv 2504.06958; for one span a side it is the plain
temporal IoU).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from reeltune.answers.spans import Span, read_spans, read_time
from reeltune.sample import FieldError, Seconds

__all__ = [
    "PAST_DURATION_TOLERANCE",
    "TIE",
    "Span",
    "SpanField",
    "SpansField",
    "best_fixed_span",
    "check_within",
    "iou",
    "iou_and_iop",
    "merge",
    "overlap",
    "pair_text",
    "reaches",
    "read_spans",
    "read_time",
    "seconds_text",
    "span_text",
    "total",
]  # fmt: skip

PAST_DURATION_TOLERANCE = 0.1
"""Seconds a span may end after the video: public files round to tenths (our choice)."""

TIE = 1e-9
"""An overlap this little below a threshold reaches it: R@t at exact ties, whatever floating point makes of them."""


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


def reaches(value: float, threshold: float) -> bool:
    """Whether an overlap is at least the threshold, ties included.

    >>> reaches(0.1 + 0.2 - 1e-16, 0.3), reaches(0.299, 0.3)
    (True, False)
    """
    return value >= threshold - TIE


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
