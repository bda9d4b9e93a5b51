"""One answer about one video or image, drawn: spans on its time line, boxes over its picture. In a terminal, and as a
page.
"""

from dataclasses import dataclass
from pathlib import Path

from reeltune.answers.boxes import Box, read_boxes
from reeltune.answers.final_answer import answer_text
from reeltune.answers.spans import Span, read_spans
from reeltune.report.media import image_tag
from reeltune.report.page import completion_html, page, text, video_tag
from reeltune.report.timeline import SpanRow, timeline
from reeltune.tasks.spans import span_text

WIDTH = 48
"""Characters of the time line in a terminal."""


@dataclass(frozen=True)
class Asked:
    """A question put to a video of `duration` seconds, or to an image (0), and what a model wrote."""

    shown: Path
    question: str
    answer: str
    duration: float

    @property
    def spans(self) -> tuple[Span, ...]:
        """The spans that the answer states within the video; numbers that cannot be times of it are none."""
        found, _ = read_spans(answer_text(self.answer))
        return tuple(span for span in found or () if span[0] < self.duration)

    @property
    def box(self) -> Box | None:
        found, _ = read_boxes(answer_text(self.answer), 1)
        return found[0] if found else None


def drawn(asked: Asked) -> str:
    """The answer's spans as a line of text under the video's seconds, its box in words; empty without either.

    >>> print(drawn(Asked(Path("v.mp4"), "When?", "<answer>2.5 to 7.5</answer>", 10.0)))
    0 s ├────────────████████████████████████────────────┤ 10 s   2.5 to 7.5
    """
    if asked.box:
        x0, y0, x1, y1 = asked.box
        return f"box: {x0:.0%} to {x1:.0%} of the width, {y0:.0%} to {y1:.0%} of the height"
    if not asked.spans:
        return ""
    seconds = [(index + 0.5) * asked.duration / WIDTH for index in range(WIDTH)]
    line = "".join("█" if any(start <= each < end for start, end in asked.spans) else "─" for each in seconds)
    return f"0 s ├{line}┤ {asked.duration:g} s   {', '.join(span_text(span) for span in asked.spans)}"


def asked_page(asked: Asked) -> str:
    """The video, playing, or the image, with the answer drawn over and under it."""
    over = _box(asked.box) if asked.box else ""
    under = timeline(asked.duration, [SpanRow("answer", asked.spans, "grpo")]) if asked.spans else ""
    picture = video_tag(asked.shown) if asked.duration else image_tag(asked.shown)
    screen = f'<div class="screen overlaid">{picture}{over}</div>'
    body = (
        f'<header><p class="kicker">{text(asked.shown.name)}</p><h1>{text(asked.question, 300)}</h1></header>'
        f'<article class="card"><div class="watch asked">{screen}'
        f"<div>{completion_html(asked.answer)}{under}</div></div></article>"
    )
    return page(f"{asked.shown.name}: {asked.question[:60]}", body, script="cursor.js")


def _box(box: Box) -> str:
    x0, y0, x1, y1 = (min(max(value, 0.0), 1.0) for value in box)
    place = f"left:{x0:.2%};top:{y0:.2%};width:{max(x1 - x0, 0):.2%};height:{max(y1 - y0, 0):.2%}"
    return f'<i class="answer-box" style="{place}" title="{text(box)}"></i>'
