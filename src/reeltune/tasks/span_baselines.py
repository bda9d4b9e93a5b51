"""The best answer that looks at no video: one span, as fractions of the duration, for every sample."""

from collections.abc import Sequence

from reeltune.tasks.spans import Span, merge

GRID = 20
"""The fixed span starts and ends on twentieths of the duration (our choice)."""


def best_fixed_span(rows: Sequence[tuple[float, Sequence[Span]]]) -> tuple[float, float]:
    """(start, end) in fractions of the duration with the highest mean IoU over (duration, true spans); the
    earliest, shortest of equals."""
    import numpy as np

    merged = [merge(spans) for _, spans in rows]
    width = max(len(spans) for spans in merged)
    truth = np.zeros((2, width, len(rows)))
    for index, spans in enumerate(merged):
        truth[:, : len(spans), index] = np.array(spans).T
    durations = np.array([duration for duration, _ in rows])
    lengths = (truth[1] - truth[0]).sum(axis=0)
    best, choice = -1.0, (0.0, 1.0)
    for first in range(GRID):
        for last in range(first + 1, GRID + 1):
            start, end = first / GRID * durations, last / GRID * durations
            shared = (np.minimum(truth[1], end) - np.maximum(truth[0], start)).clip(0).sum(axis=0)
            mean = float((shared / (lengths + (end - start) - shared)).mean())
            if mean > best + 1e-12:
                best, choice = mean, (first / GRID, last / GRID)
    return choice
