"""NExT-GQA: choose the right option and show the evidence.

Two forms: the JSON list of {id, video, question, options, duration, glue, type, answer} that training
repositories use, and the official pair of QA CSV and grounding JSON (test.csv, gsub_test.json). The grounding
file is given as second file or found beside the CSV; map_vid_vidorID.json beside it gives the videos' folders.
"""

from collections.abc import Iterator
from pathlib import Path

from reeltune.data.formats import Annotations, Benchmark, Row, field_of, read_csv, read_json, read_records
from reeltune.data.formats._choices import letter_of, option_text
from reeltune.errors import InputError


def read(annotations: Annotations) -> Iterator[Row]:
    tables = [path for path in annotations.files if path.suffix == ".csv"]
    if tables:
        yield from _read_official(tables[0], annotations)
    else:
        yield from _read_json(annotations.file)


def _read_json(path: Path) -> Iterator[Row]:
    for number, entry in enumerate(read_records(path), start=1):
        yield {
            "id": str(field_of(entry, "id", path, number)),
            "task": "grounded_qa",
            "video": field_of(entry, "video", path, number),
            "question": field_of(entry, "question", path, number),
            "options": [option_text(option) for option in field_of(entry, "options", path, number)],
            "duration": field_of(entry, "duration", path, number),
            "target": letter_of(field_of(entry, "answer", path, number)),
            "evidence": field_of(entry, "glue", path, number),
            "source": "nextgqa",
            "meta": {"type": entry["type"]} if "type" in entry else {},
        }


def _read_official(table: Path, annotations: Annotations) -> Iterator[Row]:
    grounding = read_json(_grounding_file(table, annotations))
    folders_file = table.parent / "map_vid_vidorID.json"
    folders = read_json(folders_file) if folders_file.exists() else {}
    for number, entry in enumerate(read_csv(table), start=1):
        video = field_of(entry, "video_id", table, number)
        name = str(field_of(entry, "qid", table, number))
        known = grounding.get(video, {})
        if name not in known.get("location", {}):
            annotations.counts["questions without an annotated span: left out"] += 1
            continue
        options = [field_of(entry, f"a{index}", table, number) for index in range(5)]
        yield {
            "id": f"{video}_{name}",
            "task": "grounded_qa",
            "video": folders.get(video, video),
            "question": field_of(entry, "question", table, number),
            "options": options,
            "duration": known["duration"],
            "target": letter_of(field_of(entry, "answer", table, number), options),
            "evidence": known["location"][name],
            "source": "nextgqa",
            "meta": {"type": entry["type"]} if entry.get("type") else {},
        }


def _grounding_file(table: Path, annotations: Annotations) -> Path:
    given = [path for path in annotations.files if path.suffix == ".json"]
    beside = table.parent / f"gsub_{table.stem}.json"
    if given or beside.exists():
        return given[0] if given else beside
    raise InputError(f"{table}: give the grounding file too; there is no {beside.name} beside the CSV")


BENCHMARK = Benchmark(
    task="grounded_qa",
    source="Xiao et al. 2024, arXiv 2309.01327, https://github.com/doc-doc/NExT-GQA; videos: VidOR",
    splits="val 3,358 questions (often used to train), test 5,553",
    metric="accuracy, mIoU, IoP, Acc@GQA; the official script takes the best single true span, we the set",
    license="see the repository; the videos are Flickr's, under YFCC-100M's terms",
    defects="durations are cut to whole seconds, so that some spans end up to a second after them",
    read=read,
)
