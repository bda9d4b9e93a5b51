"""VDC: can questions about a video be answered from its caption alone? Five files, one for each aspect.

{video: [{question, answer, category}]}, whole or one video a line. The file's name says the aspect and picks the
instruction (our words; the published ones are not shipped). Ids and videos repeat in main_object; both stay.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reeltune.data.formats import Annotations, Benchmark, Row
from reeltune.errors import InputError
from reeltune.sample import read_rows
from reeltune.tasks.captioning import TASK

INSTRUCTIONS = {
    "background": "Describe the background of the video in detail: the place, what is there, and how it changes.",
    "camera": "Describe the camera work of the video in detail: angles, movements, shots, and how they change.",
    "detailed": "Describe the video in detail: subjects, actions, background and camera.",
    "main_object": "Describe the main subject of the video in detail: its looks, its actions, and how they change.",
    "short": "Describe the video in one or two sentences.",
}


def read(annotations: Annotations) -> Iterator[Row]:
    for path in annotations.files:
        aspect = next((name for name in INSTRUCTIONS if name in path.stem.lower()), None)
        if aspect is None:
            raise InputError(f"{path}: the file's name must say the aspect: one of {', '.join(INSTRUCTIONS)}")
        for video, entries in _videos(path):
            questions = [_question(entry) for entry in entries]
            usable = [each for each in questions if each is not None]
            if len(usable) < len(questions):
                annotations.counts["questions without a text or an answer: dropped"] += len(questions) - len(usable)
            if aspect == "short":
                annotations.counts["videos of `short`: about half carry story phrases that fit no video; kept"] += 1
            yield {
                "id": f"vdc-{aspect}-{video}",
                "task": TASK.name,
                "video": video,
                "instruction": INSTRUCTIONS[aspect],
                "questions": usable,
                "source": "vdc",
                "meta": {"type": aspect},
            }


def _videos(path: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """(video, its questions), repeated videos included: JSON keeps the last of equal keys, so pairs are read."""
    if path.suffix == ".jsonl":
        for _, row in read_rows(path):
            yield from row.items()
        return
    try:
        text = path.read_text(encoding="utf-8-sig")
        pairs = json.loads(text, object_pairs_hook=lambda pairs: pairs)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; give the annotation file") from error
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); give the annotation file as it was published") from error
    for video, entries in pairs:
        yield video, [dict(entry) for entry in entries]


def _question(entry: dict[str, Any]) -> dict[str, str] | None:
    kept = {name: str(entry.get(name) or "").strip() for name in ("question", "answer", "category")}
    if not kept["question"] or not kept["answer"]:
        return None
    return {name: text for name, text in kept.items() if text}


BENCHMARK = Benchmark(
    task=TASK.name,
    source="AuroraCap, Chai et al. 2024, arXiv 2410.03051, https://huggingface.co/datasets/wchai/Video-Detailed-Caption",
    splits="one test set: 1,027 videos, 96,825 questions in five files, one for each aspect",
    metric="VDCScore: accuracy and score by a judge, strict and compat (`score --judge`); two calls a question",
    license="Apache-2.0; videos under their sources' terms",
    defects="main_object repeats 4 ids and lacks 2; about half of short carries story phrases that fit no video",
    read=read,
)
