"""Time spans as models write them: seconds, clocks, minutes and seconds, SRT, keys, lists, prose.

A time in another unit (percent, frames, hours alone, milliseconds, fractions), a reversed span and a decimal comma that
could be a list have no reading. Two times are a span when a range word, brackets, or the words start and end join them.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from reeltune.answers.final_answer import Block
from reeltune.answers.grouping import Mention, alone
from reeltune.answers.limits import too_long
from reeltune.answers.other_times import is_of_another
from reeltune.answers.plain import BOXED, UNBOXED, plain
from reeltune.answers.reservations import DOUBTS
from reeltune.answers.statement import last_stated
from reeltune.answers.times import Time, read_times

Span = tuple[float, float]

_QUOTES = rf"[\s\"'*<>{BOXED}{UNBOXED}]"
_NEARLY = (
    r"(?:(?:the|about|approximately|around|roughly|at|second|t\s?=|time|第|大?约|timestamp|frames?)\s?|[\s\"'\[(:])"
)
_RANGE = re.compile(
    rf"^{_QUOTES}{{0,4}}[)\]]?{_QUOTES}{{0,2}}(?:in the video |(?:on|in),? |onwards? |"
    rf"\((?:start|begin)[a-z]*\)\s|开始\W{{0,2}})?"
    rf"(?:-+>?|~|to|until|till?|through|up to|\.\.\.?|(?:持续|一直|直)?[到至]){_NEARLY}{{0,5}}{_QUOTES}{{0,3}}$",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    r"(?:between|(?:timestamps|(?:start|begin)[a-z]* and (?:end|finish)[a-z]*(?: times?| points?)?|bound(?:s"
    r"|aries)|times)"
    rf"\s?(?:are|:|=)){_NEARLY}{{0,5}}$",
    re.IGNORECASE,
)
_BETWEEN_AND = re.compile(rf"^{_QUOTES}{{0,3}}(?:and|&|和|与){_NEARLY}{{0,5}}{_QUOTES}{{0,3}}$", re.IGNORECASE)
_COMMA = re.compile(rf"^{_QUOTES}{{0,3}}[,;]{_QUOTES}{{0,3}}(?:t\s?=\s?)?$")
_MARKED, _MARKED_TOO = (
    re.compile(r"^\s?\((?:start|begin)[a-z]{0,4}\)[,;]?\s$", re.I),
    re.compile(r"^\s?\((?:end|finish|stop)", re.I),
)
"""'7 s (start), 9 s (end)'"""
_ROUNDED = re.compile(r"\(\s?(?:rounded|roughly|about|approximately|approx\.?|or|i\.e\.?)[\s:,]", re.IGNORECASE)
_ANGLED = re.compile(r"^>\s{0,2}<$")
"""'<1.0> <5.5>', as checkpoints with time tokens write a span."""
_OPENED, _CLOSED = re.compile(rf"[\[({{{BOXED}]\s?[\"']?\s?$"), re.compile(rf"^[\"']?\s?[\])}}{UNBOXED}]")
_KEY = (
    r"(?:[\s\W_]|times?|secs?|of|the|event|is|was|at|about|approximately|around|seconds?|action|clip|on"
    r"|timestamps?|from|point|"
    r"moment|video|query|given|segment|after|in|by|will|be|to|described|时间点?|于|在|为|第|是|时刻){0,14}$"
)
_DOING = r"(?:\s[a-z]+){1,4}\s(?:at|around|about|by|from)\s(?:[^\w.!?]|about|around|second|the|time)*$"
"""'begins cutting the onion at'"""
_START = re.compile(
    rf"(?<![a-z])(?:start|begin|began|begun|onset|commenc|initiat|from(?=[\"']?\s?[:=])|开始"
    rf"|起始)[a-z]{{0,6}}(?:{_KEY}|{_DOING})",
    re.IGNORECASE,
)
_END = re.compile(
    rf"(?<![a-z])(?:end|finish|stop|conclud|complet|terminat|offset|ceas|over(?= at| by)|until|till"
    rf"|to(?=[\"']?\s?[:=])|结束|终止)[a-z]{{0,6}}(?:{_KEY}|{_DOING})",
    re.IGNORECASE,
)
_LASTS = re.compile(
    rf"(?<![a-z])(?:last|duration|continu|run|go(?:es)? on|持续)[a-z]{{0,6}}(?:\s+for)?{_KEY}", re.IGNORECASE
)
_OTHER_KEY = re.compile(
    r"(?:frames?|frame_?(?:id|idx|index|number)|percent(?:age)?|pct|ratio|ms|milliseconds)[\s\"':=#]{0,6}$|第$",
    re.IGNORECASE,
)
_SHARE = re.compile(
    r"^\W{0,3}(?:in )?(?:\(?\s?(?:frames?|percent)(?![a-z])|\(?\s?normali[sz]ed|relative|fraction|as a fraction"
    r"|in (?:percent|frames"
    r"|fractions))",
    re.IGNORECASE,
)
_OF_IT = re.compile(r"^\W{0,2}of the (?:\w+ )?(?:video|clip|dur|len|foot)")
_COUNTED = re.compile(
    r"^ +(?!(?:s|sec|seconds?|of|in|the|and|or|when|where|while|with|is|are|was|not|for|as|which|that|if|but|inclusive|"
    r"because|since|during|then|so|mark|long|duration|only|here|on|at|after|before|approximately|he|she|they|it|a"
    r"|an)(?![a-z]))[a-z]+",
    re.IGNORECASE,
)
_STATES = re.compile(
    r"(?<!first )(?<!second )(?<!third )(?<!other )(?<!next )(?<!last )"
    r"(?:event|query|action|moment|activity|clip|segment|description|answer|sentence|scene|it|this|事件|动作)"
    r"(?: itself| described)? (?:actually |really )?(?:happens?|occurs?|takes place|(?<=itself )is|"
    r"is (?:shown|visible|seen)|appears|lasts|runs|spans)"
    r"(?: in| within| during)?(?: twice| once)?[\s\W]{0,3}(?:the |from |between |in )*$",
    re.IGNORECASE,
)
_ABSENT = re.compile(
    rf"{DOUBTS.pattern}|(?<![a-z])(?:no such|never (?:happens|occurs|appears|takes)|"
    r"(?:not|n't)(?: [a-z]+)? (?:present|visible|shown|seen|found|occur|happen|appear|take place|contain"
    r"|depict)|(?:can't|cannot|could not|couldn't) (?:find|see|locate))(?![a-z])",
    re.IGNORECASE,
)
"""Where the event is said to be missing, a span that is not stated is none of it."""
_WORD_BEFORE = re.compile(
    r"(?<![a-z])(?!(?:from|or|and|between|either|but|at|maybe|perhaps|during|within|in|around|about|approximately"
    r"|roughly|exactly|seconds?|secs?|s|frames?|interval|span|range|window|period|times?|timestamps?|are|is|was"
    r"|be|to|the|though"
    r"|not|of|on|so|then|only|also|probably|possibly|likely|rather|actually)(?![a-z]))[a-z]+\s$",
    re.IGNORECASE,
)
"""A word that does not lead to times."""
_GROWS = re.compile(
    r"(?<![a-z])(?:goes|going|ris(?:es?|ing)|increas(?:es?|ing)|fall(?:s|ing)?|drops?|decreas(?:es?|ing)"
    r"|chang(?:es?|ing)|"
    r"grows?|climbs?|counts?) (?:up |down )?(?:from )?$",
    re.IGNORECASE,
)
"""'The score goes from 4 to 11.'"""
_BOUND = re.compile(
    r"(?<![a-z])(?:before|after|at (?:least|most)|(?:more|less) than|over|under)\s*(?:the |about |from )*$",
    re.IGNORECASE,
)
_BOUND_AFTER = re.compile(r"^ at (?:most|least)(?![a-z])", re.IGNORECASE)
_LONG = re.compile(r"^ long(?![a-z])", re.IGNORECASE)
_PART_OF = re.compile(r"^ (?:out )?of (?:the )?[0-9]", re.IGNORECASE)
_ITEM = re.compile(r"^[ \t]{0,8}[0-9]{1,2}[.)][ \t]+(?=\S)", re.MULTILINE)
"""A list's number says no time."""
_OR_BEFORE = re.compile(r"[0-9]\s?(?:s|secs?|seconds?)?\s\(?or\s$", re.IGNORECASE)
_OR_AFTER = re.compile(
    r"^,?\s(?:or|maybe|perhaps|possibly)\s(?:about\s|maybe\s)?[0-9.]+\s?"
    r"(?:s|secs?|seconds?)?(?!\s?(?:to|-|until|[0-9.:a-z]))",
    re.IGNORECASE,
)
_ANYWHERE = re.compile(
    r"(?<![a-z])(?:any|some)(?:where|time|point) (?:from|between|in|within|during) ?$", re.IGNORECASE
)
_AS_LONG_AS = re.compile(
    r"(?<![a-z])(?:takes?|took|taking|for|(?<!lies )(?<!is )(?<!occurs )(?<!happens )(?<!falls )within|waits?"
    r"|waited|every|lasts?|lasted|lasting|after|in the (?:first"
    r"|last|next))\s"
    r"(?:(?:him|her|it|them|us|me) )?(?:about |around |approximately |roughly |another |some )?$",
    re.IGNORECASE,
)
"""'It takes 5 to 15 seconds.'"""
_ASKED = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,9})?) (?:to|-) ([0-9]{1,7}(?:\.[0-9]{1,9})?)", re.ASCII)
_NOT_FINITE = re.compile(r"(?<![a-z])(?:nan|inf|infinity)(?![a-z])", re.IGNORECASE)


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
    times = list(read_times(text))
    mentions = _without_glosses(text, list(_pairs(text, times, tagged=block.tagged)))
    values, reason = last_stated(text, mentions, states=_STATES, doubts=_ABSENT, many=True)
    if values is None:
        return None, "no start and end" if reason == "nothing that answers" else reason
    spans: tuple[Span, ...] = tuple(values)  # type: ignore[arg-type]
    if len(spans) > 2 and all(one[1] == other[0] for one, other in pairwise(spans)):
        return None, "the parts of a video, one after the other"
    return spans, None


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
        mention = _mention(text, first, second, form)
        if not is_of_another(text, mention.start, mention.end):
            yield mention
        index += 2
    if tagged and not found and len(times) == 2:
        gap = text[times[0].end : times[1].start]
        decimals = all("." in text[each.start : each.end] for each in times)
        if re.fullmatch(r"(?:[\s;/|]|,\s|and|then)+", gap) or (decimals and gap == ","):
            yield _mention(text, times[0], times[1], "pair")


