"""Whether the words around a span say that it is the time of something else than the event that is asked for."""

import re

from reeltune.answers.grouping import WINDOW

_EVENT = r"(?:described |queried |query |asked |target |actual )?(?:event|query|action|moment|scene|segment)(?![a-z])"
_BESIDE_IT = re.compile(
    rf"^\W{{0,3}}(?:seconds?|s)?\W{{0,3}}(?:just |right |shortly |immediately )?"
    rf"(?:(?:before|after|prior to|preceding|following) (?:the|this|that) {_EVENT}"
    r"|(?:[ap]\.?m\.?|o'clock|(?:on|by) the (?:clock|watch|timer|display))(?![a-z]))",
    re.IGNORECASE,
)
"""'from 3 to 5, just before the event'"""
_NEXT_TO = re.compile(
    r"(?<![a-z])(?:follows|precedes|comes (?:before|after))(?: the| a)?(?: segment| span| interval| period| part| one)?"
    r"(?: from| at| between| of)?\W{0,3}$|(?<![a-z])(?:preceded|followed) by [a-z ]{1,40}\W{0,3}$",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"(?:^|[.!?;:,\n])\s*(?:after|before|once|until)(?![a-z])[^,.;:!?\n]*$", re.IGNORECASE)
_MAIN_CLAUSE = re.compile(r"^(?:\s?(?:s|secs?|seconds?))?\s?[)\]]?\s?, ?[a-z]", re.IGNORECASE)
"""'After he sits down (3 to 5), she dances': the time of what comes before."""
_PART = (
    r"(?:intro(?:duction)?|outro|opening|credits?|titles?|ads?|advert(?:isement)?s?|commercials?(?: breaks?)?"
    r"|ad break|trailer"
    r"|teaser|logo|replay|video|clip|footage|recording|film|movie|other (?!event|one|occurrence|instance|time)[a-z]+)"
    r"(?: sequence| shown| itself| credits| card)?"
)
_OF_THE_VIDEO = re.compile(
    r"(?<![a-z])(?:(?:the|an?|this|whole|entire|full|given|opening|closing|end|title|final|first) ){1,3}"
    rf"{_PART}(?: (?:is|are|was|were|runs?|plays?|lasts?|spans|goes|covers|appears?|takes|ends|only|shown|played"
    rf"|displayed|seen"
    r"|up|takes place|happens|occurs|heard))+"
    r"(?: from| between| for| during| at|:)?\W{0,3}(?:about |around |approximately |roughly )?$"
    r"|(?:video|clip)(?:'s)? (?:duration|length|range)\W{0,3}(?:is )?(?:from )?$"
    r"|(?:视频|片头|片尾|广告)(?:总长|全长|长度?|时长|总共|[共为从是在])*\W*$",
    re.IGNORECASE,
)
"""'The intro runs from 0 to 4 seconds': the time of a part of the video, or of another one."""
_KEYED = re.compile(rf"(?<![a-z])(?:the|an?|this) (?:[a-z]+ )?{_PART}\W{{0,3}}$", re.IGNORECASE)
"""'The intro', before 'starts at 0 and ends at 4'"""
_OTHER_UNIT = re.compile(
    r"(?<![a-z])(?:ages?|aged|pages?|chapters?|levels?|grades?|rated|scored?|numbered|sizes?|rows?|verses?|lines?"
    r"|episodes?|rounds?|questions?)\s$",
    re.I,
)


def is_of_another(text: str, start: int, end: int) -> bool:
    """Whether the span text[start:end], its keys included, is that of a part of the video, of what comes before, of
    pages.
    """
    before, after = text[max(0, start - WINDOW) : start], text[end : end + 60]
    if _BESIDE_IT.match(after) or _NEXT_TO.search(before) or _OF_THE_VIDEO.search(before) or _OTHER_UNIT.search(before):
        return True
    if text[start].isalpha() and _KEYED.search(before):
        return True
    return bool(_CLAUSE.search(before) and _MAIN_CLAUSE.match(after))
