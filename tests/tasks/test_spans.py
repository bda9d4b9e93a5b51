import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltune.tasks.spans import iou, iou_and_iop, merge, seconds_text, span_text

TIMES = st.floats(0, 1000, allow_nan=False).map(lambda x: round(x, 2))
SPANS = st.lists(st.tuples(TIMES, TIMES), max_size=5)


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [((2, 10), 5 / 13), ((20, 30), 0), ((7, 7), 0), ((0, 100000), 0.0001), ((5, 15), 1), ((10, 2), 0)],
)
def test_published_vectors_against_5_to_15(predicted: tuple[float, float], expected: float) -> None:
    assert iou([predicted], [(5, 15)]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("predicted", "truth", "expected"),
    [
        ([(0, 3), (2, 4), (22, 25)], [(1, 5), (2, 2), (2, 4)], 0.375),
        ([(0, 30)], [(20.9, 22.7), (23.8, 26)], 4 / 30),
        ([(75, 127)], [(85, 139.5)], 0.6511627907),
        ([(15, 25)], [(10, 20)], 1 / 3),
        ([(0, 300)], [(10, 20)], 1 / 30),
        ([], [], 0),
    ],
)
def test_published_vectors_of_sets(predicted: list, truth: list, expected: float) -> None:
    assert iou(predicted, truth) == pytest.approx(expected, abs=1e-10)


def plain(predicted: list, truth: list) -> tuple[float, float]:
    """(IoU, IoP) by counting the cells between all end points."""
    points = sorted({p for span in predicted + truth for p in span})
    shared = either = mine = 0.0
    for low, high in itertools.pairwise(points):
        a = any(s <= low and high <= e for s, e in predicted)
        b = any(s <= low and high <= e for s, e in truth)
        shared += (high - low) * (a and b)
        either += (high - low) * (a or b)
        mine += (high - low) * a
    return (shared / either if either else 0.0), (shared / mine if mine else 0.0)


@given(SPANS, SPANS)
def test_equals_a_plain_reference(predicted: list, truth: list) -> None:
    expected = plain(predicted, truth)
    assert iou(predicted, truth) == pytest.approx(expected[0], abs=1e-9)
    assert iou_and_iop(predicted, truth)[1] == pytest.approx(expected[1], abs=1e-9)
    assert iou(predicted, truth) == pytest.approx(iou(truth, predicted))


@given(SPANS)
def test_merged_spans_are_apart_and_ordered(spans: list) -> None:
    merged = merge(spans)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(merged))
    assert all(start < end for start, end in merged)


@given(st.floats(0, 1e6, allow_nan=False))
def test_written_seconds_are_close_and_short(value: float) -> None:
    text = seconds_text(value)
    assert abs(float(text) - value) <= 0.005 + 1e-9
    assert 1 <= len(text.split(".")[1]) <= 2


@given(st.floats(0, 1e4), st.floats(1e-6, 1e4))
def test_written_spans_keep_their_overlap(start: float, length: float) -> None:
    end = start + length
    a, b = span_text((start, end)).split(" to ")
    assert math.isclose(iou([(float(a), float(b))], [(start, end)]), 1, abs_tol=0.01)
