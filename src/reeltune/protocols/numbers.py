"""How lmms-eval reads numbers (tasks/vsibench), rebuilt and held to its function on recorded texts."""

import re
from typing import Any

from reeltune.answers.spoken_numbers import TENS, UNITS

_WORDS = {word: value for value, word in enumerate(UNITS)} | {word: 10 * tens for tens, word in enumerate(TENS, 2)}
_WORDS |= {"hundred": 100, "thousand": 1000}


def lmms_number(text: str) -> float | None:
    """The first number of the text, in digits or in words ("three hundred and twenty-one"); None for none."""
    lower = text.strip().lower()
    digits = re.search(r"-?\d+(?:\.\d+)?", lower)
    words = list(re.finditer(r"[a-z]+", lower))
    first = next((at for at, match in enumerate(words) if match[0] in _WORDS), None)
    if digits and (first is None or digits.start() < words[first].start()):
        return float(digits[0])
    return None if first is None else _spoken([match[0] for match in words[first:]])


def _spoken(words: list[str]) -> float:
    whole, part = 0, 0
    for word in words:
        if word == "and":
            continue
        if word not in _WORDS:
            break
        value = _WORDS[word]
        if value == 100:
            part = max(part, 1) * 100
        elif value == 1000:
            whole, part = whole + max(part, 1) * 1000, 0
        else:
            part += value
    return float(whole + part)


def lmms_vsibench(text: str, sample: Any) -> float:
    """Mean relative accuracy with the published code's rounding: thresholds .5, .55, ..., .95 as it spaces them."""
    import numpy as np

    value = lmms_number(text)
    if value is None or sample.target == 0:
        return 0.0
    error = abs(value - sample.target) / sample.target
    return float((error <= 1 - np.linspace(0.5, 0.95, 10)).mean())
