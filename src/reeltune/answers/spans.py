"""Time spans as models write them: seconds, clocks, minutes and seconds, SRT, keys, lists, prose.

A time in another unit (percent, frames, hours alone, milliseconds, fractions), a reversed span and a decimal comma that
could be a list have no reading. Two times are a span when a range word, brackets, or the words start and end join them.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from reeltune.answers.final_answer import Block
from reeltune.answers.limits import too_long
from reeltune.answers.plain import BOXED, UNBOXED, plain
from reeltune.answers.statement import Mention, alone, last_stated

Span = tuple[float, float]

_NUM = r"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:e[+-]?[0-9]{1,4}(?![a-z0-9]))?"
_S = r"(?:seconds?|secs?|s|秒)(?![a-z])"
_M = r"(?:minutes?|mins?|m|分钟?)(?![a-z])"
_H = r"(?:hours?|hrs?|h|小时)(?![a-z])"
_AND = r"\s{0,2}(?:and\s|,\s?)?\s{0,2}"
_TIME = re.compile(
    r"(?:(?<![a-z0-9_.])|(?<=[0-9]to))(?P<sign>-\s?)?(?:"
    r"(?P<clock>[0-9]+(?::[0-9]+){1,5}(?:(?<=:[0-9]{2}),[0-9]{3}(?![0-9])|\.[0-9]+)?)"
    rf"|(?P<parts>{_NUM}\s?(?:{_H}|{_M})(?:{_AND}{_NUM}\s?(?:{_M}|{_S})){{0,2}}|{_NUM}\s?(?:ms|milliseconds?|毫秒)(?![a-z]))"
    rf"|(?P<plain>{_NUM})(?:(?:st|nd|rd|th)(?=\s+{_S}))?"
    rf"(?P<unit>\s{{0,2}}-?\s?{_S}|\s?%|\s?(?:percent|per cent)(?![a-z])|\s?(?:frames?|帧)(?![a-z]))?"
    r")(?:\s?-?\s?mark(?![a-z]))?",
    re.IGNORECASE,
)
_PART = re.compile(rf"({_NUM})\s?(ms|milliseconds?|毫秒|[a-z]+|[^\W\d_]+)", re.IGNORECASE)

_QUOTES = rf"[\s\"'*<>{BOXED}{UNBOXED}]"
_NEARLY = (
    r"(?:(?:the|about|approximately|around|roughly|at|second|t\s?=|time|第|大?约|timestamp|frames?)\s?|[\s\"'\[(:])"
)
_RANGE = re.compile(
    rf"^{_QUOTES}{{0,4}}[)\]]?{_QUOTES}{{0,2}}(?:in the video |on |onwards? |"
    rf"\((?:start|begin)[a-z]*\)\s|开始\W{{0,2}})?"
    rf"(?:-+>?|~|to|until|till?|through|up to|\.\.\.?|(?:持续|一直|直)?[到至]){_NEARLY}{{0,5}}{_QUOTES}{{0,3}}$",
    re.IGNORECASE,
)
_BETWEEN = re.compile(rf"between{_NEARLY}{{0,5}}$", re.IGNORECASE)
_BETWEEN_AND = re.compile(rf"^{_QUOTES}{{0,3}}(?:and|&|和|与){_NEARLY}{{0,5}}{_QUOTES}{{0,3}}$", re.IGNORECASE)
_COMMA = re.compile(rf"^{_QUOTES}{{0,3}}[,;]{_QUOTES}{{0,3}}(?:t\s?=\s?)?$")
_OPENED, _CLOSED = re.compile(r"[\[({]\s?[\"']?\s?$"), re.compile(r"^[\"']?\s?[\])}]")
_KEY = (
    r"(?:[\s\W_]|times?|secs?|of|the|event|is|was|at|about|approximately|around|seconds?|action|clip|on|timestamps?|from|point|"
    r"moment|video|query|given|segment|after|in|by|will|be|described|时间点?|于|在|为|第|是|时刻){0,14}$"
)
_DOING = r"(?:\s[a-z]+){1,4}\s(?:at|around|about|by|from)\s(?:[^\w.!?]|about|around|second|the|time)*$"
"""'begins cutting the onion at'"""
_START = re.compile(
    rf"(?<![a-z])(?:start|begin|began|begun|onset|commenc|initiat|from(?=[\"']?\s?[:=])|开始|起始)[a-z]{{0,6}}(?:{_KEY}|{_DOING})",
    re.IGNORECASE,
)
_END = re.compile(
    rf"(?<![a-z])(?:end|finish|stop|conclud|complet|terminat|offset|ceas|until|till|to(?=[\"']?\s?[:=])|结束|终止)[a-z]{{0,6}}(?:{_KEY}|{_DOING})",
    re.IGNORECASE,
)
_LASTS = re.compile(
    rf"(?<![a-z])(?:last|duration|continu|run|go(?:es)? on|持续)[a-z]{{0,6}}(?:\s+for)?{_KEY}", re.IGNORECASE
)
_OTHER_KEY = re.compile(
    r"(?:frames?|frame_?(?:id|idx|index|number)|percent(?:age)?|pct|ratio|ms|milliseconds)[\s\"':=#]{0,6}$|第$",
    re.IGNORECASE,
)
_FRAMES = re.compile(
    r"(?:frames?|ind(?:ices|ex|exes)|帧)(?:[ _](?:ind(?:ices|ex)|numbers?|ids?|no\.?))?[\s\"':=#]{0,6}$", re.IGNORECASE
)
_PERCENT = re.compile(r"(?:percent(?:age)?|pct|ratio|fraction)[\s\"':=#]{0,6}$", re.IGNORECASE)
_MILLIS = re.compile(r"(?:ms|millis(?:econds)?)[\s\"':=#]{0,6}$", re.IGNORECASE)
_SHARE = re.compile(
    r"^\W{0,3}(?:\(?\s?normali[sz]ed|relative|fraction|as a fraction|in (?:percent|frames|fractions))", re.IGNORECASE
)
_OF_IT = re.compile(r"^\W{0,2}of the (?:\w+ )?(?:video|clip|dur|len|foot)")
_COUNTED = re.compile(
    r"^ +(?!(?:s|sec|seconds?|of|in|the|and|or|when|where|while|with|is|are|was|not|for|as|which|that|if|but|inclusive|"
    r"because|since|during|then|so|mark|long|duration|only|here|on|at|after|before|approximately|he|she|they|it|a|an)(?![a-z]))[a-z]+",
    re.IGNORECASE,
)
_STATES = re.compile(
    r"(?<!first )(?<!second )(?<!third )(?<!other )(?<!next )(?<!last )"
    r"(?:event|query|action|moment|activity|clip|segment|description|answer|sentence|scene|it|this|事件|动作)"
    r"(?: itself| described)? (?:actually |really )?(?:happens?|occurs?|takes place|"
    r"is (?:shown|visible|seen)|appears|lasts|runs|spans)"
    r"(?: in| within| during)?(?: twice| once)?[\s\W]{0,3}(?:the |from |between |in )*$",
    re.IGNORECASE,
)
_ITEM = re.compile(r"^[ \t]{0,8}[0-9]{1,2}[.)][ \t]+(?=\S)", re.MULTILINE)
"""A list's number says no time."""
_OR_BEFORE = re.compile(r"[0-9]\s?(?:s|secs?|seconds?)?\sor\s$", re.IGNORECASE)
_OR_AFTER = re.compile(
    r"^\sor\s(?:about\s)?[0-9.]+\s?(?:s|secs?|seconds?)?(?!\s?(?:to|-|until|[0-9.:a-z]))", re.IGNORECASE
)
_ANYWHERE = re.compile(
    r"(?<![a-z])(?:any|some)(?:where|time|point) (?:from|between|in|within|during) ?$", re.IGNORECASE
)
_ASKED = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,9})?) (?:to|-) ([0-9]{1,7}(?:\.[0-9]{1,9})?)", re.ASCII)
_NOT_FINITE = re.compile(r"(?<![a-z])(?:nan|inf|infinity)(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class Time:
    """`seconds`: NaN for no time. `unit`: "" for a bare number. `problem`: why it cannot be read."""

    start: int
    end: int
    seconds: float
    unit: str
    problem: str | None


def read_spans(block: Block) -> tuple[tuple[Span, ...] | None, str | None]:
    """(spans, None), or (None, why they cannot be read)."""
    if not block.text:
        return None, "no answer"
    if (asked := _ASKED.fullmatch(block.text)) and float(asked[1]) <= float(asked[2]):
        return ((float(asked[1]), float(asked[2])),), None
    if reason := too_long(block.text):
        return None, reason
    text = plain(block.text)
    if _NOT_FINITE.search(text):
        return None, "a time that is not a finite number"
    text = _ITEM.sub(lambda mark: " " * len(mark[0]), text)
    times = list(_times(text))
    mentions = _without_glosses(text, list(_pairs(text, times, tagged=block.tagged)))
    values, reason = last_stated(text, mentions, states=_STATES, many=True)
    if values is None:
        return None, "no start and end" if reason == "nothing that answers" else reason
    return tuple(values), None  # type: ignore[arg-type]


def read_time(text: str) -> float:
    """One time in seconds; NaN when it is none or its fields are out of range (`1:75`).

    >>> read_time("00:05"), read_time("1m30s"), read_time("7.5 seconds")
    (5.0, 90.0, 7.5)
    """
    match = _TIME.fullmatch(text.strip())
    return math.nan if match is None else _seconds(match)[0]


def _times(text: str) -> Iterator[Time]:
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


def _pairs(text: str, times: Sequence[Time], *, tagged: bool) -> Iterator[Mention]:
    """Neighboring times that words or marks join; two that are all of an <answer> (`tagged`) need no word."""
    index = 0
    found = False
    while index + 1 < len(times):
        first, second = times[index], times[index + 1]
        gap = text[first.end : second.start] if second.start - first.end <= 120 else "\n\n"
        before, after = text[max(0, first.start - 80) : first.start], text[second.end : second.end + 40]
        form = _form(before, gap, after)
        # "starts at 5 and lasts 10 s, until 15": the end that is said is worth more than the sum.
        if form == "lasts" and index + 2 < len(times):
            third = times[index + 2]
            if third.start - second.end <= 80 and _END.search(text[second.end : third.start]):
                form, second, index = "keyed", third, index + 1
        if form is None or (form == "range" and not tagged and _is_count(first, second, after)):
            index += 1
            continue
        found = True
        yield _mention(text, first, second, form)
        index += 2
    if tagged and not found and len(times) == 2:
        gap = text[times[0].end : times[1].start]
        if re.fullmatch(r"(?:[\s;/|]|,\s|and|then)+", gap):
            yield _mention(text, times[0], times[1], "pair")


def _form(before: str, gap: str, after: str) -> str | None:
    """How two neighboring times are joined; None where they are not."""
    if len(gap) <= 40 and _RANGE.match(gap):
        return "range"
    if len(gap) <= 40 and _BETWEEN_AND.match(gap) and _BETWEEN.search(before):
        return "range"
    if len(gap) <= 12 and _COMMA.match(gap) and _OPENED.search(before) and _CLOSED.match(after):
        return "pair"
    window = gap[-80:]
    if _START.search(before):
        return "keyed" if _END.search(window) else "lasts" if _LASTS.search(window) else None
    return "turned" if _END.search(before) and _START.search(window) else None


def _is_count(first: Time, second: Time, after: str) -> bool:
    """'3 to 5 people' is no span."""
    return not (first.unit or second.unit) and bool(_COUNTED.match(after))


def _mention(text: str, first: Time, second: Time, form: str) -> Mention:
    """Two times and how they are joined (`_form`), as a span in seconds; a problem where that would be a guess."""
    start, end = first.start, second.end
    if form in ("keyed", "lasts", "turned"):  # the key belongs to it
        key = (_END if form == "turned" else _START).search(text, max(0, start - 80), start)
        start = key.start() if key else start
    # Start and end in one unit: "1 to 2 minutes" says it of both, "1 minute to 90" of one.
    if form == "turned":
        first, second = second, first
    a, b = first.seconds, second.seconds
    problem = first.problem or second.problem
    if second.unit == "m" and not first.unit:
        a *= 60
    elif first.unit in ("m", "h") and not second.unit:
        problem = problem or "a unit at one end only"
    if second.problem and not first.unit:
        problem = second.problem
    if form == "lasts":
        b += a
    # Numbers that look like a span and are none.
    comma_left = re.search(r"[0-9],$", text[max(0, start - 2) : start])
    if form == "range" and (comma_left or re.match(r",[0-9]", text[end : end + 2])):
        problem = "a decimal comma, or a list"
    after = text[end : end + 40]
    if _OR_BEFORE.search(text[max(0, first.start - 24) : first.start]) or _OR_AFTER.match(after):
        problem = "several starts or ends"
    if not (first.unit or second.unit) and (_SHARE.match(after) or (b <= 1 and _OF_IT.match(after))):
        problem = "in fractions, not seconds"
    if re.match(r"^\s?(?:or|/)\s?(?:hour|minute|frame|second)", after):
        problem = "in mixed units"
    if _ANYWHERE.search(text, max(0, start - 24), start):
        problem = problem or "bounds, not a span"
    if not problem and not (math.isfinite(a) and math.isfinite(b)):
        problem = "a time that is not a finite number"
    if not problem and b < a:
        problem = "a reversed span"
    if problem:
        problem = f"{problem}: {text[start:end]}"[:120]
    return Mention(start, end, (a, b), problem, leads=alone(text, start, end))


def _without_glosses(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    """'5 to 15 s (frames 50 to 150)' says one span, in two units: the one in seconds."""
    kept: list[Mention] = []
    for mention in mentions:
        gap = text[kept[-1].end : mention.start] if kept else ""
        opens = re.fullmatch(r"\s{0,3}[a-z]{0,8}\s?[(\[]\s?(?:[a-z.=:~]{1,8}\s){0,3}", gap[:40], re.I)
        if kept and opens and len(gap) <= 40:
            clear = [each for each in (kept[-1], mention) if not each.problem]
            if len(clear) == 1:
                kept[-1] = replace(kept[-1], end=mention.end, value=clear[0].value, problem=None)
                continue
        kept.append(mention)
    return kept
