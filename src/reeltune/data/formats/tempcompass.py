"""TempCompass, multiple-choice part: questions about action, attribute change, direction, order and speed.

questions/multi-choice.json: {video: {aspect: [{question: "...\\nA. ...\\nB. ...", answer: "B. ..."}]}}.
"""

from collections.abc import Iterator

from reeltune.data.formats import Annotations, Benchmark, Row, read_json
from reeltune.data.formats._choices import letter_of, option_text
from reeltune.errors import InputError


def read(annotations: Annotations) -> Iterator[Row]:
    path = annotations.file
    videos = read_json(path)
    if not isinstance(videos, dict):
        raise InputError(f"{path}: expected an object of videos; give questions/multi-choice.json")
    for video, aspects in videos.items():
        for aspect, questions in aspects.items():
            for index, entry in enumerate(questions):
                question, *options = str(entry["question"]).strip().split("\n")
                if len(options) < 2:
                    raise InputError(f"{path}, video {video}, {aspect} {index}: no options below the question")
                yield {
                    "id": f"{video}_{aspect}_{index}",
                    "task": "multiple_choice",
                    "video": video,
                    "question": question,
                    "options": [option_text(option) for option in options],
                    "target": letter_of(entry["answer"]),
                    "source": "tempcompass",
                    "meta": {"type": aspect},
                }


BENCHMARK = Benchmark(
    task="multiple_choice",
    source="Liu et al. 2024, arXiv 2403.00476, https://github.com/llyx97/TempCompass",
    splits="410 videos; 1,580 multiple-choice questions",
    metric="accuracy, by aspect",
    license="see the repository; the videos are from a stock library",
    defects="none known",
    read=read,
)
