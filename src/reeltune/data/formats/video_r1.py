"""Video-R1: questions with rule-based answers about videos and images, for reinforcement learning.

A JSON list (or JSON Lines) of {problem_id, problem, data_type, problem_type, options ["A. ..."], solution
"<answer>A</answer>", path, data_source}. Numerical and regression problems are `numeric`, OCR and free-form ones
`open_ended`, which a judge scores. `meta.type` is the data_source, where the entry names one.
"""

from collections.abc import Iterator

from reeltune.data.formats import Annotations, Benchmark, Row
from reeltune.data.formats._problems import kind_of, of_problem
from reeltune.data.formats._training import LeftOut, entry_id, image_file, rows_of, video_file

_FIELDS = ("problem", "solution", "path", "data_type", "problem_type")
TOLERANCE = 0.005
"""A numerical answer is right when it is equal to two decimals; one of a regression is scored by its distance."""


def recognizes(entry: Row) -> bool:
    return all(name in entry for name in _FIELDS)


def read(annotations: Annotations) -> Iterator[Row]:
    def convert(entry: Row, number: int) -> Row:
        return _row(entry, number, annotations)

    yield from rows_of(annotations, convert, recognizes, f"the fields {', '.join(_FIELDS)}")


def _row(entry: Row, number: int, annotations: Annotations) -> Row:
    path, kind = str(entry["path"]).removeprefix("./"), str(entry["data_type"])
    found: Row = {"id": entry_id(entry.get("problem_id"), number), **of_problem(entry)}
    if kind == "video":
        video_file(annotations, path)
        found["video"] = path
    elif kind == "image" and found["task"] != "temporal_grounding":
        image_file(annotations, path)
        found["media"] = [{"image": path}]
    else:
        raise LeftOut(f"problems with data of type {entry['data_type']!r}")
    if kind_of(entry) == "numerical":
        found["tolerance"] = TOLERANCE
    if entry.get("process"):
        annotations.counts["written reasoning (process): removed"] += 1
    return found | {"source": "video-r1", "meta": {"type": entry["data_source"]} if entry.get("data_source") else {}}


BENCHMARK = Benchmark(
    task="multiple_choice, numeric, open_ended",
    source="Feng et al. 2025, arXiv 2503.21776, https://github.com/tulerfeng/Video-R1",
    splits="training data only: Video-R1-260k, and Video-R1-COT-165k with written thoughts",
    metric="that of each sample's task",
    license="see the repository; each source data set has its own terms",
    defects="none known",
    read=read,
    seen=False,
    recognizes=recognizes,
)
