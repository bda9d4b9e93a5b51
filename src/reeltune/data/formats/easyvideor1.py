"""EasyVideoR1's flat form, in which about twenty benchmarks come: VSI-Bench, VideoMMMU, LVBench, LongVideoBench, MLVU,
MotionBench, Video-Holmes, OVO-Bench, MMVU, MVBench, Video-MME, VideoReasonBench, Charades-STA, ...

A list of {problem, problem_id, problem_type, data_type, options ["A. ..."], solution "<answer>...</answer>", path}.
The type of problem decides the task. The file's name becomes `source`; `meta.type` is the kind of question where the
set has one. Some Charades files lost their answer's tags: the JSON inside is read wherever it stands.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reeltune.answers.final_answer import answer_text
from reeltune.data.formats import Annotations, Benchmark, Row, field_of, read_records
from reeltune.data.formats._choices import in_order, option_text, stated_letter
from reeltune.data.formats._training import LeftOut, entry_id

_FIELDS = ("problem", "solution", "path", "problem_type")
_KINDS = ("original_question_type", "ovo_task", "task_type", "question_type")
"""Where a set says what kind of question an entry is."""


def read(annotations: Annotations) -> Iterator[Row]:
    for path in annotations.files:
        for number, entry in enumerate(read_records(path), start=1):
            for name in _FIELDS:
                field_of(entry, name, path, number)
            try:
                yield _row(entry, number, path.stem)
            except LeftOut as reason:
                annotations.counts[f"{reason}: left out"] += 1


def _row(entry: Row, number: int, source: str) -> Row:
    if str(entry.get("data_type", "video")) != "video":
        raise LeftOut(f"problems with data of type {entry['data_type']!r}")
    kind = str(entry["problem_type"]).strip().casefold().replace("_", " ").replace("-", " ")
    convert = CONVERSIONS.get(kind)
    if convert is None:
        raise LeftOut(f"problems of type {entry['problem_type']!r}, for which there is no task")
    question = re.sub(r"\s*<(?:video|image)>\s*", " ", str(entry["problem"])).strip()
    told = next((str(entry[name]) for name in _KINDS if entry.get(name) not in (None, "")), None)
    return {
        "id": f"{source}_{entry_id(entry.get('problem_id'), number)}",
        **convert(entry, question),
        "video": str(entry["path"]).removeprefix("./"),
        "source": source,
        "meta": {"type": told} if told else {},
    }


def _answer(entry: Row) -> str:
    found = answer_text(str(entry["solution"])).text
    if not found:
        raise LeftOut("problems without an answer")
    return found


def _choice(entry: Row, question: str) -> Row:
    given = [str(option) for option in entry.get("options") or []]
    if not in_order(given):
        raise LeftOut("problems whose options are not lettered A, B, C, ... in order")
    options = [option_text(option) for option in given]
    if len(options) < 2:
        raise LeftOut("multiple-choice problems without options")
    return {
        "task": "multiple_choice",
        "question": question,
        "options": options,
        "target": stated_letter(_answer(entry), options),
    }


def _number(entry: Row, question: str) -> Row:
    text = _answer(entry).replace(",", "")
    if not re.fullmatch(r"[-+]?\d{1,15}(?:\.\d{1,15})?", text):
        raise LeftOut("number problems whose answer is not a number")
    return {"task": "numeric", "question": question, "target": float(text)}


def _open(entry: Row, question: str) -> Row:
    return {"task": "open_ended", "question": question, "target": _answer(entry)}


def _grounding(entry: Row, question: str) -> Row:
    found = re.search(r'\{.*"time".*\}', str(entry["solution"]), re.DOTALL)
    try:
        value: Any = json.loads(found[0])["time"] if found else None
    except (ValueError, KeyError, TypeError):
        value = None
    if not isinstance(value, list) or not value:
        raise LeftOut("grounding problems without a time")
    spans = value if isinstance(value[0], list) else [value]
    return {"task": "temporal_grounding", "query": question, "target": spans}


CONVERSIONS: Mapping[str, Callable[[Row, str], Row]] = {
    "multiple choice": _choice,
    "numerical": _number,
    "regression": _number,
    "math": _open,
    "open ended": _open,
    "free form": _open,
    "ocr": _open,
    "temporal grounding": _grounding,
}

BENCHMARK = Benchmark(
    task="multiple_choice, numeric, open_ended, temporal_grounding",
    source="https://github.com/cyuQ1n/EasyVideoR1, its evaluation files; each set has its own source",
    splits="as in each set",
    metric="that of each sample's task; VSI-Bench: accuracy and mean relative accuracy, averaged over kinds",
    license="that of each set",
    defects="spatial-temporal grounding has no task here; some solutions of Charades-STA lack their tags",
    read=read,
)
