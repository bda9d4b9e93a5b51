"""EasyVideoR1's flat form, in which about twenty benchmarks come: VSI-Bench, VideoMMMU, LVBench, LongVideoBench, MLVU,
MotionBench, Video-Holmes, OVO-Bench, MMVU, MVBench, Video-MME, VideoReasonBench, Charades-STA, ...

A list of {problem, problem_id, problem_type, data_type, options ["A. ..."], solution "<answer>...</answer>", path}.
The type of problem decides the task. The file's name becomes `source`; `meta.type` is the kind of question where the
set has one. Some Charades files lost their answer's tags: the JSON inside is read wherever it stands.
"""

from collections.abc import Iterator

from reeltune.data.formats import Annotations, Benchmark, Row, field_of, read_records
from reeltune.data.formats._problems import of_problem
from reeltune.data.formats._training import LeftOut, entry_id

_FIELDS = ("problem", "solution", "path", "problem_type")
_KINDS = ("original_question_type", "ovo_task", "task_type", "question_type")
"""Where a set says what kind of question an entry is."""


def read(annotations: Annotations) -> Iterator[Row]:
    for path in annotations.files:
        for number, entry in enumerate(read_records(path), start=1):
            for name in _FIELDS:
                field_of(entry, name, path, number)
            try:
                yield _row(entry, number, path.stem)
            except LeftOut as reason:
                annotations.counts[f"{reason}: left out"] += 1


def _row(entry: Row, number: int, source: str) -> Row:
    if str(entry.get("data_type", "video")) != "video":
        raise LeftOut(f"problems with data of type {entry['data_type']!r}")
    told = next((str(entry[name]) for name in _KINDS if entry.get(name) not in (None, "")), None)
    return {
        "id": f"{source}_{entry_id(entry.get('problem_id'), number)}",
        **of_problem(entry),
        "video": str(entry["path"]).removeprefix("./"),
        "source": source,
        "meta": {"type": told} if told else {},
    }


BENCHMARK = Benchmark(
    task="multiple_choice, numeric, open_ended, temporal_grounding",
    source="https://github.com/cyuQ1n/EasyVideoR1, its evaluation files; each set has its own source",
    splits="as in each set",
    metric="that of each sample's task; VSI-Bench: accuracy and mean relative accuracy, averaged over kinds",
    license="that of each set",
    defects="spatial-temporal grounding has no task here; some solutions of Charades-STA lack their tags",
    read=read,
)
