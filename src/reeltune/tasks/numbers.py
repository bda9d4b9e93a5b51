"""Numbers, whole: the sample field, closeness, the reader of written answers, the trivial baseline.

Mean relative accuracy is VSI-Bench's (arXiv 2412.14171, section 3.2): the share of ten thresholds .5, .55, ..., .95
whose complement the relative error does not exceed.
"""

import math
import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from reeltune.answers.final_answer import Block

NumberField = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A finite number."""

THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
TIE = 1e-9
"""What a comparison at a threshold lets pass: the published form decides exact ties by rounding errors (our choice)."""

_NUMBER = re.compile(
    r"(?<![\w.,])[-+]?(?:\d{1,3}(?:,\d{3})+|\d{1,18})(?:\.\d{1,18})?(?:e[+-]?\d{1,3})?(?![\d,]|\.\d)", re.I
)
_WORDS = {
    word: number
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    )
}
_STATED = re.compile(r"\b(?:answer|result|total)\b[\s*:=]*(?:is|are|of)?[\s*:=]*$", re.IGNORECASE)


def relative_accuracy(value: float | None, truth: float) -> float:
    """In 0..1; 0 without a value. Where the truth is 0 only 0 is right.

    >>> relative_accuracy(9.0, 10.0), relative_accuracy(15.0, 10.0), relative_accuracy(0.0, 0.0)
    (0.9, 0.1, 1.0)
    """
    if value is None:
        return 0.0
    if truth == 0:
        return float(value == 0)
    error = abs(value - truth) / abs(truth)
    return sum(error <= 1 - threshold + TIE for threshold in THRESHOLDS) / len(THRESHOLDS)


def within(value: float | None, truth: float, tolerance: float) -> bool:
    """Whether the value differs from the truth by at most the tolerance."""
    return value is not None and abs(value - truth) <= tolerance + TIE * max(1.0, abs(truth))


def read_number(block: Block) -> tuple[float | None, str | None]:
    """(number, None), or (None, why it cannot be read).

    Inside the answer's tags the only number there; in prose one that is stated as the answer, or stands alone.
    """
    text = block.text.strip()
    if not text:
        return None, "no answer"
    if text.casefold().strip(" .") in _WORDS:
        return float(_WORDS[text.casefold().strip(" .")]), None
    found = list(_NUMBER.finditer(text))
    if not block.tagged and not (len(found) == 1 and found[0][0] == text.strip(" .*")):
        found = [match for match in found if _STATED.search(text[max(0, match.start() - 40) : match.start()])][-1:]
    if len({match[0] for match in found}) != 1:
        return None, "several numbers" if found else "no number"
    value = float(found[0][0].replace(",", ""))
    return (value, None) if math.isfinite(value) else (None, "a number that is not finite")


def median(values: Sequence[float]) -> float:
    """The lower of the two in the middle: a value that occurs."""
    return sorted(values)[(len(values) - 1) // 2]
