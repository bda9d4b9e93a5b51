"""How other evaluators read option letters, rebuilt from what their functions do and held to them on recorded texts.

They are here to reproduce published numbers, errors included; our own reader is in `answers`. Each takes the completion
and the sample and gives credit in 0..1.
"""

import re
from collections.abc import Sequence
from typing import Any

from reeltune.tasks import get_task
from reeltune.tasks.choices import LETTERS

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_PERIOD = re.compile(r"\.(?!\d)")
_MAX_PERIODS = 32
"""lmms-eval passes a flag in the place of a count, so that so many periods go (its `re.UNICODE` is 32)."""


def lmms_mvbench(text: str, sample: Any) -> float:
    """lmms-eval, tasks/mvbench: "X. ..." on one line, else the first single letter A to E once marks are gone.

    An article "a" is option A.
    """
    return float(_lmms_plain(text) == _lmms_plain(sample.target))


def _lmms_plain(text: str) -> str:
    text = text.strip()
    lettered = re.match(r"([a-e])\.\s*.+$", text, re.IGNORECASE)
    if lettered:
        return lettered[1].upper()
    text = text.replace("\n", " ").replace("\t", " ").strip()
    has_comma_number = re.search(r"\d,\d", text) is not None
    cleaned = text
    for mark in _MARKS:
        beside_blank = f"{mark} " in text or f" {mark}" in text
        cleaned = cleaned.replace(mark, "" if beside_blank or has_comma_number else " ")
    cleaned = _PERIOD.sub("", cleaned, count=_MAX_PERIODS)
    cleaned = cleaned.strip("'").strip('"').strip(")").strip("(").strip().lower()
    letter = re.search(r"\b[a-e]\b", cleaned, re.IGNORECASE)
    return letter[0].upper() if letter else cleaned


_PHRASES = (
    *(
        f"{owner}{kind} is"
        for kind in ("answer", "option", "choice")
        for owner in ("the ", "", "the correct ", "correct ", "the best ", "best ", "my ")
        if (owner, kind) not in {("the ", "option"), ("", "option"), ("the best ", "choice"), ("best ", "choice")}
        and (owner, kind) != ("my ", "option")
    ),
    "i choose", "i select", "i pick",
    "옵션", "정답은", "답은", "답:", "答案是", "答案为", "选", "答えは",
)  # fmt: skip
_RANKS = {"start": 10, "end": 9, "phrase": 7, "({})": 6, "{}.": 5, "{}:": 4, "{})": 3, "{} ": 2}


def lmms_letter(text: str, letters: Sequence[str]) -> str:
    """lmms-eval, tasks/_task_utils/mcq_extract: the last letter in the surest form that occurs; "" for none."""
    bare = text.strip()
    if not bare:
        return ""
    for mark in ",.!?;:'\"":
        bare = bare.strip(mark)
    padded = f" {bare} "
    found: list[tuple[int, int, str]] = []
    for form in ("({})", "{}.", "{}:", "{})", "{} "):
        places = [(padded.rfind(form.format(letter)), letter) for letter in letters]
        found += [(_RANKS[form], place, letter) for place, letter in places if place >= 0]
    lower = padded.lower()
    for phrase in _PHRASES:
        start = lower.find(phrase)
        if start >= 0:
            after = [(padded.find(letter, start + len(phrase)), letter) for letter in letters]
            found += [(_RANKS["phrase"], place, letter) for place, letter in after if place >= 0]
    inside = padded.strip()
    for letter in letters:
        if inside.startswith(letter) and not inside[1:2].isalpha():
            found.append((_RANKS["start"], 0, letter))
        if inside.endswith(letter) and not inside[-2:-1].isalpha():
            found.append((_RANKS["end"], len(padded) - 1, letter))
    found = found or [(0, padded.rfind(letter), letter) for letter in letters if letter in padded]
    return max(found, key=lambda each: each[:2])[2] if found else ""


def lmms_four_letters(text: str, sample: Any) -> float:
    """lmms-eval, tasks/videomme: of A to D, whatever the options."""
    return float(lmms_letter(text, LETTERS[:4]) == sample.target)


_V2_LEADS = (
    "The best answer is", "The correct answer is", "The answer is", "The answer", "The best option is",
    "The correct option is", "Final Answer:", "Best answer:", "Best option:", "Answer:", "Option:",
)  # fmt: skip
_VLMEVALKIT_LEADS = (
    "The best answer is", "The correct answer is", "The answer is", "The answer",
    # A comma is missing there, twice: these two pairs are one text each, and never occur.
    "The best option isThe correct option is", "Best answer:Best option:", "Answer:", "Option:",
)  # fmt: skip


def first_capital(text: str, letters: str, leads: Sequence[str]) -> str:
    """The first capital letter of `letters` once the leads are gone, be it inside a word; "" for none."""
    text = text.strip()
    for lead in leads:
        text = text.replace(lead, "")
    found = re.search(f"[{letters}]", text)
    return found[0] if found else ""


def lmms_video_mme_v2(text: str, sample: Any) -> float:
    """lmms-eval, tasks/videomme_v2: the first capital A to H."""
    return float(first_capital(text, "A-H", _V2_LEADS) == sample.target)


def vlmevalkit_video_mme(text: str, sample: Any) -> float:
    """VLMEvalKit, dataset/utils/videomme: the first capital A to D. Without one it asks a judge; here that is wrong."""
    return float(first_capital(text, "A-D", _VLMEVALKIT_LEADS) == sample.target)


def vlmevalkit_mvbench(text: str, sample: Any) -> float:
    """VLMEvalKit, dataset/utils/mvbench: the first word and "(x)", either inside the other. An empty answer is right.

    Where neither is it asks a judge; here that is wrong.
    """
    said = text.lower().strip().split(" ")[0]
    truth = f"({sample.target.lower()})"
    return float(said.replace(".", "") in truth or truth in said)


def lmms_first_word(text: str, sample: Any) -> float:
    """lmms-eval, tasks/vsibench, questions with options: the first word, without a period, is the letter."""
    return float(text.split(" ")[0].rstrip(".").strip().lower() == sample.target.lower())


def own_accuracy(text: str, sample: Any) -> float:
    """As the sample's task reads it and scores it."""
    task = get_task(sample.task)
    return float(task.scores(sample, task.read(sample, text).value)["accuracy"])
