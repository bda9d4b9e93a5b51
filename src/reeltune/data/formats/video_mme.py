"""Video-MME: multiple-choice questions about short, medium and long videos.

The table of the data set (.parquet, or saved as .json, .jsonl or .csv): video_id, videoID, duration, domain,
sub_category, question_id, task_type, question, options ["A. ..."], answer "C"; or the earlier JSON with a list
`questions` for each video. `meta.type` is the length class, `meta.task_type` the kind of question.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reeltune.data.formats import Annotations, Benchmark, Row, field_of, read_records
from reeltune.data.formats._choices import letter_of, option_text


def read(annotations: Annotations) -> Iterator[Row]:
    path = annotations.file
    for number, entry in enumerate(_questions(read_records(path)), start=1):
        yield _row(entry, path, number)


def _questions(records: list[Row]) -> Iterator[Row]:
    for record in records:
        shared = {key: value for key, value in record.items() if key != "questions"}
        for question in record.get("questions", [{}]):
            yield shared | question


def _row(entry: Row, path: Path, number: int) -> Row:
    length = entry.get("duration") or entry.get("duration_category")
    options = field_of(entry, "choices" if "choices" in entry else "options", path, number)
    meta = {"type": length, "task_type": entry.get("task_type"), "domain": entry.get("domain")}
    return {
        "id": str(field_of(entry, "question_id", path, number)),
        "task": "multiple_choice",
        "video": str(entry.get("videoID") or _url_name(entry.get("url")) or field_of(entry, "video_id", path, number)),
        "question": str(field_of(entry, "question", path, number)),
        "options": [option_text(option) for option in _as_list(options)],
        "target": letter_of(field_of(entry, "answer", path, number)),
        "source": "video-mme",
        "meta": {key: value for key, value in meta.items() if value},
    }


def _as_list(options: Any) -> list[Any]:
    """A table saved as CSV holds the list as text."""
    if not isinstance(options, str):
        return list(options)
    try:
        return list(ast.literal_eval(options))
    except (SyntaxError, ValueError):
        return [line for line in options.splitlines() if line.strip()]


def _url_name(url: Any) -> str:
    return str(url).rpartition("v=")[2] if url and "v=" in str(url) else ""


BENCHMARK = Benchmark(
    task="multiple_choice",
    source="Fu et al. 2024, arXiv 2405.21075, https://huggingface.co/datasets/lmms-lab/Video-MME",
    splits="test: 900 videos, 2,700 questions, a third each short, medium and long",
    metric="accuracy, by length class; no subtitles",
    license="academic research only",
    defects="none known",
    read=read,
    seen=False,
)
