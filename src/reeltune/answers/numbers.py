"""Numbers: how many, how far, how much. Digits, words up to thousands, fractions, powers of ten.

A range, a bound ("at least 3"), a percentage and a decimal comma that could be a list have no reading: which number is
meant is not said. Units are not converted (our choice): the question names the unit.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import replace

from reeltune.answers.final_answer import Block
from reeltune.answers.grouping import Mention, alone
from reeltune.answers.limits import too_long
from reeltune.answers.plain import plain
from reeltune.answers.spoken_numbers import SCALES, WORD, chinese, part, spoken
from reeltune.answers.statement import last_stated

_DIGITS = r"[0-9]{1,3}(?:,[0-9]{3})+(?![0-9,])(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+"
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.^])(?<![0-9]:)(?:"
    r"(?P<sign>(?<![0-9)\]] )(?<![)\]])[-+])?"
    rf"(?P<digits>{_DIGITS})"
    r"(?P<power>e[-+]?[0-9]{1,4}(?![A-Za-z0-9])|\s?[x*×]\s?10\^\{?-?[0-9]{1,3}\}?)?"
    r"(?P<mixed>\s[0-9]{1,2}\s?/\s?[1-9][0-9]?(?![0-9/])|\s+and\s+a\s+half(?![A-Za-z]))?(?P<scale>\s(?:hundred"
    r"|thousand|million)(?![A-Za-z]))?"
    r"(?P<over>\s?/\s?(?:[0-9]+(?:\.[0-9]+)?)(?![0-9/]))?"
    r"|(?P<part>(?<![A-Za-z-])(?:half(?=\s+an?\s)|(?:an?|one)\s+(?:half|quarter|third)(?=\s+of\s+an?\s|\s*(?:$|[.,;]))"
    r"|(?:two|three)\s+(?:quarters|thirds)(?![A-Za-z])))"
    rf"|(?P<words>(?<![A-Za-z-]){WORD}(?:(?:\s?-\s?|\s+and\s+|\s+){WORD}){{0,6}}(?:\s+and\s+a\s+half)?(?![A-Za-z]))"
    r"|(?P<times>(?<![A-Za-z-])(?:once|twice|thrice)(?= *(?:$|[.,;)]|in total|in the (?:video|clip))))"
    r"|(?P<chinese>[零一二两三四五六七八九十]{1,3})(?=[个只辆次人名位张把条件台匹头座栋米秒种步岁件块本]|\s*(?:$|[.,]))"
    r")",
    re.IGNORECASE,
)
_RANGE = re.compile(r"^\s?(?:-+|~|±|\+/?-|to|\.\.+|至|到)\s?(?=[0-9.])", re.IGNORECASE)
_NOT_A_NUMBER_AFTER = re.compile(r"^(?:st|nd|rd|th|d)(?![a-z])", re.IGNORECASE)
_NAMED = re.compile(
    r"(?:\b(?:steps?|frames?|scenes?|figure|part|question|line|option|point|no\.|phase|stage|segment|clip|video|image|"
    r"picture|bus|gate|platform|flight|track|house|lane|route|floor|channel|episode|season|chapter|round|lap|day"
    r"|week|player|person|room|version|level|page|case)\s?#?|#|第)$",
    re.IGNORECASE,
)
_DATED = re.compile(
    r"(?<![a-z])(?:(?i:in|since|by|of|from|year)\s(?:1[89]|20)[0-9]{2}|(?:January|February|March|April|May|June"
    r"|July|August|September"
    r"|October|November|December)\s[0-9]{1,2})$"
)
"""'in 1999'"""
_NUMBERED = re.compile(
    r"(?<![a-z])(?!(?:the|a|total|this|final|correct|right|exact|my"
    r"|approximate) )[a-z]+ number\s$",
    re.IGNORECASE,
)
"""'chair number 5'"""
_OF_THE_VIDEO = re.compile(r"(?:video|clip|footage|recording) (?:is|lasts|runs)(?: about| for)?\s$", re.IGNORECASE)
_ITEM = re.compile(r"^[.)]\s+[^\s0-9]")
_BOUND = re.compile(
    r"(?:at (?:least|most)|(?:more|fewer|less|greater|higher|lower) than|over|under"
    r"|(?<!add )(?<!adds )(?<!adding )up to|above|below|exceeds?|"
    r"between|min(?:imum)?(?: of)?|max(?:imum)?(?: of)?|[<>≥≤]=?|minus|至少|最多|超过|不到)\s*(?:about |the )?$",
    re.IGNORECASE,
)
_BOUND_AFTER = re.compile(
    r"^[个只人名次米]?(?:以上|以下|以内)|^\s?(?:[a-z]{1,12} )?(?:or (?:more|less|fewer|above|below|higher|lower)"
    r"|at (?:the )?(?:very )?(?:most"
    r"|least)|if|unless|maximum"
    r"|minimum"
    r"|tops)(?![a-z])",
    re.I,
)
_PART_OF = re.compile(r"^\s?(?:(?:out )?of (?:the )?[0-9]|\^|dozens?(?![a-z]))", re.IGNORECASE)
_HYPHENATED = re.compile(r"-(?!ish)[a-z]{2}", re.IGNORECASE)
"""'A 30-second video' counts nothing."""
_STATES = re.compile(
    r"(?<![a-z])(?:(?<!in )total|maximum|minimum|sum|difference|change|increase|decrease|drop|rise|gain|loss"
    r"|product|count|"
    r"number of|estimate|value|average|result|length|distance|area|height|size)(?![a-z])[^.!?]{0,50}?"
    r"(?:(?<![a-z])(?:is|are|was|of)(?![a-z])|[:=])[\s\W]{0,4}(?:(?:about|approximately|around|roughly)\s)?$"
    r"|(?:=|\bequals?|\bmak(?:es?|ing)|\bgiv(?:es?|ing)|\btotals|(?<![a-z])in (?:centi|kilo|milli)?(?:meters?"
    r"|metres?|seconds|minutes|feet|inches)\b|总共|一共|共有?|(?:所以|因此)[^\s\W0-9]{0,6}?)[\s\W]{0,4}(?:有\s?)?$",
    re.IGNORECASE,
)
_SO = re.compile(
    r"(?<![a-z])(?:so|thus|therefore|hence)(?! (?:that|much|many|far|with"
    r"|if))(?: [a-z']+){1,5} $",
    re.IGNORECASE,
)
"""'so he fails 2 times'"""
_COUNTS = re.compile(
    r"(?<![a-z])(?:only|exactly|just|there(?:'s| is| was)|see|count|shows?|contains?)\s$", re.IGNORECASE
)
_IN_TOTAL = re.compile(r"^[^.!?\n0-9]{0,40}?(?<![a-z])(?:in total|altogether|in all|overall)(?![a-z])", re.IGNORECASE)
_TIMED = re.compile(r"(?:\s[a-z]+)?\sper\s|\s?-?(?:s|secs?|seconds?|mins?|minutes?|fps)(?![a-z])", re.IGNORECASE)
_SOMEONE = re.compile(
    r"^\s(?:(?:may|might|would|could|can|should|must|has|is|was|sees?|of|thinks?|that|which|who|more"
    r"|another)(?![a-z]))",
    re.I,
)
_WHICH = re.compile(
    r"(?<![a-z])(?:the|this|that|which|each|every|any|no|last|first|second|third|fourth|fifth|next|the only|as"
    r"|another|other|more)\s$",
    re.I,
)
_OPERAND, _OPERATED = re.compile(r"[0-9)]\s?[+*×÷]\s?$"), re.compile(r"^\s?[+*×÷]\s?[0-9(]")
"""'12 + 2'"""
_ATTACHED = re.compile(
    r"^(?:[²³]|(?!(?:[mcdk]?m[²³]?|in|ft|yd|s|secs?|mins?|h|hrs?|k?g|lbs?|mph|fps|deg|x|px|m?l"
    r"|ish)(?![a-z]))[a-z]+)",
    re.IGNORECASE,
)
"""'10k', '1080p', '3²'"""
_SHARE_OF = re.compile(r"(?<![a-z])(?:(?:half|a third|a quarter) of|twice|double|triple)\s$", re.IGNORECASE)
_AND_ONE = re.compile(r"(?<![a-z])an? [a-z]{1,12}(?:,| and|, and) $", re.IGNORECASE)
"""'a cat and two kittens'"""
_OR_ANOTHER = re.compile(r"(?<![a-z])(?:once|two|several|many|few)\sor\s$", re.IGNORECASE)
_EACH = re.compile(r"(?<![a-z])(?:each|every)(?![a-z])[^.!?,;]*$", re.IGNORECASE)
_COMPARED = re.compile(r"^\s(?:[a-z]{1,12} )?(?:more|fewer|less|times (?:as|more))(?![a-z])", re.IGNORECASE)
"""'5 more than before'"""
_ATTRIBUTE = re.compile(r"^\s?[a-z]{1,12} (?:high|tall|long|wide|deep|old|thick|away) [a-z]", re.IGNORECASE)
"""'the 2 m high door'"""
_WHOLE = re.compile(
    r"(?<![a-z])(?:out of|of (?:the|those|these|all))\s(?:the\s|all\s|these\s|those\s)?$", re.IGNORECASE
)
"""'out of 10 balls'"""
_LISTED = re.compile(r"[0-9a-z] (?:[a-z]+ ){0,3}?[a-z]+(?:,| and|, and) $", re.IGNORECASE)
"""'five chairs and one table'"""
_LISTS = re.compile(
    rf"[^.!?;:(\n]{{0,40}}?(?:,|and|，) (?:and )?(?:[0-9]|{WORD}(?![a-z]))"
    rf"|[个只人][,，]?[^.0-9]{{0,12}}[0-9]",
    re.IGNORECASE,
)
"""'3 red, 4 blue'"""
_CLOCK = "a time of day or of a clip"
_BRIEF = re.compile(r"^(?:\s?[^\W\d_]+[²³]?){0,2}\s?(?:[(,;:]|\.?\s*$|\.\s|\n)")


def read_number(block: Block) -> tuple[float | None, str | None]:
    """(number, None), or (None, why it cannot be read).

    >>> read_number(Block("2 red and 3 blue make 5.", tagged=False))
    (5.0, None)
    """
    if not block.text:
        return None, "no answer"
    if reason := too_long(block.text):
        return None, reason
    text = plain(block.text, ("count", "number", "total", "value", "result"))
    values, reason = last_stated(text, _without_times(text, list(_numbers(text))), states=_STATES)
    if values is None:
        return None, "no number" if reason == "nothing that answers" else reason
    value = values[0]
    assert isinstance(value, float)
    return value, None


def _without_times(text: str, mentions: list[Mention]) -> list[Mention]:
    """ "Nine push-ups in 15 seconds": beside other numbers, times are no answer of their own."""
    timed = [bool(_TIMED.match(text, each.end)) or each.problem == _CLOCK for each in mentions]
    if all(timed):
        return mentions
    return [
        replace(each, shy=each.shy or is_time, leads=each.leads and not is_time)
        for each, is_time in zip(mentions, timed, strict=True)
    ]


def _numbers(text: str) -> Iterator[Mention]:
    skip, inside, yielded = 0, 0, 0
    for match in _NUMBER.finditer(text):
        start, end = match.span()
        inside += text.count("(", skip, start) - text.count(")", skip, start) if skip <= start else 0
        if start < skip:
            continue
        before, after = text[max(0, start - 24) : start], text[end : end + 60]
        skip = end
        if _is_a_name(text, match, before, after):
            continue
        problem = _problem(before, after)
        value = _value(match)
        if problem == "a range" and (other := _NUMBER.match(text, end + len(_RANGE.match(after)[0]))):  # type: ignore[index]
            end = skip = other.end()
        elif problem == "a decimal comma, or a list":
            end = skip = end + len(re.match(r"(?:,[0-9]+)*", after)[0])  # type: ignore[index]
        elif not math.isfinite(value):
            problem = "no finite number"
        leads = (
            bool(_SO.search(text[max(0, start - 60) : start]))
            or alone(text, start, end)
            or bool(_IN_TOTAL.match(after))
            or (start < 4 and bool(_BRIEF.match(after)) and not _LISTS.match(after))
        )
        one = (match["words"] or "").lower() == "one" and not _COUNTS.search(before)
        listed = yielded and start - yielded < 40 and _LISTED.fullmatch(text, yielded - 1, start)
        shy = (
            inside > 0
            or (one and not listed)
            or bool(_WHOLE.search(before) or _EACH.search(text[max(0, start - 80) : start]))
            or bool(_ATTRIBUTE.match(after) and _WHICH.search(before))
        )
        yield Mention(start, end, value, problem, shy=shy, leads=leads)
        yielded = end


def _is_a_name(text: str, match: re.Match[str], before: str, after: str) -> bool:
    """Digits that count nothing: an ordinal, 'step 2', the mark of a list's item."""
    if (match["words"] or "").lower() == "one":
        return bool(_SOMEONE.match(after) or _WHICH.search(before))
    if match["digits"] is None:
        return before.endswith("第")
    if _ATTACHED.match(after) or _HYPHENATED.match(after) or _OPERAND.search(before) or _OPERATED.match(after):
        return True
    if _NOT_A_NUMBER_AFTER.match(after) or _NAMED.search(before) or _DATED.search(before + match["digits"]):
        return True
    if _NUMBERED.search(before) or (_OF_THE_VIDEO.search(before) and _TIMED.match(after)):
        return True
    begins_line = not before.strip() or before.rstrip(" \t").endswith("\n")
    return begins_line and bool(_ITEM.match(after)) and "." not in match["digits"]


