"""Option letters and labels: one lenient reader for reward and metric.

It reads a letter alone (`B`, `b`), in brackets or with a mark (`(B)`, `B.`, `**B**`), with its text
(`B. a dog`), the exact text of an option, and in prose `the answer is B`. Two different letters, a letter
past the options, and a letter beside another option's text have no reading.
"""

import re
from collections.abc import Sequence

from reeltune.answers.final_answer import Block

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_LEAD = r"(?:(?:the\s+)?(?:best\s+|correct\s+|final\s+|right\s+)?(?:answer|option|choice)\s*(?:is|:|=)?\s*)*"
_LEADING = re.compile(rf"^\W*{_LEAD}", re.IGNORECASE)
_ALONE = re.compile(rf"\W*{_LEAD}\W*(?:boxed\W*)?([a-z])\W*", re.IGNORECASE)
_WITH_TEXT = re.compile(rf"\W*{_LEAD}\W*([a-z])(?:\s*[).:\]}}*,-]+\s*|\s+)(.+)", re.IGNORECASE | re.DOTALL)
_STATED = re.compile(
    r"\b(?i:answer|option|choice)\b[\s:=]*(?:is\b)?[\s:=]*(?:option\b)?[\s:=]*[(\[*\"']*([A-Z])(?![\w'])(.{0,300})",
    re.DOTALL,
)
_BRACKETED = re.compile(r"[(\[]([A-Z])[)\]]")


def read_letter(block: Block, options: Sequence[str]) -> tuple[str | None, str | None]:
    """(letter, None), or (None, why it cannot be read)."""
    text = block.text
    if not text:
        return None, "no answer"
    letter, reason = _whole(text, options)
    if letter or reason:
        return letter, reason
    found = _in_prose(text, options)
    if len(found) == 1:
        return _in_range(found.pop(), options)
    return None, "several letters" if found else "no letter and no option's text"


def normalized(text: str) -> str:
    """For comparing texts: one case, single blanks, no marks or quotes around.

    >>> normalized('  "The Red  ball." ')
    'the red ball'
    """
    return " ".join(text.casefold().split()).strip(" .,;:!?\"'`*()[]{}")


def _whole(text: str, options: Sequence[str]) -> tuple[str | None, str | None]:
    """The text as a whole: an option's text, a letter, or a letter with a text."""
    alone = _ALONE.fullmatch(text)
    if alone and alone[1].upper() in _names(options):
        return alone[1].upper(), None
    texts = [normalized(option) for option in options]
    plain = normalized(_LEADING.sub("", text)) or normalized(text)
    if texts.count(plain) > 1:
        return None, "a text that several options share"
    if plain in texts:
        return LETTERS[texts.index(plain)], None
    if alone:
        return _in_range(alone[1], options)
    with_text = _WITH_TEXT.fullmatch(text)
    if not with_text:
        return None, None
    letter, rest = with_text[1].upper(), normalized(with_text[2])
    marked = re.match(r"\s*[).:\]}*,-]", text[with_text.end(1) :]) is not None
    if rest in texts:
        own = letter in _names(options) and texts[LETTERS.index(letter)] == rest
        return (letter, None) if own else (None, "a letter beside another option's text")
    if re.match(r"(?:(?:and|or|,|/)\s*)?\W*[a-z]\b(?!')\W*$", rest) and rest[-1:].upper() in _names(options):
        return None, "several letters"
    return _in_range(letter, options) if marked and _is_one_letter(text, letter) else (None, None)


def _is_one_letter(text: str, letter: str) -> bool:
    """No other marked letter follows: 'A. or (B)' names two."""
    marked = {found for found in re.findall(r"(?<![\w'])([A-Z])(?=[).:\]])", text)} | set(_BRACKETED.findall(text))
    return marked <= {letter}


def _in_prose(text: str, options: Sequence[str]) -> set[str]:
    """Letters that a sentence states as its answer; the last statement decides."""
    stated = [match for match in _STATED.finditer(text) if _ends_or_own_text(match, options)]
    if stated:
        return {stated[-1][1]}
    return set(_BRACKETED.findall(text))


def _ends_or_own_text(match: re.Match[str], options: Sequence[str]) -> bool:
    """'answer is A dog' states no letter: after it must come a mark, the end, or the option's own text."""
    rest = match[2]
    if not rest.strip() or not re.match(r"[ \t]+\w", rest):
        return True
    index = LETTERS.index(match[1])
    return index < len(options) and normalized(rest).startswith(normalized(options[index]))


def _names(options: Sequence[str]) -> str:
    return LETTERS[: len(options)]


def _in_range(letter: str, options: Sequence[str]) -> tuple[str | None, str | None]:
    letter = letter.upper()
    if letter in _names(options):
        return letter, None
    return None, f"letter {letter}, but the options end at {_names(options)[-1]}"


_DENIAL = re.compile(r"\b(?:not|no|never|neither|nor|isn't|cannot|without)\b|n't\b", re.IGNORECASE)


def read_label(block: Block, labels: Sequence[str]) -> tuple[str | None, str | None]:
    """(label as the sample writes it, None), or (None, why it cannot be read)."""
    if not block.text:
        return None, "no answer"
    text = normalized(block.text)
    for label in labels:
        if normalized(label) == text:
            return label, None
    found, rest = set(), text
    for label in sorted(labels, key=len, reverse=True):
        pattern = rf"(?<!\w){re.escape(normalized(label))}(?!\w)"
        if normalized(label) and re.search(pattern, rest):
            found.add(label)
            rest = re.sub(pattern, " ", rest)
    if not found:
        return None, "no label"
    if len(found) > 1:
        return None, "several labels"
    return (None, "a label that is denied") if _DENIAL.search(rest) else (found.pop(), None)
