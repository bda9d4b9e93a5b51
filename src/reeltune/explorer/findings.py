"""What a page marks in the text of a completion: its parts, what breaks the asked form, what the judge said of it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from reeltune.explorer.drawing import drawn, times_of
from reeltune.sample import Sample
from reeltune.tasks import get_task
from reeltune.tasks.base import FULL, Mode

Row = dict[str, Any]
TAGS = re.compile(r"<(think|answer|glue)>(.*?)(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)


def read_answer(text: str, sample: Sample | None, mode: Mode | None) -> Row:
    """{"marks", "drawn", "findings"}: what is marked where, in characters, what was read, what is wrong, in words.

    `mode`: how the answer was asked for; None where it is not known: then nothing is said of its form.
    """
    parts = list(TAGS.finditer(text))
    marks = [{"start": part.start(2), "end": part.end(2), "kind": part[1].lower()} for part in parts]
    if sample is None:
        return {"marks": marks, "drawn": drawn(None, ()), "findings": []}
    task = get_task(sample.task)
    parsed = task.read(sample, text)
    findings = []
    if parsed.reason is not None:
        findings.append(f"no readable answer: {parsed.reason}")
        marks += [mark | {"kind": "unreadable"} for mark in marks if mark["kind"] == "answer"][-1:]
    if mode is not None:
        asked = mode if mode in task.modes else task.modes[0]
        if task.format_reward(sample, text, asked) < FULL:
            off = task.off_form(text, asked)
            marks += [{"start": start, "end": end, "kind": "stray"} for start, end in off.stray]
            missing = ", ".join(f"<{tag}>" for tag in off.missing)
            more = f"; missing, incomplete or misplaced: {missing}" if missing else ""
            findings.append(f"not the required format ({asked}){more}")
    return {"marks": marks, "drawn": drawn(parsed.value, times_of(sample)), "findings": findings}


def read_score(answer: Mapping[str, Any], sample: Sample | None) -> Row:
    """The same of an entry of a score's `answers`: what was read stands there, the text itself does not."""
    findings = [f"no readable answer: {answer['reason']}"] if answer.get("reason") else []
    return {"marks": [], "drawn": drawn(answer.get("value"), times_of(sample) if sample else ()), "findings": findings}


def judged(text: str, verdicts: Sequence[Mapping[str, Any]]) -> Row:
    """{"marks", "verdicts"}: the judge's verdicts; a statement that stands in the answer is marked there too."""
    answers = [part.start(2) for part in TAGS.finditer(text) if part[1].lower() == "answer"]
    begin = answers[-1] if answers else 0
    after: dict[str, int] = {}
    marks, told = [], []
    for verdict in verdicts:
        statement = str(verdict["statement"])
        place = None
        if verdict["of"] == "answer":
            words = r"\s+".join(map(re.escape, statement.split()))
            place = re.compile(words, re.IGNORECASE).search(text, after.get(statement, begin))
        if place:
            after[statement] = place.end()  # told twice, it is judged twice
            marks.append({"start": place.start(), "end": place.end(), "kind": f"said-{verdict['said']}"})
        told.append({**verdict, "marked": place is not None})
    return {"marks": marks, "verdicts": told}