def _problem(before: str, after: str) -> str | None:
    if re.match(r"^:[0-9]", after):
        return _CLOCK
    if _SHARE_OF.search(before):
        return "a part of something"
    if _AND_ONE.search(before):
        return "one of a list"
    if re.match(r"^,[0-9]", after):
        return "a decimal comma, or a list"
    if re.match(r"^\s?(?:%|percent|per cent)", after, re.IGNORECASE) or before.endswith("百分之"):
        return "in percent"
    if _OR_ANOTHER.search(before):
        return "one of several"
    if _COMPARED.match(after):
        return "a difference"
    if _BOUND_AFTER.match(after):
        return "a bound, not a number"
    if _PART_OF.match(after):
        return "a part of something"
    if _BOUND.search(before) or re.match(r"^\s?\+(?!\s?[0-9])", after):
        return "a bound, not a number"
    return "a range" if _RANGE.match(after) else None


def _value(match: re.Match[str]) -> float:
    if match["words"]:
        return spoken(match["words"].lower())
    if match["part"]:
        return part(match["part"].lower())
    if match["times"]:
        return float(("once", "twice", "thrice").index(match["times"].lower()) + 1)
    if match["chinese"]:
        return chinese(match["chinese"])
    value = float(match["digits"].replace(",", ""))
    if power := match["power"]:
        exponent = int(re.sub(r"[^0-9-]", "", power[1:] if power[0] in "eE" else power.split("^")[1]))
        value = math.inf if exponent > 300 else value * 10.0**exponent
    if scale := match["scale"]:
        value *= SCALES[scale.strip().lower()]
    if mixed := match["mixed"]:
        above, below = mixed.split("/") if "/" in mixed else ("1", "2")
        value += float(above) / float(below)
    if over := match["over"]:
        divisor = float(over.strip(" /"))
        value = value / divisor if divisor else math.nan
    return -value if match["sign"] == "-" else value
