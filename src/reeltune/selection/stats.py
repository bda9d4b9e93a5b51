"""stats.jsonl: what K answers of one model to each sample earned, one line per sample."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from reeltune.errors import InputError
from reeltune.files import append_lines, whole_lines, write_text
from reeltune.sample import read_rows
from reeltune.tasks.base import FULL
from reeltune.video.quarantine import Quarantine

NOT_CONTENT = ("format", "length")
FILE = "stats.jsonl"


class SampleStats(BaseModel):
    """K answers to one sample, in the order they were drawn.

    `rewards` [K] is what training would give; `components` name -> [K], unweighted; `scores` [K] in 0..1 is the
    content alone, see `score`. None: no reward applies. `mean`, `std` (ddof = 1, as in the advantage) and
    `passes` are of the scores. `model`, `sampling` and `prompt` are digests, see `identity.py`; `sample` is the
    sample itself, its video relative to the folder of the statistics.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    index: int = Field(ge=0, description="Position in the pool.")
    task: str
    source: str | None
    rewards: list[float | None] = Field(min_length=2)
    components: dict[str, list[float | None]]
    scores: list[float | None]
    mean: float | None
    std: float | None
    passes: int
    unparsed: int
    truncated: int
    lengths: list[int]
    best: str
    worst: str
    model: str
    sampling: str
    prompt: str
    sample: dict[str, Any]

    @model_validator(mode="after")
    def _one_value_per_answer(self) -> "SampleStats":
        count = len(self.rewards)
        found = {name: len(values) for name, values in self.components.items()}
        for name, number in (found | {"scores": len(self.scores), "lengths": len(self.lengths)}).items():
            if number != count:
                raise ValueError(f"{name} has {number} values for {count} rewards")
        return self

    @property
    def scored(self) -> list[float]:
        """The scores of the answers that have one."""
        return [score for score in self.scores if score is not None]

    @property
    def max(self) -> float:
        return max(self.scored, default=0.0)


def make_stats(
    rewards: Sequence[float | None],
    components: Mapping[str, Sequence[float | None]],
    weights: Mapping[str, float],
    texts: Sequence[str],
    **rest: Any,
) -> SampleStats:
    """The statistics of one group; `rest` holds the fields that are not computed here."""
    scores = [
        score({name: values[number] for name, values in components.items()}, weights) for number in range(len(rewards))
    ]
    known = [value for value in scores if value is not None]
    worth = [-math.inf if value is None else value for value in scores]
    order = sorted(range(len(texts)), key=lambda number: worth[number])
    return SampleStats(
        rewards=list(rewards),
        components={name: list(values) for name, values in components.items()},
        scores=scores,
        mean=fmean(known) if known else None,
        std=stdev(known) if len(known) > 1 else None,
        passes=sum(value >= FULL for value in known),
        best=texts[order[-1]],
        worst=texts[order[0]],
        **rest,
    )


def score(components: Mapping[str, float | None], weights: Mapping[str, float]) -> float | None:
    """The weighted mean of the content rewards that apply; None when none does.

    Format and length are left out, and so are penalties: whether a sample is informative is a matter of its answer
    (our choice; thresholds on it mean the same whatever the weights).
    """
    applying = {
        name: value
        for name, value in components.items()
        if value is not None and name not in NOT_CONTENT and weights.get(name, 0.0) > 0
    }
    total = sum(weights[name] for name in applying)
    return sum(weights[name] * value for name, value in applying.items()) / total if total else None


def read_stats(path: Path) -> list[SampleStats]:
    """InputError names file and line of a row that is none, and a sample that stands there twice."""
    found: list[SampleStats] = []
    lines: dict[str, int] = {}
    for line, row in read_rows(path):
        try:
            stats = SampleStats.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise InputError(
                f"{path}, line {line}: not the statistics of a sample: {where}: {first['msg']}; give the "
                f"{FILE} that reeltune select wrote"
            ) from None
        if stats.id in lines:
            raise InputError(f"{path}, line {line}, id {stats.id!r}: already in line {lines[stats.id]}")
        lines[stats.id] = line
        found.append(stats)
    return found


def discrete_tasks(stats: Iterable[SampleStats]) -> set[str]:
    """Tasks whose every score is 0 or full, such as multiple choice: these are counted, the others measured."""
    between: dict[str, bool] = {}
    for each in stats:
        between[each.task] = between.get(each.task, False) or any(0 < value < FULL for value in each.scored)
    return {task for task, found in between.items() if not found}


def quarantined(directory: Path) -> dict[str, str]:
    """id -> why its video could not be used, of the samples that have no statistics."""
    path = directory / "quarantine.jsonl"
    return {row["id"]: row["reason"] for _, row in read_rows(path)} if path.exists() else {}


class StatsFile:
    """The file while it grows. A batch stands there as a whole or is asked again, so that a run that was killed
    ends with the bytes of one that never was."""

    def __init__(self, path: Path, quarantine: Quarantine) -> None:
        self.path = path
        self.quarantine = quarantine

    def missing(self, ids: Sequence[str], start: int, stop: int, size: int) -> list[range]:
        """The batches of [start, stop) still to ask, the first incomplete one and all after it. What the file holds
        of those is cut off."""
        lines = whole_lines(self.path) if self.path.exists() else []
        indices = [self._index(line, number) for number, line in enumerate(lines, start=1)]
        known = {*indices, *(index for index in range(start, stop) if ids[index] in self.quarantine)}
        batches = [range(first, min(first + size, stop)) for first in range(start, stop, size)]
        done = next((number for number, batch in enumerate(batches) if not known.issuperset(batch)), len(batches))
        limit = batches[done].start if done < len(batches) else stop
        write_text(self.path, "".join(f"{line}\n" for line, index in zip(lines, indices, strict=True) if index < limit))
        return batches[done:]

    def _index(self, line: str, number: int) -> int:
        try:
            return int(json.loads(line)["index"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self.path}, line {number}: not the statistics of a sample ({error!r}); fix or delete the file"
            ) from error

    def append(self, rows: Sequence[SampleStats]) -> None:
        append_lines(self.path, [json.dumps(row.model_dump(), ensure_ascii=False) for row in rows])
