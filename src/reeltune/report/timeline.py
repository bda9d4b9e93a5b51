"""Spans over a video's time, one row a name, with a cursor that a script moves with the video."""

from collections.abc import Sequence
from dataclasses import dataclass

from reeltune.report.page import text
from reeltune.tasks.spans import Span, span_text


@dataclass(frozen=True)
class SpanRow:
    """`spans` None: no readable answer, and `note` says why. `note` stands at the right of the row."""

    name: str
    spans: Sequence[Span] | None
    color: str
    note: str = ""


def timeline(duration: float, rows: Sequence[SpanRow]) -> str:
    """Spans past the video's end are cut at it and marked with an arrow."""
    lines = "".join(_row(duration, row) for row in rows)
    marks = "".join(f'<i style="left:{100 * second / duration:.2f}%">{second}</i>' for second in _seconds(duration))
    return (
        f'<div class="timeline" data-duration="{duration:g}">{lines}'
        f'<div class="row scale"><span></span><span class="track">{marks}</span><span>s</span></div>'
        '<div class="cursor-area"><div class="cursor"></div></div></div>'
    )


def _row(duration: float, row: SpanRow) -> str:
    if row.spans is None:
        inside = '<em class="unread">no readable answer</em>'
        spoken = "no readable answer"
    else:
        inside = "".join(_bar(duration, span, row.color) for span in row.spans)
        spoken = ", ".join(f"{span_text(span)} seconds" for span in row.spans)
    return (
        f'<div class="row"><span class="name">{text(row.name)}</span>'
        f'<span class="track" role="img" aria-label="{text(f"{row.name}: {spoken}")}">{inside}</span>'
        f'<span class="score">{text(row.note)}</span></div>'
    )


def _bar(duration: float, span: Span, color: str) -> str:
    start, end = (min(max(value, 0.0), duration) for value in span)
    past = ' <b class="past" title="continues past the end of the video">▸</b>' if span[1] > duration + 0.05 else ""
    left, width = 100 * start / duration, 100 * (end - start) / duration
    return (
        f'<span class="bar" style="left:{left:.2f}%;width:{width:.2f}%;background:var(--{color})" '
        f'title="{text(span_text(span))} s"></span>{past}'
    )


def _seconds(duration: float) -> list[int]:
    """Round seconds for the scale, at most eleven of them."""
    step = next((step for step in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600) if duration / step <= 10), 3600)
    return list(range(0, int(duration) + 1, step))
