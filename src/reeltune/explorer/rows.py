"""One line of a run's files as rows of the index: the group (a sample asked once) and its answers."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from reeltune.explorer.sources import RowFile
from reeltune.sample import Sample
from reeltune.tasks import get_task
from reeltune.tasks.base import FULL

Row = Mapping[str, Any]
Values = dict[str, Any]

TEXT = ("part", "file", "sample", "task", "type", "source", "media", "question", "decision", "reason", "kind",
        "difficulty")  # fmt: skip
GROUP = ("line", "step", "answers", "reward", "best", "std", "advantage", "iou", "correct", "unreadable", "truncated",
         "length", "tokens", "duration", "start", "end", "span", "spans", "replaced", "gold", "unjudged",
         "duplicates", "leaks", "kept")  # fmt: skip
"""The columns of both tables besides the reward's components and the metrics, which come as they are met."""

OVERLAPS = ("iou", "miou", "overlap", "mean_overlap")
EXACT = ("accuracy", "correct")
HALF = 0.5
NAME = re.compile(r"[A-Za-z_][\w@./]{0,60}")


@dataclass
class Indexed:
    """`group` and each of `answers`: column -> value; `texts`: what each answer says."""

    group: Values
    answers: list[Values] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def row_maker(file: RowFile) -> Callable[[Row, Sample | None], Indexed]:
    """How the lines of this file are read."""
    return {"rollout": _rollout, "evaluation": _answer, "sample": _sample, "selection": _selection}[file.part]


def overlap_of(values: Row) -> float | None:
    """The IoU among components or metrics, by whatever name a task gives it; in 0..1."""
    return next((values[name] for name in OVERLAPS if values.get(name) is not None), None)


def correctness(values: Row) -> float | None:
    """1 for a right answer: an exact one that is right, else an overlap of at least a half, else a full score of the
    first component; None where nothing says so. (Our choice; 0.5 is the usual threshold of R@.)"""
    exact = next((values[name] for name in EXACT if values.get(name) is not None), None)
    if exact is not None:
        return float(exact >= FULL)
    if (overlap := overlap_of(values)) is not None:
        return float(overlap >= HALF)
    others = [value for name, value in values.items() if value is not None and name not in ("format", "length")]
    return float(others[0] >= FULL) if others else None


def _rollout(row: Row, sample: Sample | None) -> Indexed:
    texts: Sequence[str] = row["texts"]
    components: Mapping[str, Sequence[float | None]] = row.get("components", {})
    rewards, advantages = row["reward"], row["advantage"]
    unread = row.get("unparsed") or [_unread(sample, text) for text in texts]
    gold = len(texts) - 1 if row.get("gold") else -1
    answers = []
    for index, text in enumerate(texts):
        values = {name: each[index] for name, each in components.items()}
        answers.append(
            {
                **named(values),
                "reward": rewards[index],
                "advantage": advantages[index],
                "iou": overlap_of(values),
                "correct": correctness(values),
                "unreadable": unread[index],
                "truncated": row["truncated"][index],
                "length": len(text),
                "tokens": row["tokens"][index] if "tokens" in row else None,
                "gold": index == gold,
            }
        )
    sampled = [reward for reward, each in zip(rewards, answers, strict=True) if not each["gold"]]
    group = {
        **_about(row, sample),
        **_means(answers),
        "best": max(sampled),
        "std": _spread(sampled),
        "advantage": max(abs(value) for value in advantages),
        "replaced": bool(row.get("replaced")),
    }
    return Indexed(group, answers, list(texts))


def _answer(row: Row, sample: Sample | None) -> Indexed:
    """A line of predictions: {"id", "text"}; scored here as `reeltune score` does. Or a line of its scores."""
    if "text" not in row and "answers" in row:
        return _scored(row, sample)
    text = str(row["text"])
    values: dict[str, float] = {}
    unread = None
    if sample is not None:
        task = get_task(sample.task)
        parsed = task.read(sample, text)
        values, unread = task.scores(sample, parsed.value), parsed.reason is not None
    answer = {
        **named(values),
        "iou": overlap_of(values),
        "correct": correctness(values),
        "unreadable": unread,
        "truncated": row.get("truncated"),
        "length": len(text),
    }
    return Indexed({**_about(row, sample), **answer, "answers": 1}, [answer], [text])


