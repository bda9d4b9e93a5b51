"""What the readers of multiple-choice files share."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reeltune.tasks.choices import LETTERS

_LETTERED = re.compile(r"^\s*(?:\(([A-Z])\)|([A-Z])[.):])\s*", re.IGNORECASE)
_OPTION_LINE = re.compile(r"(?:\(([A-Z])\)|([A-Z])[.):])\s*\S.*")
_HEADING = re.compile(r"\n?\s*(?:the\s+)?(?:options|choices)(?:\s+are)?\s*:\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Listed:
    """A question that lists its options; `rest` is what stands below them."""

    question: str
    options: list[str]
    rest: str


def listed_options(text: str) -> Listed | None:
    """The question and its options, one a line from "A. ..." and "B. ..." on; None when it lists none.

    >>> listed_options("What is it?\\nA. a dog\\n(B) a cat\\nAnswer by a letter.")
    Listed(question='What is it?', options=['a dog', 'a cat'], rest='Answer by a letter.')
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    letters = [_letter_before(line) for line in lines]
    start = next((at for at in range(len(lines)) if letters[at : at + 2] == ["A", "B"]), None)
    if start is None:
        return None
    end = start
    while end < len(lines) and letters[end] == LETTERS[end - start : end - start + 1] != "":
        end += 1
    question = _HEADING.sub("", "\n".join(lines[:start])).strip()
    options = [option_text(line) for line in lines[start:end]]
    return Listed(question, options, "\n".join(lines[end:])) if question else None


def in_order(options: Sequence[Any]) -> bool:
    """Whether options that carry letters carry A, B, C, ... in this order."""
    letters = [_letter_before(str(option).strip()) for option in options]
    return not any(letters) or letters == list(LETTERS[: len(letters)])


def _letter_before(line: str) -> str:
    match = _OPTION_LINE.fullmatch(line)
    return (match[1] or match[2]) if match else ""


def option_text(option: Any) -> str:
    """An option without the letter in front: '(A) a dog', 'A. a dog' -> 'a dog'."""
    text = str(option)
    return _LETTERED.sub("", text, count=1).strip() or text.strip()


def stated_letter(answer: Any, options: Sequence[str]) -> str:
    """As `letter_of`, for files that answer by letter: "C" is the third option, even if another one's text is "C"."""
    text = str(answer).strip().strip("()").upper()
    return text if len(text) == 1 and text in LETTERS[: len(options)] else letter_of(answer, options)


def letter_of(answer: Any, options: Sequence[str] = ()) -> str:
    """The right letter from '(C)', 'C', 'C. text', a number from 0, or the text of an option.

    What is none of these comes back as it is: the contract then names it.
    """
    if isinstance(answer, int):
        return LETTERS[answer] if 0 <= answer < len(LETTERS) else str(answer)
    text = str(answer).strip()
    if text in options:
        return LETTERS[list(options).index(text)]
    lettered = _LETTERED.match(text)
    if lettered:
        return (lettered[1] or lettered[2]).upper()
    if len(text) == 1 and text.upper() in LETTERS:
        return text.upper()
    if text.isdigit() and int(text) < len(options):
        return LETTERS[int(text)]
    return text
