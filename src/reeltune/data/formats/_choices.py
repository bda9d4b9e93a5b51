"""What the readers of multiple-choice files share."""

import re
from collections.abc import Sequence
from typing import Any

from reeltune.tasks.choices import LETTERS

_LETTERED = re.compile(r"^\s*(?:\(([A-Z])\)|([A-Z])[.):])\s*", re.IGNORECASE)


def option_text(option: Any) -> str:
    """An option without the letter in front: '(A) a dog', 'A. a dog' -> 'a dog'."""
    text = str(option)
    return _LETTERED.sub("", text, count=1).strip() or text.strip()


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
