"""Perception Test, multiple-choice video QA.

The object {video: {metadata, mc_question: [{id, question, options, answer_id, area, reasoning, tag}]}} of the
official zip files, or a table of {video_name, question_id, question, options, answer_id, area, reasoning, tag}.
`meta.type` is the area. Questions without an answer_id (the test split) are left out, with a count.
"""

from collections.abc import Iterator
from pathlib import Path

from reeltune.data.formats import Annotations, Benchmark, Row, field_of, read_json, read_records
from reeltune.data.formats._choices import letter_of


def read(annotations: Annotations) -> Iterator[Row]:
    path = annotations.file
    for number, entry in enumerate(_questions(path), start=1):
        answer = entry.get("answer_id")
        if answer in (None, ""):
            annotations.counts["questions without a published answer: left out"] += 1
            continue
        video = str(field_of(entry, "video_name", path, number))
        meta = {"type": entry.get("area"), "reasoning": entry.get("reasoning"), "tag": entry.get("tag")}
        yield {
            "id": f"{video}_{field_of(entry, 'question_id', path, number)}",
            "task": "multiple_choice",
            "video": video,
            "question": str(field_of(entry, "question", path, number)),
            "options": [str(option) for option in field_of(entry, "options", path, number)],
            "target": letter_of(int(answer)),
            "source": "perception-test",
            "meta": {key: value for key, value in meta.items() if value},
        }


def _questions(path: Path) -> Iterator[Row]:
    value = read_json(path) if path.suffix == ".json" else None
    if not isinstance(value, dict):
        yield from read_records(path)
        return
    for video, entry in value.items():
        for question in entry.get("mc_question", []):
            yield {"video_name": video, "question_id": question.get("id")} | question


BENCHMARK = Benchmark(
    task="multiple_choice",
    source="Patraucean et al. 2023, arXiv 2305.13786, https://github.com/google-deepmind/perception_test",
    splits="train 7,392, valid 19,140 questions; test answers are not public",
    metric="accuracy, by area",
    license="CC BY 4.0",
    defects="none known",
    read=read,
    seen=False,
)
