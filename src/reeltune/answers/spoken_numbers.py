"""Numbers in words: English up to millions, halves and quarters, Chinese up to 99."""

import math
import re

UNITS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
)
"""0 to 19 in words."""
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {
    **{word: value for value, word in enumerate(UNITS)},
    **{word: 10 * value for value, word in enumerate(TENS, start=2)},
}
SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
WORD = "(?:" + "|".join([*sorted(_WORDS, key=len, reverse=True), *SCALES]) + ")"
_CHINESE = {sign: value for value, sign in enumerate("零一二三四五六七八九十")} | {"两": 2}


def part(text: str) -> float:
    above = next((float(UNITS.index(word)) for word in ("two", "three") if text.startswith(word)), 1.0)
    return above / (2 if "half" in text else 3 if "third" in text else 4)


def spoken(text: str) -> float:
    total = group = 0.0
    group += 0.5 * text.endswith("half")
    for word in re.findall(r"[a-z]+", text):
        if word in _WORDS:
            group += _WORDS[word]
        elif word == "hundred":
            group = max(group, 1) * 100
        elif word in SCALES:
            total, group = total + max(group, 1) * SCALES[word], 0
    return float(total + group)


def chinese(text: str) -> float:
    if "十" in text and text != "十":
        tens, ones = text.split("十", 1)
        return 10.0 * _CHINESE.get(tens, 1) + _CHINESE.get(ones, 0)
    # "七八个" are seven or eight.
    return float(_CHINESE[text]) if len(text) == 1 else math.nan
