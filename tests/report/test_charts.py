import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltune.report.charts import Level, Series, line_chart, number_text, running_mean, smoothing_window, ticks

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)


@given(NUMBERS, NUMBERS)
def test_ticks_are_even_and_hold_the_range(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    found = ticks(low, high)
    gaps = [after - before for before, after in pairwise(found)]
    assert 2 <= len(found) <= 12
    assert all(math.isclose(gap, gaps[0], rel_tol=1e-3) for gap in gaps)
    assert found[0] <= low + 1e-6 * gaps[0] and found[-1] >= high - 1e-6 * gaps[0]


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (3e-4, 3e-4, [1e-4, 2e-4, 3e-4, 4e-4, 5e-4]),
    ],
)
def test_ticks_of_known_ranges(low: float, high: float, wanted: list[float]) -> None:
    assert ticks(low, high) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (0.0, "0"),
        (0.5, "0.5"),
        (33.333, "33.3"),
        (1234.5, "1234"),
        (3e-4, "3e-4"),
        (2.5e6, "2.5e6"),
        (-0.012, "-0.012"),
    ],
)
def test_number_text(value: float, wanted: str) -> None:
    assert number_text(value) == wanted


def test_running_mean_is_the_mean_of_the_neighbors() -> None:
    points = [(step, float(value)) for step, value in enumerate([1, 2, 6, 3])]
    assert running_mean(points, 3) == [(0, 1.5), (1, 3.0), (2, 11 / 3), (3, 4.5)]
    assert running_mean(points, 1) == points
    assert smoothing_window(10) == 1 and smoothing_window(120) % 2 == 1


def test_lines_lie_where_their_values_are() -> None:
    html = line_chart([Series("a", [(0, 0.0), (10, 100.0)])], title="t", y_range=(0, 100), width=400, height=200)
    points = html.split('points="')[1].split('"')[0].split()
    (x0, y0), (x1, y1) = (tuple(map(float, point.split(","))) for point in points)
    assert x0 < x1 and y1 == 10 and y0 == 200 - 34  # the top and the bottom of the plot
    assert f'y1="{y1:.1f}"' in html  # a grid line at the tick of 100


def test_legend_ends_on_the_last_value_and_levels_are_named() -> None:
    chart = line_chart(
        [Series("first", [(1, 1.0), (2, 7.25)]), Series("second", [(1, 2.0)])], title="t", levels=[Level("base", 3.5)]
    )
    assert "first <b>7.25</b>" in chart and "second <b>2</b>" in chart and "base 3.5" in chart
    assert 'aria-label="t: first from 1 at 1 to 7.25 at 2; second from 2 at 1 to 2 at 1"' in chart


def test_nothing_to_draw_is_said() -> None:
    assert "no steps yet" in line_chart([Series("a", [])], title="t", empty="no steps yet")


def test_names_are_escaped() -> None:
    chart = line_chart(
        [Series("<b>", [(0, 1.0)]), Series("&", [(0, 1.0)])], title="<script>", levels=[Level('"<', 1.0)]
    )
    assert "<script>" not in chart and "&lt;b&gt;" in chart and '"<' not in chart
