"""An evaluation taken apart: by type and source, against the trivial answers, which option was taken for which."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from reeltune.explorer.drawing import drawn
from reeltune.explorer.group import file_of
from reeltune.explorer.lines import read_line
from reeltune.explorer.opened import Opened
from reeltune.explorer.rows import GROUP, correctness, overlap_of
from reeltune.sample import Sample
from reeltune.tasks import get_task
from reeltune.tasks.base import Task

Row = dict[str, Any]
MOST_READ = 20_000
"""Answers of a task that are read again for the table of options."""
OPTIONS_SHOWN = 26


def breakdown(opened: Opened, asked: Mapping[str, str]) -> Row:
    """{"steps", "step", "tasks": [...]} of the evaluation at `step`, the last one by default."""
    index = opened.index
    steps = [row["step"] for row in index.select(
        "SELECT DISTINCT step FROM groups WHERE part = 'evaluation' ORDER BY step")]  # fmt: skip
    if not steps:
        return {"steps": [], "step": None, "tasks": []}
    step = float(asked["step"]) if asked.get("step") else steps[-1]
    rows = index.select("SELECT * FROM groups WHERE part = 'evaluation' AND step IS ?", (step,))
    tasks: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        tasks[row["task"] or "unknown"].append(row)
    return {"steps": steps, "step": step, "tasks": [_task(opened, name, own) for name, own in sorted(tasks.items())]}


def _task(opened: Opened, name: str, rows: Sequence[Row]) -> Row:
    metrics = [metric for metric in rows[0] if metric not in GROUP and isinstance(rows[0][metric], float | int)
               and metric not in ("key", "offset", "size")]  # fmt: skip
    metrics = [metric for metric in metrics if any(row[metric] is not None for row in rows)]
    samples = [opened.find(file_of(opened, row), {"id": row["sample"]}) for row in rows[:MOST_READ]]
    known = [(row, sample) for row, sample in zip(rows, samples, strict=False) if sample is not None]
    return {
        "task": name,
        "metrics": metrics,
        "all": _means(rows, metrics),
        "types": _by(rows, "type", metrics),
        "sources": _by(rows, "source", metrics),
        "baselines": _baselines(name, known) if known else [],
        "confusion": _confusion(opened, name, known),
    }


def _means(rows: Sequence[Row], metrics: Sequence[str]) -> Row:
    found: Row = {"n": len(rows)}
    for metric in ("correct", "iou", "unreadable", "truncated", *metrics):
        own = [row[metric] for row in rows if row.get(metric) is not None]
        if own:
            found[metric] = sum(own) / len(own)
    return found


def _by(rows: Sequence[Row], field: str, metrics: Sequence[str]) -> list[Row]:
    """The worst first."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row[field] is not None:
            groups[row[field]].append(row)
    found = [{"name": name, **_means(own, metrics)} for name, own in groups.items()]
    return sorted(found, key=lambda row: row.get("correct", 0.0))


def _baselines(name: str, known: Sequence[tuple[Row, Sample]]) -> list[Row]:
    """What needs no video, fitted to these samples themselves, which flatters it; and on how many the model is better.

    A model that does not beat it on a sample has shown nothing there.
    """
    task = get_task(name)
    samples = [sample for _, sample in known]
    found = []
    for baseline, scores in task.trivial_scores(samples).items():
        trivial = [_score(each) for each in scores]
        ours = [_score(row) for row, _ in known]
        pairs = [(a, b) for a, b in zip(trivial, ours, strict=True) if a is not None and b is not None]
        right = [value for each in scores if (value := correctness(each)) is not None]
        if pairs:
            found.append(
                {
                    "name": baseline,
                    "n": len(pairs),
                    "score": sum(a for a, _ in pairs) / len(pairs),
                    "ours": sum(b for _, b in pairs) / len(pairs),
                    "correct": sum(right) / len(right) if right else None,
                    "better": sum(b > a for a, b in pairs),
                    "equal": sum(b == a for a, b in pairs),
                    "worse": sum(b < a for a, b in pairs),
                }
            )
    return found


def _score(values: Mapping[str, Any]) -> float | None:
    overlap = overlap_of(values)
    return overlap if overlap is not None else values.get("accuracy", correctness(values))


def _confusion(opened: Opened, name: str, known: Sequence[tuple[Row, Sample]]) -> Row | None:
    """{"names", "counts": [truth][answer], "unread": [truth]} of a task whose answer is one of few."""
    if not known:
        return None
    task = get_task(name)
    field = next((field for field, kind in task.fields.items() if kind in ("letter", "label")), None)
    if field is None:
        return None
    counts: Counter[tuple[str, str]] = Counter()
    unread: Counter[str] = Counter()
    for row, sample in known:
        line = read_line(file_of(opened, row).path, row["offset"], row["size"])
        said = _said(task, sample, line)
        target = str(getattr(sample, field))
        if not said:
            unread[target] += 1
        else:
            counts[target, said] += 1
    names = sorted({*unread, *(name for pair in counts for name in pair)})[:OPTIONS_SHOWN]
    return {
        "names": names,
        "counts": [[counts[truth, said] for said in names] for truth in names],
        "unread": [unread[truth] for truth in names],
    }


def _said(task: Task[Any, Any], sample: Sample, line: Row) -> str:
    """The option that a line answers, "" where none can be read; of a line of scores what stands in it."""
    if "text" in line:
        value = task.read(sample, str(line["text"])).value
    else:
        value = next((each.get("value") for each in line.get("answers", ())), None)
    return "" if value is None else str(drawn(value, ())["text"]).split(" · ")[0]
