"""Numbers, whole: the sample field, closeness, the trivial baseline. `answers.numbers` reads them.

Mean relative accuracy is VSI-Bench's (arXiv 2412.14171, section 3.2): the share of ten thresholds .5, .55, ..., .95
whose complement the relative error does not exceed.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

NumberField = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A finite number."""

THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
TIE = 1e-9
"""What a comparison at a threshold lets pass: the published form decides exact ties by rounding errors (our choice)."""


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


def median(values: Sequence[float]) -> float:
    """The lower of the two in the middle: a value that occurs."""
    return sorted(values)[(len(values) - 1) // 2]
