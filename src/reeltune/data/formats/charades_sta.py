"""Charades-STA: find the span of a sentence in a home video.

Two forms: the JSON {video: {duration, timestamps, sentences}} that training repositories use, and the original
text, one line "VIDEO START END##SENTENCE". The text names no duration: it comes from the video, else from a
Charades_v1_*.csv (columns id and length) given beside it or standing in the same folder, else the latest
annotated end of the video stands in, which `meta.duration` says and the import counts.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from reeltune.data.formats import Annotations, Benchmark, Row, read_csv
from reeltune.data.formats._grounding import video_duration, video_rows
from reeltune.errors import InputError

_LINE = re.compile(r"(\S+)\s+(\S+)\s+(\S+?)\s*##(.*)")


def read(annotations: Annotations) -> Iterator[Row]:
    texts = [path for path in annotations.files if path.suffix == ".txt"]
    if texts:
        yield from _read_text(texts, annotations)
    else:
        yield from video_rows(annotations, source="charades-sta")


def _read_text(texts: list[Path], annotations: Annotations) -> Iterator[Row]:
    spans: dict[str, list[tuple[float, float, str]]] = {}
    for path in texts:
        for number, line in enumerate(_lines(path), start=1):
            if not line.strip():
                continue
            try:
                video, start, end, sentence = _LINE.fullmatch(line.strip()).groups()  # type: ignore[union-attr]
                spans.setdefault(video, []).append((float(start), float(end), sentence))
            except (AttributeError, ValueError):
                raise InputError(f"{path}, line {number}: expected VIDEO START END##SENTENCE, got {line!r}") from None
    lengths = _lengths(annotations)
    for video, rows in spans.items():
        duration, meta = lengths.get(video) or video_duration(annotations, video), {}
        if duration is None:
            duration, meta = max(end for _, end, _ in rows), {"duration": "unknown: latest annotated end"}
            annotations.counts["videos of unknown duration: the latest annotated end is used"] += 1
        for index, (start, end, sentence) in enumerate(rows):
            yield {
                "id": f"{video}_{index}",
                "task": "temporal_grounding",
                "video": video,
                "query": sentence,
                "duration": duration,
                "target": [[start, end]],
                "source": "charades-sta",
                "meta": dict(meta),
            }


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; give the annotation file") from error


def _lengths(annotations: Annotations) -> dict[str, float]:
    tables = [path for path in annotations.files if path.suffix == ".csv"]
    tables = tables or sorted(annotations.files[0].parent.glob("Charades_v1_*.csv"))
    rows = [row for path in tables for row in read_csv(path)]
    return {row["id"]: float(row["length"]) for row in rows if row.get("id") and row.get("length")}


BENCHMARK = Benchmark(
    task="temporal_grounding",
    source="Gao et al. 2017, arXiv 1705.02101; videos: Charades, https://prior.allenai.org/projects/charades",
    splits="train 5,338 videos, 12,408 sentences; test 1,334 videos, 3,720 sentences",
    metric="mIoU and R@0.3/0.5/0.7",
    license="Charades' own terms: non-commercial research",
    defects="4 reversed spans in train; 562 of 3,720 test spans end up to 1.5 s after the video",
    read=read,
)
