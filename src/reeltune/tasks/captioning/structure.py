"""The structured thinking of captioning: one subject a line, easy to write for a model and to read for us.

    red circle | red; circle | appears; moves left
    woman | young; in a red coat | opens the door; sits down

Name, attributes, actions between bars, items between semicolons; an empty part is a dash. The form is our choice: the
paper says only that subjects with attributes and actions come first.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from reeltune.answers.final_answer import filled
from reeltune.sample import Text

EMPTY = "-"
_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a character, as a tokenizer may cut one; no text may hold it."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Subject:
    name: Text
    attributes: tuple[Text, ...] = ()
    actions: tuple[Text, ...] = ()

    @property
    def items(self) -> tuple[str, ...]:
        return self.attributes + self.actions


class Structure(NamedTuple):
    """What the thinking states. `off_form`: lines that are no subject."""

    subjects: tuple[Subject, ...]
    off_form: tuple[str, ...]


def write_structure(subjects: Sequence[Subject]) -> str:
    """The lines that `read_structure` reads back; marks of the form inside a text become commas."""
    return "\n".join(f"{_plain(s.name)} | {_joined(s.attributes)} | {_joined(s.actions)}" for s in subjects)


def read_structure(text: str) -> Structure:
    """Lenient about list marks, empty items, a missing last part; a line without a bar is off form. Never raises."""
    subjects, off_form = [], []
    for line in _SURROGATE.sub("\ufffd", text).splitlines():
        if not line.strip():
            continue
        name, *parts = (part.strip() for part in line.split("|"))
        name = re.sub(r"^(?:[-*•]|\d+[.)])\s*", "", name).strip()
        if not name or not 1 <= len(parts) <= 2:
            off_form.append(line.strip())
            continue
        attributes, actions = (_items(part) for part in [*parts, ""][:2])
        subjects.append(Subject(name=name, attributes=attributes, actions=actions))
    return Structure(tuple(subjects), tuple(off_form))


def thinking_of(text: str) -> str:
    """The inside of the first <think> block; of all that comes before </think> when the prompt opened it."""
    return _thinking(text)[1]


def lines_off_form(text: str) -> Iterator[tuple[int, int]]:
    """[start, end) of the lines of a completion's thinking that are no subject of three parts, in characters."""
    at, thinking = _thinking(text)
    for line in thinking.splitlines(keepends=True):
        if line.strip() and (line.count("|") != 2 or read_structure(line).off_form):
            yield from filled(text, [(at, at + len(line))])
        at += len(line)


def _thinking(text: str) -> tuple[int, str]:
    """Where the thinking begins, and what it says."""
    plain = re.sub(r"</?think>", lambda tag: tag[0].lower(), text, flags=re.IGNORECASE)
    before, closed, _ = plain.partition("</think>")
    opened = before.find("<think>")
    if opened < 0:
        return 0, before if closed else ""
    start = opened + len("<think>")
    return start, before[start:]


def is_well_formed(text: str) -> bool:
    """Subjects of three parts and nothing else, with at least one attribute or action among them."""
    found = read_structure(text)
    lines = [line for line in text.splitlines() if line.strip()]
    return (
        bool(found.subjects)
        and not found.off_form
        and all(line.count("|") == 2 for line in lines)
        and any(subject.items for subject in found.subjects)
    )


def _items(part: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in part.split(";") if item.strip() not in ("", EMPTY))


def _joined(items: Sequence[str]) -> str:
    return "; ".join(_plain(item) for item in items) or EMPTY


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[|;<>\n]", ",", text).split())
