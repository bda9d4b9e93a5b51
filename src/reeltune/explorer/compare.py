"""Two or more runs, steps or models beside each other, sample by sample, and what differs in their settings."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from reeltune.errors import InputError
from reeltune.explorer.opened import Opened
from reeltune.explorer.overview import flat
from reeltune.explorer.session import Session
from reeltune.statistics import bootstrap_means, interval_of

Row = dict[str, Any]
MOST_SIDES = 6
MOST_ROWS = 300
DRAWS = 2000
HALF = 0.5


def compare(session: Session, asked: Mapping[str, str]) -> Row:
    """`sides`: NAME or NAME@STEP, joined by commas, the first is what the others are held against.

    `pattern`: rows of one outcome, a digit a side, 1 where it is right: "01" is what the second won. InputError for
    fewer than two sides. Where they have no sample in common `n` is 0, and their settings are all that is told.
    """
    names = [name for name in asked.get("sides", "").split(",") if name]
    if not 2 <= len(names) <= MOST_SIDES:
        raise InputError(f"sides: two to {MOST_SIDES} can be compared, as NAME or NAME@STEP; got {len(names)}")
    sides = [_side(session, name) for name in names]
    scores = [_scores(opened, step) for opened, step in sides]
    common = [name for name in scores[0] if all(name in other for other in scores[1:])]
    rows = [_row(name, [side[name] for side in scores]) for name in common]
    counts = Counter(row["pattern"] for row in rows)
    chosen = [row for row in rows if row["pattern"] == asked.get("pattern", row["pattern"])]
    chosen.sort(key=lambda row: (-abs(row["scores"][-1] - row["scores"][0]), row["sample"]))
    settings = [flat(opened.source.config()) for opened, _ in sides]
    keys = list(dict.fromkeys(key for each in settings for key in each))
    return {
        "sides": [{"name": opened.source.name, "step": step, "steps": _steps(opened), "kind": opened.source.kind,
                   "only": len(own) - len(common)} for (opened, step), own in zip(sides, scores, strict=True)],
        "n": len(common),
        "patterns": dict(counts),
        "rows": chosen[:MOST_ROWS],
        "differences": [_difference(rows, number) for number in range(1, len(sides))] if rows else [],
        "settings": [
            {"name": key, "values": [each.get(key) for each in settings]}
            for key in keys
            if len({repr(each.get(key)) for each in settings}) > 1
        ],
    }  # fmt: skip


def _side(session: Session, name: str) -> tuple[Opened, float | None]:
    """The source, and the step of its evaluation: the last one where none is named."""
    opened, step = name, ""
    if name not in session.opened and "@" in name:
        opened, _, step = name.rpartition("@")
    source = session.get(opened)
    steps = _steps(source)
    if step:
        try:
            number = float(step)
        except ValueError:
            raise InputError(f"sides: {name}: {step!r} is not a step") from None
        if number not in steps:
            raise InputError(f"sides: {opened} has no evaluation at step {step}; it has {steps}")
        return source, number
    return source, steps[-1] if steps else None


def _steps(opened: Opened) -> list[float]:
    sql = "SELECT DISTINCT step FROM groups WHERE part = 'evaluation' AND step IS NOT NULL ORDER BY step"
    return [row["step"] for row in opened.index.select(sql)]


def _scores(opened: Opened, step: float | None) -> dict[str, Row]:
    """By sample: how right, how good, where it stands. Of a run without evaluations: its rollouts."""
    sql = (
        "SELECT sample, task, type, media, file, line, avg(correct) AS correct, avg(coalesce(iou, correct, reward)) "
        "AS score, avg(unreadable) AS unreadable FROM groups WHERE {} GROUP BY sample"
    )
    found = opened.index.select(sql.format("part = 'evaluation' AND step IS ?"), (step,))
    found = found or opened.index.select(sql.format("part <> 'sample'"))
    return {row["sample"]: row for row in found if row["score"] is not None}


def _row(name: str, found: list[Row]) -> Row:
    right = [(row["correct"] if row["correct"] is not None else row["score"]) >= HALF for row in found]
    return {
        "sample": name,
        "task": found[0]["task"],
        "type": found[0]["type"],
        "media": found[0]["media"],
        "at": [f"{row['file']}:{int(row['line'])}" for row in found],
        "scores": [row["score"] for row in found],
        "pattern": "".join("1" if each else "0" for each in right),
    }


def _difference(rows: list[Row], side: int) -> Row:
    """Of the mean score of a side less the first's: paired, drawn over whole media; 95 %."""
    steps = np.array([[row["scores"][side] - row["scores"][0]] for row in rows])
    drawn = bootstrap_means(steps, DRAWS, np.random.default_rng(0), [row["media"] or row["sample"] for row in rows])
    low, high = interval_of(drawn)
    return {
        "a": float(np.mean([row["scores"][0] for row in rows])),
        "b": float(np.mean([row["scores"][side] for row in rows])),
        "difference": float(steps.mean()),
        "low": float(low[0]),
        "high": float(high[0]),
    }
