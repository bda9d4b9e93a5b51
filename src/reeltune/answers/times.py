"""One time as models write it: seconds, a clock, minutes and seconds, SRT.

What is in another unit (percent, frames, hours alone, milliseconds) is a time with a problem, so that it is refused.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

_NUM = r"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:e[+-]?[0-9]{1,4}(?![a-z0-9]))?"
_S = r"(?:seconds?|secs?|s|秒)(?![a-z])"
_M = r"(?:minutes?|mins?|m|分钟?)(?![a-z])"
_H = r"(?:hours?|hrs?|h|小时)(?![a-z])"
_AND = r"\s{0,2}(?:and\s|,\s?)?\s{0,2}"
_TIME = re.compile(
    r"(?:(?<![a-z0-9_.])|(?<=[0-9]to))(?P<sign>-\s?)?(?:"
    r"(?P<clock>[0-9]+(?::[0-9]+){1,5}(?:(?<=:[0-9]{2}),[0-9]{3}(?![0-9])|\.[0-9]+)?)"
    rf"|(?P<parts>{_NUM}\s?(?:{_H}|{_M})(?:{_AND}{_NUM}\s?(?:{_M}|{_S})){{0,2}}|{_NUM}\s?(?:ms|milliseconds?|毫秒)(?![a-z]))"
    rf"|(?P<plain>{_NUM})(?:(?:st|nd|rd|th)(?=\s+(?:(?:to|and|through|until)\s+(?:the\s+)?[0-9]{{1,6}}(?:st|nd|rd|th)\s+)?{_S}))?"
    rf"(?P<unit>\s{{0,2}}-?\s?{_S}|\s?%|\s?(?:percent|per cent)(?![a-z])|\s?(?:frames?|帧)(?![a-z]))?"
    r")(?:\s?-?\s?mark(?![a-z]))?",
    re.IGNORECASE,
)
_PART = re.compile(rf"({_NUM})\s?(ms|milliseconds?|毫秒|[a-z]+|[^\W\d_]+)", re.IGNORECASE)

_FRAMES = re.compile(
    r"(?:frames?|ind(?:ices|ex|exes)|帧)(?:[ _](?:ind(?:ices|ex)|numbers?|ids?|no\.?))?[\s\"':=#]{0,6}$", re.IGNORECASE
)
_PERCENT = re.compile(r"(?:percent(?:age)?|pct|ratio|fraction)[\s\"':=#]{0,6}$", re.IGNORECASE)
_MILLIS = re.compile(r"(?:ms|millis(?:econds)?)[\s\"':=#]{0,6}$", re.IGNORECASE)


@dataclass(frozen=True)
class Time:
    """`seconds`: NaN for no time. `unit`: "" for a bare number. `problem`: why it cannot be read."""

    start: int
    end: int
    seconds: float
    unit: str
    problem: str | None


def read_time(text: str) -> float:
    """One time in seconds; NaN when it is none or its fields are out of range (`1:75`).

    >>> read_time("00:05"), read_time("1m30s"), read_time("7.5 seconds")
    (5.0, 90.0, 7.5)
    """
    match = _TIME.fullmatch(text.strip())
    return math.nan if match is None else _seconds(match)[0]


def read_times(text: str) -> Iterator[Time]:
    """Every time in a plain text, in order; those in another unit with their problem."""
    for match in _TIME.finditer(text):
        start = match.start()
        if match["sign"] and not _is_sign(text[max(0, start - 12) : start], match["sign"]):
            start = match.start("sign") + len(match["sign"])
        seconds, unit, problem = _seconds(match)
        if match["sign"] and start == match.start():
            seconds, problem = -seconds, "a negative time"
        before = text[max(0, start - 20) : start]
        for pattern, name in ((_FRAMES, "frames"), (_PERCENT, "percent"), (_MILLIS, "milliseconds")):
            problem = f"in {name}, not seconds" if pattern.search(before) else problem
        yield Time(start, match.end(), seconds, unit, problem)


def _is_sign(before: str, sign: str) -> bool:
    """Whether a dash here makes a number negative: it is no list's mark, and what comes before it is no number."""
    if not before.rstrip(" \t") or before.rstrip(" \t").endswith("\n"):
        return sign == "-"
    before = before.rstrip()
    word = re.search(r"(?<![a-z])(?:to|and|until|from|between|at|is)$", before, re.IGNORECASE)
    return before[-1] in "([{,;:=\"'~" or bool(word)


def _seconds(match: re.Match[str]) -> tuple[float, str, str | None]:
    """(seconds, unit, problem)"""
    if clock := match["clock"]:
        fields = [float(field.replace(",", ".")) for field in clock.split(":")]
        if len(fields) > 3 or any(field >= 60 for field in fields[1:]):
            return math.nan, "clock", "a time that is not a finite number"
        value = 0.0
        for field in fields:
            value = value * 60 + field
        return value, "clock", None
    if parts := match["parts"]:
        found = [(float(number), unit.casefold()) for number, unit in _PART.findall(parts)]
        names = ["ms" if unit in ("ms", "毫秒") or unit.startswith("mil") else _unit(unit) for _, unit in found]
        if names == ["h"] or "ms" in names:
            return math.nan, names[0], "in hours, not seconds" if names == ["h"] else "in milliseconds, not seconds"
        if sorted(set(names), key="hms".index) != names:
            return math.nan, names[0], "a time in a form that cannot be read"
        sizes = {"h": 3600, "m": 60, "s": 1}
        return sum(number * sizes[name] for (number, _), name in zip(found, names, strict=True)), names[-1], None
    value, unit = float(match["plain"]), (match["unit"] or "").strip().casefold()
    if "%" in unit or "per" in unit:
        return value, "%", "in percent, not seconds"
    if "frame" in unit or "帧" in unit:
        return value, "frame", "in frames, not seconds"
    return value, "s" if unit else "", None if math.isfinite(value) else "a time that is not a finite number"


def _unit(word: str) -> str:
    return "h" if word[0] in "h小" else "m" if word[0] in "m分" else "s"
