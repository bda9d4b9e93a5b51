"""GOT-10k: follow one object from its first box.

Two forms: the JSON list of {path, object, gt: 8 boxes in 0..1} that VideoChat-R1 uses, and the data set's own
folders, each with groundtruth.txt (x, y, width, height in pixels, one line a frame), meta_info.ini and frames.
From a folder we take 8 evenly spaced boxes, first and last included. Sequences run at 10 frames a second.

The JSON holds no times. With the video (a folder of frames, or PATH.mp4) they are those of 8 evenly spaced
frames; without it 0, 1, ..., 7 stand in, `meta.times` says so and the import counts it.
"""

import configparser
import re
from collections.abc import Iterator
from pathlib import Path

from reeltune.data.formats import Annotations, Benchmark, Row, field_of, read_records
from reeltune.errors import InputError

BOXES = 8
FPS = 10.0


def read(annotations: Annotations) -> Iterator[Row]:
    if annotations.file.is_dir():
        yield from _read_folders(annotations.file, annotations)
    else:
        yield from _read_json(annotations.file, annotations)


def _read_json(path: Path, annotations: Annotations) -> Iterator[Row]:
    for number, entry in enumerate(read_records(path), start=1):
        video = field_of(entry, "path", path, number)
        boxes = field_of(entry, "gt", path, number)
        meta = {}
        times = _video_times(annotations.find_video(video), len(boxes))
        if times is None:
            times, meta = [float(index) for index in range(len(boxes))], {"times": "unknown: indices stand in"}
            annotations.counts["sequences without a video: times are unknown, so 0, 1, ... are used"] += 1
        yield _row(video, field_of(entry, "object", path, number), times, boxes, meta)


def _read_folders(root: Path, annotations: Annotations) -> Iterator[Row]:
    truths = sorted(root.rglob("groundtruth.txt"))
    if not truths:
        raise InputError(f"{root}: no groundtruth.txt below it; give the folder of a GOT-10k split")
    for truth in truths:
        folder = truth.parent
        info = _meta_info(folder / "meta_info.ini")
        size = re.findall(r"\d+", info.get("resolution", ""))
        if len(size) != 2:
            raise InputError(f"{folder / 'meta_info.ini'}: no resolution = (width, height); pixel boxes need it")
        width, height = (float(value) for value in size)
        lines = truth.read_text().split()
        if len(lines) < BOXES:
            annotations.counts[f"sequences with fewer than {BOXES} boxes: left out"] += 1
            continue
        chosen = even_indices(len(lines), BOXES)
        boxes = [_fractions(lines[index], width, height, truth, index) for index in chosen]
        times = [index / FPS for index in chosen]
        name = info.get("object_class", "object")
        yield _row(str(folder.relative_to(root)), name, times, boxes, {"root": root.name})


def _row(video: str, name: str, times: list[float], boxes: list[list[float]], meta: dict[str, str]) -> Row:
    return {
        "id": Path(video).name,
        "task": "object_tracking",
        "video": video,
        "object": name,
        "start_box": boxes[0],
        "times": times,
        "target": boxes,
        "source": "got10k",
        "meta": meta,
    }


def even_indices(frames: int, count: int) -> list[int]:
    """`count` frames from first to last, evenly spaced and rounded (halves to even).

    >>> even_indices(100, 8)
    [0, 14, 28, 42, 57, 71, 85, 99]
    """
    return [round(index * (frames - 1) / (count - 1)) for index in range(count)]


def _fractions(line: str, width: float, height: float, path: Path, number: int) -> list[float]:
    try:
        x, y, w, h = (float(value) for value in line.split(","))
    except ValueError:
        raise InputError(f"{path}, line {number + 1}: expected x,y,width,height, got {line!r}") from None
    return [x / width, y / height, (x + w) / width, (y + h) / height]


def _meta_info(path: Path) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    if not parser.read(path, encoding="utf-8"):
        raise InputError(f"{path}: there is no such file; it names the size of the frames")
    return {key: value for section in parser.sections() for key, value in parser.items(section)}


def _video_times(video: Path | None, count: int) -> list[float] | None:
    if video is None:
        return None
    if video.is_dir():
        frames = len([path for path in video.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png")])
        return [index / FPS for index in even_indices(frames, count)] if frames >= count else None
    from reeltune.video.contained import index_video

    times = index_video(video).times
    return [float(times[index]) for index in even_indices(len(times), count)] if len(times) >= count else None


BENCHMARK = Benchmark(
    task="object_tracking",
    source="Huang et al. 2021, arXiv 1810.11981, http://got-10k.aitestunion.com",
    splits="train 9,335 and val 180 sequences; the test boxes are not public",
    metric="mean overlap, success at 0.5 and 0.7, area under the success curve",
    license="CC BY-NC-SA 4.0",
    defects="boxes that extend beyond the frame are clipped; object names are WordNet's, some misspelt",
    read=read,
)
