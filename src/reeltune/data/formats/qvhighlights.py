"""QVHighlights: all moments of a query in a video of up to 150 s.

JSON Lines of {qid, query, duration, vid, relevant_windows [[s, e], ...]}; the test split has no windows. Saliency
scores (highlight detection) are not read.
"""

from collections.abc import Iterator

from reeltune.data.formats import Annotations, Benchmark, Row, field_of, read_records


def read(annotations: Annotations) -> Iterator[Row]:
    path = annotations.file
    for number, entry in enumerate(read_records(path), start=1):
        windows = entry.get("relevant_windows")
        if not windows:
            annotations.counts["queries without published windows: left out"] += 1
            continue
        yield {
            "id": str(field_of(entry, "qid", path, number)),
            "task": "temporal_grounding",
            "video": str(field_of(entry, "vid", path, number)),
            "query": str(field_of(entry, "query", path, number)),
            "duration": entry.get("duration"),
            "target": windows,
            "source": "qvhighlights",
        }


BENCHMARK = Benchmark(
    task="temporal_grounding",
    source="Lei et al. 2021, arXiv 2107.09609, https://github.com/jayleicn/moment_detr",
    splits="train 7,218, val 1,550 queries; test windows are not public",
    metric="IoU of the sets of windows; R1 by `--protocol moment-detr`; the paper's mAP needs ranked windows, "
    "which these models do not give",
    license="CC BY-NC-SA 4.0",
    defects="none known",
    read=read,
    seen=False,
)
