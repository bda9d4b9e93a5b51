"""From a table's cells to the fields of a sample, once it is known which column is which."""

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from reeltune.data.formats._choices import in_order, listed_options, option_text
from reeltune.data.tables import Row
from reeltune.tasks import get_task
from reeltune.tasks.choices import LETTERS, normalized


@dataclass(frozen=True)
class Mapped:
    """task; columns: field -> its column, or columns (start and end, one an option); notes: what the guess rests on."""

    task: str
    columns: dict[str, str | tuple[str, ...]]
    notes: list[str] = field(default_factory=list)
    labels: tuple[str, ...] = ()
    index_from: int = 0

    def unused(self, rows: Sequence[Row]) -> list[str]:
        used = {name for value in self.columns.values() for name in ([value] if isinstance(value, str) else value)}
        return [name for name in dict.fromkeys(key for row in rows for key in row) if name not in used]


def option_number(value: Any) -> int | None:
    """A whole number that may be an option's; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 3 else None


def options_of(row: Row, column: str | Sequence[str]) -> list[str]:
    """The options of a row: of its column, as list or as text, or of its columns; letters in front are taken off."""
    values = _as_list(row.get(column)) if isinstance(column, str) else [row.get(name) for name in column]
    texts = [str(value).strip() for value in values if value is not None and str(value).strip()]
    return [option_text(text) for text in texts] if in_order(texts) else texts


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    if not isinstance(value, str):
        return list(value) if isinstance(value, list | tuple) else []
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list | tuple | dict):
            return list(found.values()) if isinstance(found, dict) else list(found)
    for mark in ("\n", "|", ";"):
        if mark in value:
            return value.split(mark)
    return []


def to_row(row: Row, number: int, mapped: Mapped) -> Row:
    """A row of samples.jsonl; `video` as the table names it."""
    own = get_task(mapped.task)
    made: Row = {"id": f"row {number}", "task": mapped.task}
    for name, column in mapped.columns.items():
        if name == "options":
            made[name] = options_of(row, column)
        elif not isinstance(column, str):
            made[name] = [[row.get(each) for each in column]]
        elif row.get(column) is not None:
            made[name] = row[column]
    made["id"], made["video"] = str(made["id"]), str(made.get("video") or "")
    for name in (each for each in own.columns if each in made and each != "options"):
        made[name] = str(made[name])
    if mapped.labels:
        made["labels"] = list(mapped.labels)
    if made.get("options") == [] and (listed := listed_options(str(made.get("question", "")))):
        made |= {"question": listed.question, "options": listed.options}
    for name, kind in own.fields.items():
        if kind == "letter":
            made[name] = _letter(made.get(name), made.get("options") or [], mapped.index_from)
        elif kind == "label":
            made[name] = str(made.get(name))
    if kind_of_question := made.pop("type", None):
        made["meta"] = {"type": str(kind_of_question)}
    if "source" in made:
        made["source"] = str(made["source"])
    return made


def _letter(value: Any, options: Sequence[str], index_from: int) -> Any:
    """Text of an option first: options that are numbers themselves are answered by number."""
    texts = [normalized(option) for option in options]
    if normalized(str(value)) in texts:
        return LETTERS[texts.index(normalized(str(value)))] if len(texts) <= len(LETTERS) else value
    number = option_number(value)
    if number is not None:
        place = number - index_from
        return LETTERS[place] if 0 <= place < len(LETTERS) else str(value)
    return _own_letter(str(value), texts)


def _own_letter(text: str, texts: Sequence[str]) -> str:
    """The letter in front of 'B. a dog', '(B) a dog' where the text is that option's; else the text as it is."""
    match = re.fullmatch(r"\(?([A-Za-z])[).:]\s*(.+)", text, re.DOTALL)
    if match and normalized(match[2]) in texts:
        return match[1].upper()
    return text
