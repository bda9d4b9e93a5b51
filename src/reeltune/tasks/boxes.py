"""Boxes: sample fields and geometry. What models write is read in `answers.boxes`."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from reeltune.answers.boxes import Box, read_boxes

__all__ = ["Box", "BoxField", "area", "box_text", "boxes_text", "generalized_iou", "iou", "overlaps", "read_boxes"]

Fraction = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1)]


def _ordered(box: Box) -> Box:
    if box[2] <= box[0] or box[3] <= box[1]:
        raise ValueError("x1 must be greater than x0 and y1 greater than y0; give [x0, y0, x1, y1] as fractions, 0..1")
    return box


BoxField = Annotated[tuple[Fraction, Fraction, Fraction, Fraction], AfterValidator(_ordered)]
"""A sample's box: inside the picture, with an area."""


def area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def iou(a: Box, b: Box) -> float:
    """Intersection over union, in 0..1; 0 when neither has an area.

    >>> round(iou((0.1, 0.1, 0.3, 0.3), (0.2, 0.1, 0.4, 0.3)), 6)
    0.333333
    """
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def generalized_iou(a: Box, b: Box) -> float:
    """IoU less the share of the smallest box around both that neither covers, in -1..1 (Rezatofighi 2019)."""
    around = area((min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])))
    shared = area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    union = area(a) + area(b) - shared
    if around <= 0 or union <= 0:
        return -1.0
    return shared / union - (around - union) / around


def overlaps(predicted: Sequence[Box] | None, truth: Sequence[Box], *, generalized: bool = False) -> list[float]:
    """Each box's IoU, or its generalized IoU mapped to 0..1; all 0 without a prediction."""
    if predicted is None:
        return [0.0] * len(truth)
    if generalized:
        return [(generalized_iou(a, b) + 1) / 2 for a, b in zip(predicted, truth, strict=True)]
    return [iou(a, b) for a, b in zip(predicted, truth, strict=True)]


def box_text(box: Box) -> str:
    """'[x0, y0, x1, y1]' with at most three decimals; a box so small that they would change it gets more."""
    rounded = tuple(round(value, 3) for value in box)
    short = len(rounded) == 4 and iou(rounded, box) >= 0.99
    return "[" + ", ".join(str(float(value)) for value in (rounded if short else box)) + "]"


def boxes_text(boxes: Sequence[Box]) -> str:
    return "[" + ", ".join(box_text(box) for box in boxes) + "]"
