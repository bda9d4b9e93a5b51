"""ActivityNet-RTL: find the span that answers a question which takes reasoning.

The test file is a list of {question_id, vid, question, answer, duration}, the training file an object of
{video: {duration, QA: [{q, a}]}}; in both the answer is "<START> <END> explanation", seconds in angle brackets.
The explanation goes to `meta.explanation`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from reeltune.data.formats import Annotations, Benchmark, Row, field_of, read_json
from reeltune.errors import InputError

_TIME = re.compile(r"<\s*(\d*\.?\d+|\d+\.)\s*>")


def read(annotations: Annotations) -> Iterator[Row]:
    path = annotations.file
    value = read_json(path)
    if isinstance(value, dict):
        questions = [
            {
                "vid": video,
                "duration": field_of(entry, "duration", path, number),
                "question": qa["q"],
                "answer": qa["a"],
            }
            for number, (video, entry) in enumerate(value.items(), start=1)
            for qa in field_of(entry, "QA", path, number)
        ]
    elif isinstance(value, list):
        questions = value
    else:
        raise InputError(f"{path}: expected a list of questions or an object of videos")
    for number, question in enumerate(questions, start=1):
        yield _row(question, path, number)


def _row(question: Row, path: Path, number: int) -> Row:
    video = str(field_of(question, "vid", path, number)).removeprefix("v_")
    answer = str(field_of(question, "answer", path, number))
    times = _TIME.findall(answer)
    if len(times) < 2:
        raise InputError(f"{path}, entry {number}, field 'answer': no <start> <end> in {answer[:80]!r}")
    return {
        "id": str(question.get("question_id", f"v_{video}_{number - 1}")),
        "task": "temporal_grounding",
        "video": f"v_{video}",
        "query": str(field_of(question, "question", path, number)),
        "duration": field_of(question, "duration", path, number),
        "target": [[float(times[0]), float(times[1])]],
        "source": "activitynet-rtl",
        "meta": {"explanation": " ".join(_TIME.sub(" ", answer).split())},
    }


BENCHMARK = Benchmark(
    task="temporal_grounding",
    source="LITA, Huang et al. 2024, arXiv 2403.19046, https://github.com/NVlabs/LITA",
    splits="train 10,009 videos, 33,557 questions (written by GPT-4); test 160 videos, 229 questions",
    metric="mIoU and P@0.5 (here r@0.5); we over questions, the paper within a video first (`--protocol lita`)",
    license="Nvidia source code license, non-commercial",
    defects="the training spans are a language model's reading of captions",
    read=read,
    seen=False,
)
