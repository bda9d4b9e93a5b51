"""DREAM-1K: tell what happens in a clip of many actions. JSON Lines as the Tarsier repository ships it.

The annotation leaves the video's file open ("<placeholder>"); the published videos go by the row's number, 1.mp4. Rows
without an event stay: AutoDQ counts them as full recall, and the caption reward does not apply to them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reeltune.data.formats import Annotations, Benchmark, Row, field_of, read_records
from reeltune.errors import InputError
from reeltune.tasks.captioning import TASK

PLACEHOLDER = "<placeholder>"


def read(annotations: Annotations) -> Iterator[Row]:
    path = annotations.file
    for number, entry in enumerate(read_records(path), start=1):
        asked, told = (message["content"] for message in field_of(entry, "messages", path, number))
        extra = field_of(entry, "extra_info", path, number)
        index = str(field_of(entry, "idx", path, number))
        events = list(extra["events"])
        if not events:
            annotations.counts["rows without an event: kept; their recall is 1 and no caption reward applies"] += 1
        yield {
            "id": f"dream-1k-{index}",
            "task": TASK.name,
            "video": _video(asked) or index,
            "instruction": _first(asked, "text", path, number),
            "caption": _first(told, "reference", path, number),
            "events": events,
            "source": "dream-1k",
            "meta": {"type": str(entry["dataset"]).rpartition("/")[2], "duration": extra.get("duration")},
        }


def _first(parts: list[dict[str, Any]], field: str, path: Path, number: int) -> str:
    for part in parts:
        if part.get(field):
            return str(part[field])
    raise InputError(f"{path}, entry {number}: no part of the message has a {field!r}. Is this the right format?")


def _video(asked: list[dict[str, Any]]) -> str | None:
    names = [part["video"]["video_file"] for part in asked if part["type"] == "video"]
    return next((str(name) for name in names if name != PLACEHOLDER), None)


BENCHMARK = Benchmark(
    task=TASK.name,
    source="Tarsier, Wang et al. 2024, arXiv 2407.00634, https://github.com/bytedance/tarsier",
    splits="one test set: 1,000 videos in 5 subsets of 200, 6,298 events",
    metric="AutoDQ: recall, precision and F1 of events by a judge, macro over the subsets (`score --judge`)",
    license="annotations Apache-2.0; videos under their sources' terms",
    defects="4 rows have no event",
    read=read,
)
