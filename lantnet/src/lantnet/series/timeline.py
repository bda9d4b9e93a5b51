"""From what was found between neighboring dates to one account of every pixel (our choice of rules).

A change *holds* at a later date where the level there still lies at least half of its step away from the level before
it, to the same side. A change that only undoes an earlier one (its new level lies within half a step of the level
before that) is the end of the earlier one, not a change to tell of. Of the others a pixel is told by the one that most
later dates confirm, the first of equals.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lantnet.results.maps import BRIGHTER, DARKER, NO_DATA
from lantnet.types import Float32, Labels, Mask

NEVER = 0
HOLDS = 0.5
"""Of the step of a change, what must be left of it."""


@dataclass(frozen=True)
class Timeline:
    """All (H, W) uint8; NO_DATA where fewer than two dates hold data.

    date: number of the first date that shows the change, from 1 (the second date); 0 where none was found.
    direction: 0, BRIGHTER, DARKER. persistence: at how many dates in a row, that one included, the change holds (dates
    without data do not count and do not end it). confirmed: how many dates after it show it. changes: how many were
    found in all, returns included.
    """

    date: Labels
    direction: Labels
    persistence: Labels
    confirmed: Labels
    changes: Labels


def timeline(found: Mask, levels: Float32) -> Timeline:
    """found: (N - 1, H, W), what changed between neighboring dates; levels: (N, H, W) smoothed log-amplitudes on one
    calibration, NaN without data."""
    dates, height, width = levels.shape
    shape = (height, width)
    best = {name: np.zeros(shape, dtype=np.uint8) for name in ("date", "direction", "persistence", "confirmed")}
    for k in range(1, dates):
        step = levels[k] - _last(levels[:k])
        told = found[k - 1] & np.isfinite(step)
        for j in range(1, k):
            before = _last(levels[:j])
            undone = np.abs(levels[k] - before) < HOLDS * np.abs(levels[j] - before)
            told &= ~(found[j - 1] & undone)
        confirmed, persistence = _later(levels[k:] - _last(levels[:k]), step)
        better = told & ((best["date"] == NEVER) | (confirmed > best["confirmed"]))
        best["date"][better] = k
        best["direction"][better] = np.where(step > 0, BRIGHTER, DARKER)[better]
        best["persistence"][better] = persistence[better]
        best["confirmed"][better] = confirmed[better]
    changes = found.sum(axis=0).astype(np.uint8)
    missing = np.isfinite(levels).sum(axis=0) < 2
    for values in (*best.values(), changes):
        values[missing] = NO_DATA
    return Timeline(**best, changes=changes)


def _last(levels: Float32) -> Float32:
    """The latest level that is not NaN, (N, H, W) -> (H, W)."""
    last: Float32 = levels[0].copy()
    for level in levels[1:]:
        last = np.where(np.isfinite(level), level, last)
    return last


def _later(away: Float32, step: Float32) -> tuple[Labels, Labels]:
    """Dates after a change that show it, and how many in a row hold it from its own date on.

    away: (dates from the change on, H, W), how far levels lie from the one before it.
    """
    known: NDArray[np.bool_] = np.isfinite(away)
    with np.errstate(invalid="ignore"):
        holds = known & (away * np.sign(step) >= HOLDS * np.abs(step))
    unbroken = np.logical_and.accumulate(holds | ~known, axis=0)
    return holds[1:].sum(axis=0).astype(np.uint8), (unbroken & holds).sum(axis=0).astype(np.uint8)
