"""Video-R1: questions with rule-based answers about videos and images, for reinforcement learning.

A JSON list (or JSON Lines) of {problem_id, problem, data_type, problem_type, options ["A. ..."], solution
"<answer>A</answer>", path, data_source}. Multiple choice about videos is read; numerical, regression, OCR and free-form
problems have no task here and are counted. `meta.type` is the data_source, where the entry names one.
"""

from collections.abc import Iterator

from reeltune.answers.final_answer import answer_text
from reeltune.data.formats import Annotations, Benchmark, Row
from reeltune.data.formats._choices import in_order, option_text, stated_letter
from reeltune.data.formats._training import LeftOut, entry_id, rows_of, video_file

_FIELDS = ("problem", "solution", "path", "data_type", "problem_type")


def recognizes(entry: Row) -> bool:
    return all(name in entry for name in _FIELDS)


def read(annotations: Annotations) -> Iterator[Row]:
    def convert(entry: Row, number: int) -> Row:
        return _row(entry, number, annotations)

    yield from rows_of(annotations, convert, recognizes, f"the fields {', '.join(_FIELDS)}")


def _row(entry: Row, number: int, annotations: Annotations) -> Row:
    if entry["data_type"] != "video":
        raise LeftOut(f"problems with data of type {entry['data_type']!r}")
    if str(entry["problem_type"]).replace("_", " ") != "multiple choice":
        raise LeftOut(f"problems of type {entry['problem_type']!r}, for which there is no task")
    given = entry.get("options") or []
    if not in_order(given):
        raise LeftOut("problems whose options are not lettered A, B, C, ... in order")
    options = [option_text(option) for option in given]
    video = str(entry["path"])
    video_file(annotations, video)
    if entry.get("process"):
        annotations.counts["written reasoning (process): removed"] += 1
    return {
        "id": entry_id(entry.get("problem_id"), number),
        "task": "multiple_choice",
        "video": video,
        "question": str(entry["problem"]),
        "options": options,
        "target": stated_letter(answer_text(str(entry["solution"])).text, options),
        "source": "video-r1",
        "meta": {"type": entry["data_source"]} if entry.get("data_source") else {},
    }


BENCHMARK = Benchmark(
    task="multiple_choice",
    source="Feng et al. 2025, arXiv 2503.21776, https://github.com/tulerfeng/Video-R1",
    splits="training data only: Video-R1-260k, and Video-R1-COT-165k with written thoughts",
    metric="accuracy",
    license="see the repository; each source data set has its own terms",
    defects="none known",
    read=read,
    seen=False,
    recognizes=recognizes,
)
