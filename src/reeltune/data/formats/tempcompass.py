"""TempCompass: questions about action, attribute change, direction, order and speed.

questions/NAME.json: {video: {aspect: [{question, answer}]}}. multi-choice lists options in the question ("A. ..."),
caption_matching two captions ("Caption A: ...", "Option 1: ..."), yes_no none. captioning wants a caption that agrees
with one of several facts; it is judged by the first multiple-choice question about the same video and aspect, which is
answered from the caption alone: multi-choice.json must be beside it. All four can be imported together.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reeltune.data.formats import Annotations, Benchmark, Row, read_json
from reeltune.data.formats._choices import letter_of, option_text
from reeltune.errors import InputError
from reeltune.tasks.captioning import TASK
from reeltune.tasks.choices import LETTERS

CHOICES = "multi-choice.json"
_TO_CAPTION = re.compile(r"\nInformation A: .*\nGenerated Caption:$", re.DOTALL)

_NAMED = re.compile(r"((?:Caption|Option|Sentence|Description) (?:[A-Z]|\d))\s*:")


def read(annotations: Annotations) -> Iterator[Row]:
    for path in annotations.files:
        choices: Row | None = None
        for video, aspect, index, entry in _entries(path):
            where = f"{path}, video {video}, {aspect} {index}"
            text, answer = str(entry["question"]).strip(), str(entry["answer"]).strip()
            if _TO_CAPTION.search(text):
                choices = _choices(path) if choices is None else choices
                own = _caption(text, choices.get(video, {}).get(aspect), where)
            else:
                own = _question(text, answer, where)
            found = {"id": f"{video}_{aspect}_{index}", "video": video, **own}
            yield found | {"source": "tempcompass", "meta": {"type": aspect}}


def _entries(path: Path) -> Iterator[tuple[str, str, int, Row]]:
    for video, aspects in _videos(path).items():
        for aspect, questions in aspects.items():
            yield from ((video, aspect, index, entry) for index, entry in enumerate(questions))


def _videos(path: Path) -> Row:
    videos = read_json(path)
    if not isinstance(videos, dict):
        raise InputError(f"{path}: expected an object of videos; give questions/{CHOICES}")
    return videos


def _choices(path: Path) -> Row:
    beside = path.with_name(CHOICES)
    if not beside.is_file():
        raise InputError(f"{path}: it wants captions; put {CHOICES} beside it, whose questions are asked of a caption")
    return _videos(beside)


def _caption(text: str, choices: Any, where: str) -> Row:
    """A caption to write, and the multiple-choice question about this video and aspect that is asked of it."""
    if not choices:
        raise InputError(
            f"{where}: {CHOICES} has no question about this video and aspect; give the files of one release"
        )
    question, answer = str(choices[0]["question"]), str(choices[0]["answer"])
    return {"task": TASK.name, "instruction": text, "questions": [{"question": question, "answer": answer}]}


def _question(text: str, answer: str, where: str) -> Row:
    if answer.casefold().strip(".") in ("yes", "no"):
        labels = ["yes", "no"]
        return {"task": "classification", "question": text, "labels": labels, "target": answer.casefold().strip(".")}
    question, *options = text.split("\n")
    if len(options) < 2:
        raise InputError(f"{where}: no options below the question")
    names = [_NAMED.match(option) for option in options]
    if all(names):
        given = [match[1] for match in names if match]
        said = next((index for index, name in enumerate(given) if answer.startswith(name)), None)
        if said is None:
            raise InputError(f"{where}: the answer {answer!r} is not one of {', '.join(given)}")
        texts = [option[len(name) :].strip(": ") for option, name in zip(options, given, strict=True)]
        return {"task": "multiple_choice", "question": question, "options": texts, "target": LETTERS[said]}
    options = [option_text(option) for option in options]
    return {"task": "multiple_choice", "question": question, "options": options, "target": letter_of(answer)}


BENCHMARK = Benchmark(
    task="multiple_choice, classification, captioning",
    source="Liu et al. 2024, arXiv 2403.00476, https://github.com/llyx97/TempCompass",
    splits="410 videos; 1,580 multiple-choice, 2,453 yes-no, 1,503 caption-matching questions, 2,004 captions",
    metric="accuracy, by aspect; of captions the accuracy of VDCScore's judge (`score --judge`), who answers and then "
    "rates, where the published script has it choose once",
    license="see the repository; the videos are from a stock library",
    defects="none known",
    read=read,
)
