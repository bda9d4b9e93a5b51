"""MMVU, multiple-choice part: expert questions over 27 subjects.

validation.json: a list of {id, video (a URL), question_type, question, choices {A..E}, answer, metadata}. Open
questions are left out, with a count. `meta.type` is the subject.
"""

from collections.abc import Iterator

from reeltune.data.formats import Annotations, Benchmark, Row, field_of, read_records
from reeltune.data.formats._choices import letter_of


def read(annotations: Annotations) -> Iterator[Row]:
    path = annotations.file
    for number, entry in enumerate(read_records(path), start=1):
        if field_of(entry, "question_type", path, number) != "multiple-choice":
            annotations.counts["open questions: left out"] += 1
            continue
        choices = field_of(entry, "choices", path, number)
        video = str(field_of(entry, "video", path, number))
        subject = (entry.get("metadata") or {}).get("subject")
        yield {
            "id": str(field_of(entry, "id", path, number)),
            "task": "multiple_choice",
            "video": video.rpartition("/videos/")[2],
            "question": str(field_of(entry, "question", path, number)),
            "options": [str(choices[letter]) for letter in sorted(choices) if str(choices[letter]).strip()],
            "target": letter_of(field_of(entry, "answer", path, number)),
            "source": "mmvu",
            "meta": {"type": subject} if subject else {},
        }


BENCHMARK = Benchmark(
    task="multiple_choice",
    source="Zhao et al. 2025, arXiv 2501.12380, https://github.com/yale-nlp/MMVU",
    splits="validation 1,000 questions, open ones among them; test answers are not public",
    metric="accuracy, by subject",
    license="CC BY-SA 4.0 (annotations); the videos are YouTube's",
    defects="some texts are damaged by encodings; they are kept as they are",
    read=read,
)
