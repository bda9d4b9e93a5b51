"""Line charts as SVG text: axes, lines, dashed levels, a legend. Colors are CSS variables of the page.

A plotting library would bring a heavy dependency and pictures that know nothing of the page's light and dark.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]

RIGHT, TOP, BOTTOM = 14, 10, 34
CHARACTER = 6.8
"""Width of a character of an axis label, at its font of 12 units."""
SMALLEST = 1e-30
"""Smaller values are drawn as zero."""
NICE_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Series:
    """One line. `color` names a CSS variable without its dashes; `dash` sets lines apart without color."""

    name: str
    points: Sequence[Point]
    color: str = "ink"
    dash: str = ""
    marks: bool = False
    """Draw every point: for the few points of evaluations."""
    smooth: bool = False
    """Draw the values faintly and their running mean strongly."""


@dataclass(frozen=True)
class Level:
    """A horizontal line, such as a trivial baseline."""

    name: str
    value: float
    color: str = "muted"


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    note: str = "",
    x_label: str = "step",
    levels: Sequence[Level] = (),
    y_range: Point | None = None,
    width: int = 460,
    height: int = 240,
    empty: str = "no data recorded",
    last_values: bool = True,
) -> str:
    """A <figure>: title, legend with each line's last value (unless turned off), the chart.

    `y_range` is widened where values lie outside it. Series without a point are left out; without any, the
    figure says `empty`.
    """
    drawn = [each for each in series if each.points]
    head = f"<figcaption><b>{escape(title)}</b>{f'<span>{escape(note)}</span>' if note else ''}</figcaption>"
    if not drawn:
        return f'<figure class="chart">{head}<p class="muted">{escape(empty)}</p></figure>'
    frame = _frame(drawn, levels, y_range, width, height)
    legend = _legend(drawn, last_values) if len(drawn) > 1 else ""
    parts = [_axes(frame, x_label), *(_line(frame, each) for each in drawn)]
    parts += [_level(frame, level, number) for number, level in enumerate(levels)]
    label = escape(f"{title}: " + "; ".join(_in_words(each) for each in drawn))
    svg = f'<svg class="plot" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    return f'<figure class="chart">{head}{legend}{svg}</figure>'


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers from at or below `low` to at or above `high`, about `count` of them. A range without width
    is given some.

    >>> ticks(0, 97)
    [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    """
    size = max(abs(low), abs(high))
    if size < SMALLEST:
        low, high = 0.0, 1.0
    elif high - low < 1e-6 * size:
        low, high = low - size / 2, high + size / 2
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(nice * power for nice in NICE_STEPS if nice * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def running_mean(points: Sequence[Point], window: int) -> list[Point]:
    """Each value as the mean of the `window` values around it, fewer at the ends."""
    half = window // 2
    values = [y for _, y in points]
    result = []
    for index, (x, _) in enumerate(points):
        near = values[max(0, index - half) : index + half + 1]
        result.append((x, math.fsum(near) / len(near)))
    return result


def smoothing_window(count: int) -> int:
    """An odd number of steps, about a twelfth of all; 1 (no smoothing) for short runs."""
    return max(1, count // 12 | 1) if count >= 24 else 1


def number_text(value: float) -> str:
    """Three significant digits, no needless zeros.

    >>> number_text(0.12345), number_text(1200.0), number_text(50.0)
    ('0.123', '1200', '50')
    """
    if value == 0:
        return "0"
    if abs(value) < 1e-3 or abs(value) >= 1e5:
        return f"{value:.1e}".replace(".0e", "e").replace("e-0", "e-").replace("e+0", "e")
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True)
class _Frame:
    x_ticks: Sequence[float]
    y_ticks: Sequence[float]
    x_range: Point
    width: int
    height: int

    @property
    def left(self) -> float:
        """Room for the longest label of the value axis."""
        return 12 + CHARACTER * max(len(number_text(tick)) for tick in self.y_ticks)

    def x(self, value: float) -> float:
        low, high = self.x_range
        return self.left + (value - low) / (high - low or 1.0) * (self.width - self.left - RIGHT)

    def y(self, value: float) -> float:
        low, high = self.y_ticks[0], self.y_ticks[-1]
        return self.height - BOTTOM - (value - low) / (high - low) * (self.height - TOP - BOTTOM)


def _frame(series: Sequence[Series], levels: Sequence[Level], y_range: Point | None, width: int, height: int) -> _Frame:
    xs = [x for each in series for x, _ in each.points]
    ys = [y for each in series for _, y in each.points] + [level.value for level in levels]
    low, high = (min(ys), max(ys)) if y_range is None else (min(*ys, y_range[0]), max(*ys, y_range[1]))
    x_range = (min(xs), max(xs))
    inside = [tick for tick in ticks(*x_range, max(3, width // 90)) if x_range[0] <= tick <= x_range[1]]
    inside = inside if x_range[0] < x_range[1] else [x_range[0]]
    return _Frame(inside, ticks(low, high, 4), x_range, width, height)


def _axes(frame: _Frame, x_label: str) -> str:
    right, bottom = frame.width - RIGHT, frame.height - BOTTOM
    parts = []
    for tick in frame.y_ticks:
        y = frame.y(tick)
        parts.append(f'<line class="grid" x1="{frame.left:.1f}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{frame.left - 7:.1f}" y="{y + 4:.1f}" text-anchor="end">{number_text(tick)}</text>')
    for tick in frame.x_ticks:
        parts.append(f'<text x="{frame.x(tick):.1f}" y="{bottom + 16}" text-anchor="middle">{number_text(tick)}</text>')
    middle = (frame.left + right) / 2
    parts.append(f'<text x="{middle:.0f}" y="{frame.height - 3}" text-anchor="middle">{escape(x_label)}</text>')
    return "".join(parts)


def _level(frame: _Frame, level: Level, number: int) -> str:
    """Its name stands on the line, at the two ends in turn: two levels are often close."""
    y = frame.y(level.value)
    x, anchor = (frame.left + 4, "start") if number % 2 else (frame.width - RIGHT - 2, "end")
    words = f"{level.name} {number_text(level.value)}"
    baseline = y - 4 if y > TOP + 8 else y + 13
    return (
        f'<line class="level" x1="{frame.left:.1f}" x2="{frame.width - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
        f'style="stroke:var(--{level.color})"/>'
        f'<text x="{x:.1f}" y="{baseline:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
    )


def _line(frame: _Frame, series: Series) -> str:
    color = f"var(--{series.color})"
    window = smoothing_window(len(series.points)) if series.smooth else 1
    parts = []
    if window > 1:
        parts.append(_path(frame, series.points, f"stroke:{color};opacity:.28;stroke-width:1"))
    dash = f";stroke-dasharray:{series.dash}" if series.dash else ""
    parts.append(_path(frame, running_mean(series.points, window), f"stroke:{color}{dash}"))
    marked = series.points if series.marks or len(series.points) == 1 else ()
    parts += [
        f'<circle cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="3.2" style="fill:{color}">'
        f"<title>{escape(series.name)}, {number_text(x)}: {y:.4g}</title></circle>"
        for x, y in marked
    ]
    return "".join(parts)


def _path(frame: _Frame, points: Sequence[Point], style: str) -> str:
    steps = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in points)
    return f'<polyline class="line" points="{steps}" style="{style}"/>'


def _legend(series: Sequence[Series], last_values: bool) -> str:
    items = []
    for each in series:
        last = f" <b>{number_text(_last(each))}</b>" if last_values else ""
        items.append(f"<li>{_swatch(each.color, each.dash)}{escape(each.name)}{last}</li>")
    return f'<ul class="legend">{"".join(items)}</ul>'


def _last(series: Series) -> float:
    """What the strong line ends on."""
    window = smoothing_window(len(series.points)) if series.smooth else 1
    return running_mean(series.points, window)[-1][1]


def _swatch(color: str, dash: str) -> str:
    style = f"stroke:var(--{color})" + (f";stroke-dasharray:{dash}" if dash else "")
    return f'<svg class="swatch" viewBox="0 0 18 8" aria-hidden="true"><path d="M0 4H18" style="{style}"/></svg>'


def _in_words(series: Series) -> str:
    (first_x, first), (last_x, last) = series.points[0], series.points[-1]
    return f"{series.name} from {first:.4g} at {first_x:g} to {last:.4g} at {last_x:g}"
