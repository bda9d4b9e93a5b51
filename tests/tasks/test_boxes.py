import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltune.tasks.boxes import Box, area, box_text, generalized_iou, iou, overlaps

EDGE = st.integers(-5, 25).map(lambda value: value / 20)
BOXES = st.tuples(EDGE, EDGE, EDGE, EDGE)
PROPER = st.tuples(st.integers(0, 19), st.integers(0, 19), st.integers(1, 20), st.integers(1, 20)).map(
    lambda b: (b[0] / 40, b[1] / 40, (b[0] + b[2]) / 40, (b[1] + b[3]) / 40)
)


def cells(box: Box) -> set[tuple[int, int]]:
    """The cells of a fine grid that a box covers; all corners of the tests lie on the grid."""
    x0, y0, x1, y1 = (round(value * 40) for value in box)
    return {(x, y) for x in range(x0, x1) for y in range(y0, y1)}


def test_published_vectors() -> None:
    true = [(0.1, 0.1, 0.3, 0.3)] * 8
    shifted = [(0.2, 0.1, 0.4, 0.3)] * 8
    assert overlaps(shifted, true) == pytest.approx([1 / 3] * 8)
    one_wrong = [*true[:7], (0.6, 0.6, 0.8, 0.8)]
    assert sum(overlaps(one_wrong, true)) / 8 == pytest.approx(0.875)


@given(BOXES, BOXES)
def test_iou_equals_counting_cells(a: Box, b: Box) -> None:
    union = cells(a) | cells(b)
    expected = len(cells(a) & cells(b)) / len(union) if union else 0.0
    assert iou(a, b) == pytest.approx(expected, abs=1e-9)
    assert iou(a, b) == pytest.approx(iou(b, a))


@given(PROPER, PROPER)
def test_generalised_iou_is_below_iou_and_above_minus_one(a: Box, b: Box) -> None:
    assert -1 <= generalized_iou(a, b) <= iou(a, b) + 1e-12
    assert generalized_iou(a, a) == pytest.approx(1)


def test_generalised_iou_of_boxes_apart() -> None:
    # The hull is 0.4 x 0.1, half of it covered.
    assert generalized_iou((0, 0, 0.1, 0.1), (0.3, 0, 0.4, 0.1)) == pytest.approx(-0.5)
    assert generalized_iou((0.5, 0.5, 0.5, 0.5), (0.5, 0.5, 0.5, 0.5)) == -1


def test_a_reversed_box_has_no_area() -> None:
    assert area((0.3, 0.3, 0.1, 0.1)) == 0
    assert iou((0.3, 0.3, 0.1, 0.1), (0.1, 0.1, 0.3, 0.3)) == 0


@given(st.tuples(*[st.floats(0, 0.9)] * 2, *[st.floats(1e-5, 0.1)] * 2))
def test_written_boxes_keep_their_overlap(corner_and_size: tuple[float, float, float, float]) -> None:
    x, y, w, h = corner_and_size
    box = (x, y, x + w, y + h)
    written = tuple(float(part) for part in box_text(box).strip("[]").split(","))
    assert iou(written, box) >= 0.99  # type: ignore[arg-type]
