"""Two texts that tell the course of a video, "at first happy, at the end sad", are no answer and its correction."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from reeltune.answers.grouping import WINDOW, Mention

_FIRST = re.compile(
    r"(?<![a-z])(?:at first|initially|originally|(?:in|at) the (?:beginning|start)|starts?)(?![a-z])", re.I
)
_LAST = re.compile(
    r"(?<![a-z])(?:(?:at|in|by|towards?) the end|finally|eventually|later|afterwards?|ends?|turns?|becomes?)(?![a-z])",
    re.I,
)
_THOUGHT = re.compile(
    r"(?<![a-z])(?:i|we|wait|no|but it(?: i|')s|actually|wrong|thought|guess|glance|sight|impression"
    r"|answer|choice|option|label|(?:think|seem|assum|believ|sa[iy]|choos)[a-z]{0,3})(?![a-z])",
    re.I,
)
_SENTENCE = re.compile(r"[.!?\n]")


def without_courses(text: str, mentions: Iterable[Mention]) -> Iterator[Mention]:
    """The mentions; the second of two that tell a course has a problem, so that it cannot be the answer.

    Only where nothing between them speaks of thinking: "at first I thought happy, it is sad" states sad.
    """
    before: Mention | None = None
    for mention in mentions:
        yield (
            replace(mention, problem="how it began and how it ended")
            if before and _course(text, before, mention)
            else mention
        )
        before = mention


def _course(text: str, first: Mention, last: Mention) -> bool:
    gap = text[first.end : last.start]
    if first.value == last.value or len(gap) > WINDOW or _SENTENCE.search(gap):
        return False
    lead = _SENTENCE.split(text[max(0, first.start - WINDOW) : first.start])[-1]
    tail = _SENTENCE.split(text[last.end : last.end + 40])[0]
    begins = _FIRST.search(lead) or _FIRST.match(gap.lstrip(" ,("))
    return bool(begins and (_LAST.search(gap) or _LAST.match(tail.lstrip(" ,("))) and not _THOUGHT.search(lead + gap))
