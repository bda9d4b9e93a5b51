"""Video-MME-v2: groups of four questions about one video, scored together.

The table of the data set: video_id, question_id "001-1", question, options ("A. ...\\nB. ..." or a list), answer,
group_type (relevance or logic), group_structure, level, second_head, third_head. The group's facts go to `meta`.
"""

from collections.abc import Iterator

from reeltune.data.formats import Annotations, Benchmark, Row, field_of, read_records
from reeltune.data.formats._choices import letter_of, option_text

_META = ("group_type", "group_structure", "level", "second_head", "third_head")


def read(annotations: Annotations) -> Iterator[Row]:
    path = annotations.file
    for number, entry in enumerate(read_records(path), start=1):
        given = field_of(entry, "options", path, number)
        lines = given.splitlines() if isinstance(given, str) else list(given)
        video = str(field_of(entry, "video_id", path, number))
        yield {
            "id": str(field_of(entry, "question_id", path, number)),
            "task": "multiple_choice",
            "video": video,
            "question": str(field_of(entry, "question", path, number)),
            "options": [option_text(line) for line in lines if str(line).strip()],
            "target": letter_of(field_of(entry, "answer", path, number)),
            "source": "video-mme-v2",
            "meta": {"type": entry.get("group_type"), "group": video}
            | {name: str(entry[name]) for name in _META if entry.get(name) is not None},
        }


BENCHMARK = Benchmark(
    task="multiple_choice",
    source="https://github.com/MME-Benchmarks/Video-MME-v2",
    splits="800 videos, 3,200 questions with eight options, in groups of four",
    metric="group score: `--protocol lmms-eval`; accuracy",
    license="see the repository",
    defects="none known",
    read=read,
    seen=False,
)
