"""TempCompass: questions about action, attribute change, direction, order and speed.

questions/NAME.json: {video: {aspect: [{question, answer}]}}. multi-choice lists options in the question ("A. ..."),
caption_matching two captions ("Caption A: ...", "Option 1: ..."), yes_no none. captioning needs a judge that reads
options from a caption; it is left out and counted.
"""

import re
from collections.abc import Iterator

from reeltune.data.formats import Annotations, Benchmark, Row, read_json
from reeltune.data.formats._choices import letter_of, option_text
from reeltune.errors import InputError
from reeltune.tasks.choices import LETTERS

_NAMED = re.compile(r"((?:Caption|Option|Sentence|Description) (?:[A-Z]|\d))\s*:")


def read(annotations: Annotations) -> Iterator[Row]:
    path = annotations.file
    videos = read_json(path)
    if not isinstance(videos, dict):
        raise InputError(f"{path}: expected an object of videos; give questions/multi-choice.json")
    for video, aspects in videos.items():
        for aspect, questions in aspects.items():
            for index, entry in enumerate(questions):
                if "mc_question" in entry:
                    annotations.counts["captioning tasks: left out"] += 1
                    continue
                where = f"{path}, video {video}, {aspect} {index}"
                yield {
                    "id": f"{video}_{aspect}_{index}",
                    "video": video,
                    **_question(str(entry["question"]).strip(), str(entry["answer"]).strip(), where),
                    "source": "tempcompass",
                    "meta": {"type": aspect},
                }


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
    task="multiple_choice, classification",
    source="Liu et al. 2024, arXiv 2403.00476, https://github.com/llyx97/TempCompass",
    splits="410 videos; 1,580 multiple-choice, 2,453 yes-no, 1,503 caption-matching questions",
    metric="accuracy, by aspect",
    license="see the repository; the videos are from a stock library",
    defects="none known",
    read=read,
)
