"""Reading boxes from what a model wrote: every group of four numbers in brackets, in order."""

import math
import re

from reeltune.tasks.answers import Block
from reeltune.tasks.boxes import Box
from reeltune.tasks.span_answers import MAX_CHARACTERS

_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?"
_BOX = re.compile(rf"[\[({{]\s*({_NUMBER})" + rf"\s*[,;\s]\s*({_NUMBER})" * 3 + r"\s*,?\s*[\])}]", re.IGNORECASE)


def read_boxes(block: Block, count: int) -> tuple[tuple[Box, ...] | None, str | None]:
    """(boxes, None), or (None, why they cannot be read). There must be exactly `count` of them: which one is
    missing cannot be known. A box may lie outside the picture or have no area; then it overlaps little or nothing.
    """
    if not block.text:
        return None, "no answer"
    if len(block.text) > MAX_CHARACTERS:
        return None, f"an answer of {len(block.text)} characters"
    boxes = []
    for match in _BOX.finditer(block.text):
        x0, y0, x1, y1 = (float(group) for group in match.groups())
        if not all(math.isfinite(value) for value in (x0, y0, x1, y1)):
            return None, "a coordinate that is no finite number"
        boxes.append((x0, y0, x1, y1))
    if len(boxes) != count:
        return None, f"{len(boxes)} boxes where {count} were asked for"
    return tuple(boxes), None
