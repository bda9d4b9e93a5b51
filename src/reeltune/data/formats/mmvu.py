"""MMVU: expert questions over 27 subjects, with options or open.

validation.json: a list of {id, video (a URL), question_type, question, choices {A..E}, answer, metadata}.
`meta.type` is the subject.
"""

from collections.abc import Iterator
from pathlib import Path

from reeltune.data.formats import Annotations, Benchmark, Row, field_of, read_records
from reeltune.data.formats._choices import letter_of


def read(annotations: Annotations) -> Iterator[Row]:
    path = annotations.file
    for number, entry in enumerate(read_records(path), start=1):
        video = str(field_of(entry, "video", path, number))
        subject = (entry.get("metadata") or {}).get("subject")
        yield {
            "id": str(field_of(entry, "id", path, number)),
            "video": video.rpartition("/videos/")[2],
            "question": str(field_of(entry, "question", path, number)),
            **_answer(entry, path, number),
            "source": "mmvu",
            "meta": {"type": subject} if subject else {},
        }


def _answer(entry: Row, path: Path, number: int) -> Row:
    answer = field_of(entry, "answer", path, number)
    if field_of(entry, "question_type", path, number) != "multiple-choice":
        return {"task": "open_ended", "target": str(answer)}
    choices = field_of(entry, "choices", path, number)
    options = [str(choices[letter]) for letter in sorted(choices) if str(choices[letter]).strip()]
    return {"task": "multiple_choice", "options": options, "target": letter_of(answer)}


BENCHMARK = Benchmark(
    task="multiple_choice, open_ended",
    source="Zhao et al. 2025, arXiv 2501.12380, https://github.com/yale-nlp/MMVU",
    splits="validation 1,000 questions, open ones among them; test answers are not public",
    metric="accuracy, by subject; open questions by a judge",
    license="CC BY-SA 4.0 (annotations); the videos are YouTube's",
    defects="some texts are damaged by encodings; they are kept as they are",
    read=read,
)
