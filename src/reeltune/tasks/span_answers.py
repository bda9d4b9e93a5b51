"""Reading time spans from what a model wrote: one lenient reader for reward and metric.

It reads seconds (`3`, `3.5`, `3s`, `3 seconds`) and clock times (`00:05`, `1:02:03.5`, `1m30s`), joined as
`a to b`, `a - b`, `a and b`, `from a to b`, `starts at a ... ends at b`, as JSON or keywords with start and
end, and as lists of pairs. Several spans are several spans. What it cannot read has a reason; a reversed span
or a negative or infinite time makes the whole answer invalid.
"""

import math
import re

from reeltune.tasks.answers import Block
from reeltune.tasks.spans import Span

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
