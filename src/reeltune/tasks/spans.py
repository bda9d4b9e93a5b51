"""Time spans: sample fields, geometry, trivial baselines. What models write is read in `answers.spans`.

A span is (start, end) in seconds. Sets of spans are compared as sets of points: overlapping and touching
spans are merged first (VideoChat-R1's evidence IoU, arXiv 2504.06958; for one span a side it is the plain
temporal IoU).
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from reeltune.answers.spans import Span, read_spans
from reeltune.answers.times import read_time
from reeltune.errors import InputError
from reeltune.sample import FieldError, Seconds

__all__ = [
    "PAST_DURATION_TOLERANCE",
    "TIE",
    "Span",
    "SpanField",
    "SpansField",
    "best_fixed_span",
    "check_within",
    "generalized_iou",
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
        raise ValueError("the end must be after the start; give [start, end] in seconds")
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
                f"{PAST_DURATION_TOLERANCE} s); clip it to the duration, or run `reeltune data check --fix`",
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


def generalized_iou(predicted: Sequence[Span], truth: Sequence[Span]) -> float:
    """IoU less the share of the time around both that lies between them, in -1..1; -1 without a prediction.

    Of one span a side it is Rezatofighi's (2019) in one dimension. Of sets the time between is that between their hulls
    (our choice), so that a true set of several spans, met exactly, has 1.
    """
    a, b = merge(predicted), merge(truth)
    if not a or not b:
        return -1.0
    between = max(a[0][0], b[0][0]) - min(a[-1][1], b[-1][1])
    around = max(a[-1][1], b[-1][1]) - min(a[0][0], b[0][0])
    return iou(a, b) - max(0.0, between) / around


def wasserstein(predicted: Sequence[Span], truth: Sequence[Span]) -> float:
    """The W1 distance in seconds of two sets of spans, each as a uniform distribution over its time: how far time must
    be moved, on average. Infinite when one of them is empty.

    >>> wasserstein([(0, 2)], [(3, 5)])
    3.0
    """
    a, b = merge(predicted), merge(truth)
    if not a or not b:
        return math.inf
    places = sorted({end for span in (*a, *b) for end in span})
    gaps = [left - right for left, right in zip(_shares_before(a, places), _shares_before(b, places), strict=True)]
    return sum(
        _area(left, right) * (end - start)
        for start, end, left, right in zip(places, places[1:], gaps, gaps[1:], strict=False)
    )


def near_miss_rewards(
    names: Iterable[str], predicted: Sequence[Span], truth: Sequence[Span], duration: float | None
) -> dict[str, float | None]:
    """Rewards higher for a near miss than for a far one, each 1 for the truth alone and 0 without a prediction.

    giou: (generalized IoU + 1) / 2 times the shorter total length by the longer one. w1: 1 - W1 / W1 of the whole
    video, at least 0. Both scalings are our choice: they keep "the whole video" from earning half of every question.
    InputError for w1 without a duration.
    """
    found: dict[str, float | None] = {}
    for name in names:
        if name == "w1" and duration is None:
            raise InputError("the reward w1 needs the video's duration; `reeltune data check --fix` fills it in")
        if not merge(predicted):
            found[name] = 0.0
        elif name == "giou":
            short, long = sorted([total(merge(predicted)), total(merge(truth))])
            found[name] = (generalized_iou(predicted, truth) + 1) / 2 * short / long
        elif duration is not None:
            whole = wasserstein([(0.0, duration)], truth)
            # A true span that is the whole video: nothing is nearer than that, so only the overlap tells.
            near = whole > 0.01 * duration
            found[name] = max(0.0, 1 - wasserstein(predicted, truth) / whole) if near else iou(predicted, truth)
    return found


def _shares_before(spans: Sequence[Span], places: Sequence[float]) -> Iterator[float]:
    """What share of the merged spans' time lies before each of the rising places, by one sweep."""
    length, passed, index = total(spans), 0.0, 0
    for place in places:
        while index < len(spans) and spans[index][1] <= place:
            passed += spans[index][1] - spans[index][0]
            index += 1
        inside = max(0.0, place - spans[index][0]) if index < len(spans) else 0.0
        yield (passed + inside) / length


def _area(left: float, right: float) -> float:
    """The mean of |x| on a line from `left` to `right`."""
    if left * right >= 0:
        return (abs(left) + abs(right)) / 2
    return (left * left + right * right) / (2 * (abs(left) + abs(right)))


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
