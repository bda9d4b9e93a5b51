"""Histograms as SVG text, in the colors of the report pages."""

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 460, 200, 44, 14, 10, 34


def binned(values: Sequence[float], high: float, count: int = 20) -> list[int]:
    """How many values lie in each of `count` equal parts of 0..high; the last part holds `high` and what is above.

    >>> binned([0.0, 0.1, 0.5, 1.0], 1.0, 2)
    [2, 2]
    """
    bins = [0] * count
    for value in values:
        bins[min(max(int(value / high * count), 0), count - 1)] += 1
    return bins


def histogram(
    kept: Sequence[int],
    dropped: Sequence[int],
    labels: Sequence[str],
    *,
    title: str,
    note: str = "",
    x_label: str = "",
    every: int = 1,
) -> str:
    """A <figure> of stacked bars, kept below and dropped above; every `every`-th label stands under its bar."""
    top = max((low + high for low, high in zip(kept, dropped, strict=True)), default=0) or 1
    step = (WIDTH - LEFT - RIGHT) / len(labels)
    bottom = HEIGHT - BOTTOM
    scale = (bottom - TOP) / top
    parts = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{number}</text>'
        for number, y in ((0, bottom), (top, bottom - top * scale))
    ]
    for place, (low, high, label) in enumerate(zip(kept, dropped, labels, strict=True)):
        x, width = LEFT + place * step + 1, max(step - 2, 1)
        said = escape(f"{label}: {low} kept, {high} dropped")
        bars = (("good", low, bottom - low * scale), ("base", high, bottom - (low + high) * scale))
        rectangles = "".join(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{count * scale:.1f}" '
            f'style="fill:var(--{color})"/>'
            for color, count, y in bars
            if count
        )
        parts.append(f"<g><title>{said}</title>{rectangles}</g>")
        if place % every == 0:
            parts.append(f'<text x="{x + width / 2:.1f}" y="{bottom + 16}" text-anchor="middle">{escape(label)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle:.0f}" y="{HEIGHT - 3}" text-anchor="middle">{escape(x_label)}</text>')
    spoken = escape(f"{title}: {sum(kept)} kept, {sum(dropped)} dropped")
    return (
        f'<figure class="chart"><figcaption><b>{escape(title)}</b><span>{escape(note)}</span></figcaption>'
        '<ul class="legend"><li><i class="dot" style="background:var(--good)"></i>kept</li>'
        '<li><i class="dot" style="background:var(--base)"></i>dropped</li></ul>'
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{spoken}">{"".join(parts)}</svg>'
        "</figure>"
    )
