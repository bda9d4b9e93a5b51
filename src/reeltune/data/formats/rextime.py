"""ReXTime: questions whose answer lies elsewhere in the video than what they ask about, with the span that shows it.

A list, or JSON Lines, of {qid, vid, category, question, options, ans "A" or answer (a text), span [s, e], duration}.
"""

from collections.abc import Iterator

from reeltune.data.formats import Annotations, Benchmark, Row, field_of, read_records
from reeltune.data.formats._choices import option_text, stated_letter


def read(annotations: Annotations) -> Iterator[Row]:
    path = annotations.file
    for number, entry in enumerate(read_records(path), start=1):
        options = [option_text(option) for option in field_of(entry, "options", path, number)]
        answer = entry.get("ans") if entry.get("ans") is not None else entry.get("answer")
        span = entry.get("span")
        if answer in (None, "") or not span:
            annotations.counts["questions without a published answer and span: left out"] += 1
            continue
        yield {
            "id": str(entry.get("qid", number)),
            "task": "grounded_qa",
            "video": str(field_of(entry, "vid", path, number)),
            "question": str(field_of(entry, "question", path, number)),
            "options": options,
            "target": stated_letter(answer, options),
            "duration": entry.get("duration"),
            "evidence": [span] if not isinstance(span[0], list) else span,
            "source": "rextime",
            "meta": {"type": entry["category"]} if entry.get("category") else {},
        }


BENCHMARK = Benchmark(
    task="grounded_qa",
    source="Chen et al. 2024, arXiv 2406.19392, https://github.com/ReXTime/ReXTime",
    splits="train 9,695, val 921; test 2,143, whose answers are not public",
    metric="accuracy; mIoU and R@{.3,.5} (`nextgqa.miou`, `nextgqa.iou@*`); accuracy with IoU >= .5 (`acc@iou`)",
    license="see the repository",
    defects="none known",
    read=read,
    seen=False,
)
