"""Problems as {problem, problem_type, options ["A. ..."], solution "<answer>...</answer>"}: the type of problem decides
the task."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from reeltune.answers.final_answer import answer_text
from reeltune.data.formats import Row
from reeltune.data.formats._choices import in_order, option_text, stated_letter
from reeltune.data.formats._training import LeftOut


def kind_of(entry: Row) -> str:
    """The type of problem, however it is spelled: "multiple choice", "free form", ..."""
    return str(entry["problem_type"]).strip().casefold().replace("_", " ").replace("-", " ")


def of_problem(entry: Row) -> Row:
    """The task of a problem with its own fields; LeftOut where there is none."""
    convert = CONVERSIONS.get(kind_of(entry))
    if convert is None:
        raise LeftOut(f"problems of type {entry['problem_type']!r}, for which there is no task")
    return convert(entry, re.sub(r"\s*<(?:video|image)>\s*", " ", str(entry["problem"])).strip())


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
