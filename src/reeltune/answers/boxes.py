"""Boxes as models write them: four fractions in brackets, two corners, or by key.

Boxes that follow each other are one answer; coordinates beyond the picture by more than a half are pixels or
thousandths and have no reading.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reeltune.answers.final_answer import Block
from reeltune.answers.grouping import Mention, alone
from reeltune.answers.limits import too_long
from reeltune.answers.plain import plain
from reeltune.answers.statement import last_stated

Box = tuple[float, float, float, float]

FURTHEST = 0.5
"""How far outside the picture, in its widths and heights, a coordinate may lie and still be one (our choice)."""

_N = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]{1,4})?|[-+]?(?:nan|inf(?:inity)?)"
_SEP = r"[,;\s]{1,6}"
_KEYED = "".join(
    rf"[\"']?(?:{key})[\"']?\s?[:=]?\s?[\"']?({_N})[\"']?[,;\s]{{0,4}}"
    for key in ("x_?(?:[01]|min)|left", "y_?(?:[01]|min)|top", "x_?(?:[12]|max)|right", "y_?(?:[12]|max)|bottom")
)
_BOX = re.compile(
    rf"[\[({{]\s{{0,4}}({_N}){_SEP}({_N}){_SEP}({_N}){_SEP}({_N})\s{{0,3}},?\s{{0,4}}[\])}}]"
    rf"|[\[(]\s{{0,2}}({_N}){_SEP}({_N})\s{{0,2}}[\])](?:[,;\s-]|to|and|bottom|right|corner|at){{0,8}}[\[(]\s{{0,2}}({_N}){_SEP}({_N})\s{{0,2}}[\])]"
    rf"|{_KEYED}",
    re.IGNORECASE,
)
_POINT = re.compile(rf"[\[(]\s{{0,2}}(?:{_N}){_SEP}(?:{_N})\s{{0,2}}[\])]", re.IGNORECASE)
_BARE = re.compile(rf"\s*({_N}){_SEP}({_N}){_SEP}({_N}){_SEP}({_N})\s*", re.IGNORECASE)
_FLAT = re.compile(rf"[\[(\s]*((?:(?:{_N}){_SEP}){{7,4000}}(?:{_N}))[\])\s]*", re.IGNORECASE)
"""Several boxes written as one list."""
_BETWEEN = re.compile(
    r"(?:[\s,;:\[\](){}\"'=_/\u27e6\u27e7-]|\.(?![a-z ])|[0-9]+(?:\.[0-9]+)?|seconds?|secs?|s|at|times?|t|frames?|box|"
    r"bbox(?:_2d)?|label|and|then|coordinates|\"[^\"]{0,30}\")*",
    re.IGNORECASE,
)

_ELEMENT = rf"(\[[^\[\]]{{0,40}}(?:{_N}){_SEP}(?:{_N})[^\[\]]{{0,60}}\])"
_BEFORE = re.compile(rf"{_ELEMENT}[,;\s]{{1,4}}$", re.IGNORECASE)
_AFTER = re.compile(rf"[,;\s]{{1,4}}{_ELEMENT}", re.IGNORECASE)
"""An element of the same list, which may be no box: "[0.5, 0.7, 0.8 nothing, 0.8], [...]"."""


@dataclass(frozen=True)
class _Run:
    """Boxes that follow each other."""

    start: int
    end: int
    boxes: tuple[Box, ...]


def read_boxes(block: Block, count: int) -> tuple[tuple[Box, ...] | None, str | None]:
    """(boxes, None), or (None, why they cannot be read). There must be exactly `count` of them: which one is
    missing cannot be known. A box may lie a little outside the picture or have no area; it overlaps little or nothing.
    """
    if not block.text:
        return None, "no answer"
    if reason := too_long(block.text):
        return None, reason
    text = plain(block.text)
    if len(_POINT.findall(text)) % 2:
        return None, "corners that do not form boxes: each box needs two"
    runs = list(_runs(text))
    if not runs:
        if (flat := _FLAT.fullmatch(text)) and (boxes := _fours(flat[1])):
            return (boxes, None) if not (problem := _problem(boxes, count)) else (None, problem)
        bare = _BARE.fullmatch(text)
        if bare is None:
            return None, f"0 boxes, but {count} were asked for"
        runs = [_Run(0, len(text), (_box(bare),))]
    if any(_beside_a_broken_one(text, run) for run in runs):
        return None, "a list of boxes with an element that is no box"
    if len(runs) > 1 and sum(len(run.boxes) for run in runs) == count:
        runs = [_Run(runs[0].start, runs[-1].end, tuple(box for run in runs for box in run.boxes))]
    mentions = [
        Mention(run.start, run.end, run.boxes, _problem(run.boxes, count), leads=alone(text, run.start, run.end))
        for run in runs
    ]
    values, reason = last_stated(text, mentions)
    if values is None:
        return None, reason
    return values[0], None  # type: ignore[return-value]


def _runs(text: str) -> Iterator[_Run]:
    run: _Run | None = None
    for match in _BOX.finditer(text):
        box = _box(match)
        gap = text[run.end : match.start()] if run else ""
        if run and len(gap) <= 80 and _BETWEEN.fullmatch(gap) and not _AFTER.match(gap):
            run = _Run(run.start, match.end(), (*run.boxes, box))
            continue
        if run:
            yield run
        run = _Run(match.start(), match.end(), (box,))
    if run:
        yield run


def _beside_a_broken_one(text: str, run: _Run) -> bool:
    near = _BEFORE.search(text[max(0, run.start - 120) : run.start]), _AFTER.match(text, run.end)
    return any(found and not _BOX.fullmatch(found[1]) for found in near)


def _box(match: re.Match[str]) -> Box:
    x0, y0, x1, y1 = (float(group) for group in match.groups() if group is not None)
    return x0, y0, x1, y1


def _fours(text: str) -> tuple[Box, ...]:
    """Nothing where the numbers do not come in fours."""
    values = [float(each) for each in re.split(r"[,;\s]+", text)]
    whole = len(values) - len(values) % 4
    return tuple(zip(*[iter(values)] * 4, strict=True)) if whole == len(values) else ()


def _problem(boxes: Sequence[Box], count: int) -> str | None:
    values = [value for box in boxes for value in box]
    if not all(math.isfinite(value) for value in values):
        return "a coordinate that is not a finite number"
    if any(not -FURTHEST <= value <= 1 + FURTHEST for value in values):
        return "coordinates outside 0..1: fractions of width and height were asked for"
    # A single one of many may be a thin box that is a little off.
    if all(box[2] < box[0] or box[3] < box[1] for box in boxes):
        return "reversed corners: x0 <= x1 and y0 <= y1 were asked for"
    return None if len(boxes) == count else f"{len(boxes)} boxes, but {count} were asked for"
