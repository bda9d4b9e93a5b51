"""What a samples file holds, at a glance: durations, spans, letters and labels, as text and as a picture."""

import statistics
from collections.abc import Mapping, Sequence
from html import escape

from reeltune.data.findings import counts_by
from reeltune.progress import counted
from reeltune.sample import Sample
from reeltune.tasks import get_task

BINS = 10
Bars = Mapping[str, float]
"""Label -> height, in order."""


def overview_text(samples: Sequence[Sample]) -> str:
    """Counts, ranges, and a row of bars for each distribution."""
    lines = []
    for task, own in _by_task(samples).items():
        videos = len({sample.files for sample in own if sample.files})
        lines.append(f"{task}: {counted(len(own), 'sample')} of {counted(videos, 'video')}")
        for title, bars in _distributions(own).items():
            lines.append(f"  {title}")
            highest = max(bars.values()) or 1
            width = max(len(label) for label in bars)
            for label, value in bars.items():
                bar = "█" * round(30 * value / highest)
                lines.append(f"    {label.ljust(width)} {_number(value).rjust(7)} {bar}".rstrip())
    return "\n".join(lines)


def overview_svg(samples: Sequence[Sample]) -> str:
    """The same distributions as one SVG, a row of charts for each task."""
    chart, height, parts = 260, 170, []
    tasks = {task: _distributions(own) for task, own in _by_task(samples).items()}
    columns = max(1, *(len(found) for found in tasks.values()))
    for row, (task, found) in enumerate(tasks.items()):
        y = row * (height + 30)
        parts.append(f'<text x="0" y="{y + 14}" font-weight="bold">{escape(task)}</text>')
        for column, (title, bars) in enumerate(found.items()):
            parts.append(_chart(column * (chart + 20), y + 20, chart, height - 10, title, bars))
    size = (columns * (chart + 20), len(tasks) * (height + 30))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" width="{size[0]}" '
        f'font-family="system-ui,sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>'
        f"{''.join(parts)}</svg>\n"
    )


def _chart(x: float, y: float, width: float, height: float, title: str, bars: Bars) -> str:
    highest, step, floor = max(bars.values()) or 1, width / len(bars), y + height - 18
    parts = [f'<text x="{x}" y="{y + 12}">{escape(title)}</text>']
    for index, (label, value) in enumerate(bars.items()):
        tall = (height - 38) * value / highest
        parts.append(
            f'<rect x="{x + index * step + 1:.1f}" y="{floor - tall:.1f}" width="{step - 2:.1f}" '
            f'height="{tall:.1f}" fill="#3b6fd4"><title>{escape(label)}: {_number(value)}</title></rect>'
        )
        if len(bars) <= 12 and index % max(1, len(bars) // 5) == 0:
            parts.append(f'<text x="{x + index * step + 1:.1f}" y="{floor + 13:.1f}">{escape(label[:12])}</text>')
    return "".join(parts)


def _by_task(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    names = dict.fromkeys(sample.task for sample in samples)
    return {name: [sample for sample in samples if sample.task == name] for name in names}


def _distributions(samples: Sequence[Sample]) -> dict[str, Bars]:
    found: dict[str, Bars] = {}
    samples_of_known_length = [sample for sample in samples if getattr(sample, "duration", None) is not None]
    durations = [float(getattr(sample, "duration")) for sample in samples_of_known_length]  # noqa: B009
    if durations:
        middle = statistics.median(durations)
        title = f"duration in seconds: {min(durations):g} to {max(durations):g}, median {middle:g}"
        found[title] = _histogram(durations)
        spans = [
            [(start / duration, end / duration) for start, end in get_task(sample.task).spans(sample)]
            for sample, duration in zip(samples_of_known_length, durations, strict=True)
        ]
        lengths = [min(1.0, sum(end - start for start, end in own)) for own in spans if own]
        if lengths:
            found["true time as % of the video"] = _shares(lengths)
            found["% of samples whose truth covers this part of the video"] = _coverage(spans)
    targets = [getattr(sample, "target", None) for sample in samples]
    answers = [target for target in targets if isinstance(target, str)]
    if answers:
        found["right answers"] = {str(key): float(value) for key, value in counts_by(answers).items()}
    return found


def _histogram(values: Sequence[float]) -> Bars:
    low, high = min(values), max(values)
    if low == high:
        return {f"{low:g}": float(len(values))}
    step = (high - low) / BINS
    bins = [0.0] * BINS
    for value in values:
        bins[min(BINS - 1, int((value - low) / step))] += 1
    decimals = 0 if step >= 2 else 1 if step >= 0.2 else 3
    edges = [f"{low + index * step:.{decimals}f}" for index in range(BINS + 1)]
    return {f"{edges[i]} to {edges[i + 1]}": count for i, count in enumerate(bins)}


def _shares(values: Sequence[float]) -> Bars:
    bins = [0.0] * BINS
    for value in values:
        bins[min(BINS - 1, int(value * BINS))] += 1
    return {f"{10 * i} to {10 * i + 10}": count for i, count in enumerate(bins)}


def _coverage(spans: Sequence[Sequence[tuple[float, float]]]) -> Bars:
    bins = [0.0] * BINS
    for own in spans:
        for index in range(BINS):
            center = (index + 0.5) / BINS
            bins[index] += any(start <= center <= end for start, end in own)
    return {f"{10 * i} to {10 * i + 10}": 100 * count / len(spans) for i, count in enumerate(bins)}


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.1f}"