def _form(before: str, gap: str, after: str) -> str | None:
    """How two neighboring times are joined; None where they are not."""
    if len(gap) <= 40 and _RANGE.match(gap):
        return "range"
    if len(gap) <= 40 and _BETWEEN_AND.match(gap) and _BETWEEN.search(before):
        return "range"
    if _ANGLED.match(gap) and before.endswith("<") and after.startswith(">"):
        return "pair"
    if len(gap) <= 12 and _COMMA.match(gap) and _OPENED.search(before) and _CLOSED.match(after):
        return "pair"
    if (_MARKED.match(gap) and _MARKED_TOO.match(after)) or (gap.startswith("开始") and after.startswith("结束")):
        return "pair"
    window = gap[-80:]
    if _START.search(before):
        return "keyed" if _END.search(window) else "lasts" if _LASTS.search(window) else None
    if _LASTS.search(before) and _START.search(window):
        return "turned lasts"
    return "turned" if _END.search(before) and _START.search(window) else None


def _is_count(first: Time, second: Time, after: str) -> bool:
    """'3 to 5 people' is no span."""
    return not (first.unit or second.unit) and bool(_COUNTED.match(after))


def _mention(text: str, first: Time, second: Time, form: str) -> Mention:
    """Two times and how they are joined (`_form`), as a span in seconds; a problem where that would be a guess."""
    start, end = first.start, second.end
    if form in ("keyed", "lasts", "turned", "turned lasts"):  # the key belongs to it
        key = {"turned": _END, "turned lasts": _LASTS}.get(form, _START).search(text, max(0, start - 80), start)
        start = key.start() if key else start
    # Start and end in one unit: "1 to 2 minutes" says it of both, "1 minute to 90" of one.
    if form.startswith("turned"):
        first, second = second, first
    a, b = first.seconds, second.seconds
    problem = first.problem or second.problem
    if second.unit == "m" and not first.unit:
        a *= 60
    elif first.unit in ("m", "h") and not second.unit:
        problem = problem or "a unit at one end only"
    if second.problem and not first.unit:
        problem = second.problem
    if form.endswith("lasts"):
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
    if _BOUND.search(text, max(0, start - 24), start) or _BOUND_AFTER.match(after):
        problem = problem or "bounds, not a span"
    if _LONG.match(after) or (form == "range" and _AS_LONG_AS.search(text, max(0, start - 40), start)):
        problem = problem or "a length, not a span"
    if not (first.unit or second.unit) and _PART_OF.match(after):
        problem = problem or "a part of something"
    if _ANYWHERE.search(text, max(0, start - 24), start):
        problem = problem or "bounds, not a span"
    if not problem and not (math.isfinite(a) and math.isfinite(b)):
        problem = "a time that is not a finite number"
    if not problem and b < a:
        problem = "a reversed span"
    if problem:
        problem = f"{problem}: {text[start:end]}"[:120]
    # "The score goes from 4 to 11." "Rated 4 to 11." Numbers without a unit need a word that leads to times.
    named = _WORD_BEFORE.search(text, max(0, start - 24), start) if form == "range" else None
    shy = not (first.unit or second.unit) and bool(named or _GROWS.search(text, max(0, start - 40), start))
    return Mention(start, end, (a, b), problem, leads=alone(text, start, end), shy=shy)


def _without_glosses(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    """'5 to 15 s (frames 50 to 150)' says one span, in two units: the one in seconds."""
    kept: list[Mention] = []
    for mention in mentions:
        gap = text[kept[-1].end : mention.start] if kept else ""
        opens = re.fullmatch(
            r"\s{0,3}[a-z]{0,8}\s?(?:[(\[]|,? (?:which )?(?:corresponds? to|equals?"
            r"|equivalent to|i\.e\.?|=))\s?(?:[a-z.=:~]{1,12}\s){0,5}",
            gap[:40],
            re.I,
        )
        if kept and opens and len(gap) <= 40:
            clear = [each for each in (kept[-1], mention) if not each.problem]
            if len(clear) == 1:
                kept[-1] = replace(kept[-1], end=mention.end, value=clear[0].value, problem=None)
                continue
            if _ROUNDED.search(gap):
                continue
        kept.append(mention)
    return kept
