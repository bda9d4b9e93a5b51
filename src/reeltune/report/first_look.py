"""The page of `reeltune init`: what was understood of a table, on ten of its rows, with their videos."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from reeltune.progress import counted
from reeltune.report.media import media_tags
from reeltune.report.page import facts, page, section, table, text
from reeltune.sample import Sample
from reeltune.tasks import get_task
from reeltune.tasks.base import Mode

ROWS = 10
NOT_SHOWN = ("id", "task", "video", "source")


def first_look_page(
    title: str,
    summary: Sequence[tuple[str, object]],
    columns: Mapping[str, object],
    samples: Sequence[Sample],
    aside: Sequence[Mapping[str, Any]],
    *,
    mode: Mode,
) -> str:
    """A whole HTML document; `samples` are the rows shown, `aside` what could not be used."""
    parts = [f"<h1>{text(title)}</h1>", facts(summary)]
    rows = [[text(name), text(_shown(column))] for name, column in columns.items()]
    parts.append(section("Columns", table(["field", "column"], rows), lead="To change one: --column FIELD=COLUMN."))
    parts.append(section(counted(len(samples), "row"), *(_row(sample, mode) for sample in samples)))
    if aside:
        names = ["row", "id", "video", "reason"]
        cells = [[text(each[name], 400) for name in names] for each in aside[:100]]
        lead = f"{counted(len(aside), 'row')}; all of them are in set_aside.jsonl."
        parts.append(section("Set aside", table(names, cells), lead=lead))
    return page(title, "\n".join(parts))


def _row(sample: Sample, mode: Mode) -> str:
    task = get_task(sample.task)
    fields = sample.model_dump(mode="json", exclude_unset=True)
    known = [(name, _shown(value)) for name, value in fields.items() if name not in NOT_SHOWN]
    return (
        f"<article><h3>{text(sample.id)}</h3>{media_tags(sample, max_bytes=3_000_000)}{facts(known)}"
        f"<p>{text(task.prompt(sample, mode), 1000)}</p>{task.picture(sample, {})}</article>"
    )


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return " and ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def rows_shown(samples: Sequence[Sample]) -> list[Sample]:
    """Ten samples spread over all, of different videos where there are so many."""
    videos = list({sample.media_name: sample for sample in reversed(samples)}.values())[::-1]
    pool = videos if len(videos) >= ROWS else list(samples)
    step = max(1, len(pool) // ROWS)
    return pool[: step * ROWS : step]
