"""Video quality: is the quality of a video high or low? The form of VideoChat-R1's files.

A list of {video, instruction, answer}; the labels stand in the instruction as "from ['...', '...']".
"""

import ast
import re
from collections.abc import Iterator

from reeltune.data.formats import Annotations, Benchmark, Row, field_of, read_records
from reeltune.errors import InputError

_LABELS = re.compile(r"\s*(?:[^.?!]*\bfrom\s*)?(\[[^\]]*\])\.?\s*$")


def read(annotations: Annotations) -> Iterator[Row]:
    path = annotations.file
    for number, entry in enumerate(read_records(path), start=1):
        instruction = str(field_of(entry, "instruction", path, number))
        found = _LABELS.search(instruction)
        try:
            labels = [str(label) for label in ast.literal_eval(found[1])] if found else []
        except (SyntaxError, ValueError):
            labels = []
        if not found or not labels:
            raise InputError(f"{path}, entry {number}, field 'instruction': no list of labels in {instruction!r}")
        video = str(field_of(entry, "video", path, number))
        yield {
            "id": video.rpartition(".")[0] or video,
            "task": "classification",
            "video": video,
            "question": instruction[: found.start()].strip(),
            "labels": labels,
            "target": field_of(entry, "answer", path, number),
            "source": "video-quality",
        }


BENCHMARK = Benchmark(
    task="classification",
    source="VideoChat-R1, Li et al. 2025, arXiv 2504.06958, https://github.com/OpenGVLab/VideoChat-R1",
    splits="100-shot train 200 videos, test 724",
    metric="accuracy; the mean over labels is printed beside it",
    license="the video quality data sets' own terms: research",
    defects="none known",
    read=read,
)