def _scored(row: Row, sample: Sample | None) -> Indexed:
    """A line of `reeltune score --per-sample`: metrics in percent, and of each answer what was read of it."""
    parsed: Sequence[Row] = row["answers"]
    numbers = {name: value / 100.0 for name, value in numbers_of(row).items()}
    unread = [each.get("reason") is not None for each in parsed]
    scores = {**named(numbers), "iou": overlap_of(numbers), "correct": correctness(numbers)}
    group = {**_about(row, sample), **scores, "unreadable": _mean(unread), "answers": len(parsed)}
    group.setdefault("media", row.get("video"))
    own = scores if len(parsed) == 1 else {}  # of several only the means are told
    answers = [{**own, "unreadable": each} for each in unread]
    return Indexed(group, answers, [shown_value(each) for each in parsed])


def numbers_of(row: Row) -> dict[str, float]:
    """The metrics of a line of scores, in percent."""
    return {name: value for name, value in row.items() if isinstance(value, float | int) and name != "id"}


def shown_value(parsed: Row) -> str:
    """What was read, as text; nothing where nothing was."""
    value = parsed.get("value")
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


def _sample(row: Row, sample: Sample | None) -> Indexed:
    return Indexed({**_about(row, sample), "answers": 0})


def _selection(row: Row, sample: Sample | None) -> Indexed:
    rewards = [value for value in row["rewards"] if value is not None]
    values = {name: _mean([v for v in each if v is not None]) for name, each in row["components"].items()}
    count = len(row["rewards"])
    group = {
        **_about(row["sample"], sample),
        **named(values),
        "answers": count,
        "reward": _mean(rewards),
        "best": max(rewards, default=None),
        "std": row["std"],
        "iou": overlap_of(values),
        "correct": row["passes"] / count,
        "unreadable": row["unparsed"] / count,
        "truncated": row["truncated"] / count,
        "tokens": _mean(row["lengths"]),
    }
    return Indexed(group, [], [])


def _about(row: Row, sample: Sample | None) -> Values:
    """What is known of the sample. One that no file holds has its id and its task alone."""
    found: Values = {"sample": str(row["id"]), "task": row.get("task")}
    if sample is None:
        return found
    task = get_task(sample.task)
    spans = task.spans(sample)
    found |= {"task": sample.task, "type": task.type_of(sample) or _kind(sample), "source": sample.source,
              "media": sample.media_name, "question": question(sample),
              "duration": getattr(sample, "duration", None), "spans": len(spans) if spans else None}  # fmt: skip
    if spans:
        found |= {"start": spans[0][0], "end": spans[-1][1], "span": sum(end - start for start, end in spans)}
    return found


def _kind(sample: Sample) -> str | None:
    """Where the annotation has no type: its `meta.kind`, as toyworld's and some imports' samples do."""
    kind = sample.meta.get("kind")
    return str(kind) if kind is not None else None


def question(sample: Sample) -> str:
    """The prompt as its task writes it, which is what one searches for."""
    task = get_task(sample.task)
    return task.prompt(sample, task.modes[-1])


def _unread(sample: Sample | None, text: str) -> bool | None:
    return None if sample is None else get_task(sample.task).read(sample, text).value is None


def _means(answers: Sequence[Values]) -> Values:
    """Each number's mean over the sampled answers; the gold one says nothing about the model."""
    sampled = [each for each in answers if not each["gold"]] or answers
    found: Values = {"answers": len(answers), "gold": len(answers) - len(sampled)}
    for name in sampled[0]:
        if name not in ("gold", "advantage"):
            found[name] = _mean([value for each in sampled if (value := each.get(name)) is not None])
    return found


def named(values: Mapping[str, float | None]) -> Values:
    """Components and metrics as columns."""
    return {column: value for name, value in values.items() if (column := _column(name))}


@cache
def _column(name: str) -> str:
    """What a component goes by: with an underscore where the index has something else of that name, "" for no name."""
    if not NAME.fullmatch(name):
        return ""
    return f"{name}_" if name in {*TEXT, *GROUP} - {"iou", "correct"} else name


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _spread(values: Sequence[float]) -> float | None:
    """The standard deviation as the advantage has it (ddof = 1)."""
    if len(values) < 2:
        return None
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
