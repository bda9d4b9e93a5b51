"""Small SVG and HTML pictures of truth and answers for the report.

No script and no outside resource; colors go by class so that the page decides them: .truth, .answer, .right,
.wrong, .axis.
"""

from collections.abc import Mapping, Sequence
from html import escape

from reeltune.answers.boxes import Box
from reeltune.answers.choices import LETTERS
from reeltune.answers.spans import Span

_STYLE = (
    "<style>.truth{fill:#2a9d5c}.answer{fill:#3b6fd4}.axis{stroke:#8888;stroke-width:1}"
    "text{font:12px system-ui,sans-serif;fill:currentColor}</style>"
)
_LEFT, _WIDTH, _ROW = 110, 560, 22


def timeline_picture(duration: float, truth: Sequence[Span], answers: Mapping[str, Sequence[Span] | None]) -> str:
    """One line for the truth and one for each answer, over the video's time."""
    rows: list[tuple[str, Sequence[Span] | None]] = [("truth", truth), *answers.items()]
    longest = max([duration, *(end for _, spans in rows for _, end in spans or ())])
    height = _ROW * len(rows) + 20
    parts = [_open(_LEFT + _WIDTH + 60, height), _STYLE]
    for index, (name, spans) in enumerate(rows):
        y = index * _ROW
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<line class="axis" x1="{_LEFT}" x2="{_LEFT + _WIDTH}" y1="{y + 11}" y2="{y + 11}"/>')
        if spans is None:
            parts.append(f'<text x="{_LEFT + 4}" y="{y + 15}" class="wrong">no readable answer</text>')
        for start, end in spans or ():
            x, width = _LEFT + start / longest * _WIDTH, max(2.0, (end - start) / longest * _WIDTH)
            kind = "truth" if index == 0 else "answer"
            parts.append(
                f'<rect class="{kind}" x="{x:.1f}" y="{y + 5}" width="{width:.1f}" height="12" rx="2">'
                f"<title>{start:g} to {end:g} s</title></rect>"
            )
    parts.append(f'<text x="{_LEFT}" y="{height - 4}">0 s</text>')
    parts.append(f'<text x="{_LEFT + _WIDTH}" y="{height - 4}" text-anchor="end">{longest:g} s</text></svg>')
    return "".join(parts)


def options_picture(options: Sequence[str], target: str, answers: Mapping[str, str | None]) -> str:
    """The options as a list: the right one marked, each answer's name behind the option it chose."""
    items = []
    for letter, option in zip(LETTERS, options, strict=False):
        right = letter == target
        names = "".join(
            f' <span class="{"right" if right else "wrong"}">◀ {escape(name)}</span>'
            for name, chosen in answers.items()
            if chosen == letter
        )
        text = f"{letter}. {escape(option)}"
        items.append(f"<li>{f'<b class=truth>{text} ✓</b>' if right else text}{names}</li>")
    return f'<ul class="options">{"".join(items)}</ul>{_unread(answers)}'


def boxes_picture(times: Sequence[float], truth: Sequence[Box], answers: Mapping[str, Sequence[Box] | None]) -> str:
    """One frame a time, with the true box and each answer's, 100 units wide (the shape of the video is unknown)."""
    size, gap = 100, 8
    parts = [_open((size + gap) * len(times), size + 20), _STYLE]
    for index, time in enumerate(times):
        x = index * (size + gap)
        parts.append(f'<rect class="axis" x="{x}" y="0" width="{size}" height="{size}" fill="none"/>')
        boxes = [("truth", truth[index])]
        boxes += [(name, value[index]) for name, value in answers.items() if value is not None]
        for number, (name, box) in enumerate(boxes):
            left, top, right, bottom = (min(1.0, max(0.0, value)) * size for value in box)
            # The truth is a broad band, so that it is still seen below an answer that equals it.
            line = (
                'stroke="#2a9d5c" stroke-width="7" stroke-opacity="0.45"'
                if number == 0
                else f'stroke="hsl({(220 + 70 * (number - 1)) % 360} 60% 50%)" stroke-width="2"'
            )
            parts.append(
                f'<rect x="{x + left:.1f}" y="{top:.1f}" width="{max(0.0, right - left):.1f}" '
                f'height="{max(0.0, bottom - top):.1f}" fill="none" {line}>'
                f"<title>{escape(name)}</title></rect>"
            )
        parts.append(f'<text x="{x}" y="{size + 15}">{time:g} s</text>')
    return "".join(parts) + "</svg>" + _unread(answers)


def texts_picture(truth: str, answers: Mapping[str, str | None]) -> str:
    """The reference and each answer as a line of text."""
    lines = [f"<li><b class=truth>{escape(truth)}</b></li>"]
    lines += [f"<li>{escape(name)}: {escape(text)}</li>" for name, text in answers.items() if text is not None]
    return f'<ul class="options">{"".join(lines)}</ul>{_unread(answers)}'


def _unread(answers: Mapping[str, object]) -> str:
    names = ", ".join(escape(name) for name, value in answers.items() if value is None)
    return f'<p class="wrong">no readable answer: {names}</p>' if names else ""


def _open(width: int, height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'style="width:100%;max-width:{width}px" role="img">'
    )
