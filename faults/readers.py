"""Readers of what models write: texts grown by chance from the pieces that answers are made of, and units repeated to
great lengths. No exception, a value of the right kind or a reason, linear time, a deadline on the processor."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faults.table import Row
from reeltune.answers import boxes, choices, limits, numbers, spans
from reeltune.answers.final_answer import answer_text, has_format

OPTIONS = ("The man opens the door", "a cat", "red", "5", "Yes")
LABELS = ("low quality", "high quality", "running", "not running")
PIECES = (
    "A", "B", "(C)", "D.", "[E]", "Z", "option ", "answer", "the answer is ", "final answer: ", "not ", "n't ",
    "rather than ", "but ", "so ", "wait, ", "no, ", "if ", "maybe ", "or ", "and ", ", ", ". ", "\n", "? ",
    ": ", "- ", "1. ", "\\boxed{", "}", "\\text{", "$", "**", "`", "```json\n", '{"answer": ', '"', "<think>",
    "</think>", "<answer>", "</answer>", "<glue>", "5", "12.5", "1:02", "00:01:02,500", "90%", " to ",
    " seconds", "s", " - ", "between ", "from ", "start", "end", "frame ", "[0.1, 0.2, 0.3, 0.4]", "[", "]",
    "(", ")", "x1=", "nan", "inf", "1e999", "-", "one hundred ", "a cat", "red", "high", "low quality", "答案",
    "选", "是", "：", "～", "½", "⟦", "⟧", "\ud800", "\u202e", "\u200b", "\x00", "é", "𝐀", "１２", "yes", "no",
)  # fmt: skip
DEADLINE_S = 2.0
TWICE = 2.0
LENGTHS = (15_000, 30_000)


def _is_span(value: Any) -> bool:
    return all(0 <= start <= end < float("inf") for start, end in value)


READERS: dict[str, tuple[Callable[[str], Any], Callable[[Any], bool]]] = {
    "letter": (lambda text: choices.read_letter(answer_text(text), OPTIONS), lambda value: value in "ABCDE"),
    "label": (lambda text: choices.read_label(answer_text(text), LABELS), lambda value: value in LABELS),
    "number": (lambda text: numbers.read_number(answer_text(text)), lambda value: abs(value) < float("inf")),
    "span": (lambda text: spans.read_spans(answer_text(text)), _is_span),
    "box": (lambda text: boxes.read_boxes(answer_text(text), 1), lambda value: len(value) == 1 and len(value[0]) == 4),
    "format": (lambda text: (has_format(text, "think", ["glue"]), None), lambda value: isinstance(value, bool)),
}


def readers(scratch: Path, *, seconds: float, seed: int) -> list[Row]:
    rng = random.Random(seed)
    grown = {name: Row("readers", f"{name}: grown texts") for name in READERS}
    pumped = {name: Row("readers", f"{name}: repeated units") for name in READERS}
    end = time.monotonic() + seconds
    while time.monotonic() < end or not grown["format"].tried:
        for name, (read, is_right) in READERS.items():
            for _ in range(50):
                text = "".join(rng.choices(PIECES, k=rng.randint(1, 40)))
                grown[name].took(_read(read, is_right, text))
            pumped[name].took(_pump(read, "".join(rng.choices(PIECES, k=rng.randint(1, 3)))))
    return [*grown.values(), *pumped.values()]


def _read(read: Callable[[str], Any], is_right: Callable[[Any], bool], text: str) -> str | None:
    begun = time.process_time()
    try:
        value, reason = read(text)
    except Exception as error:
        return f"{text!r}: {type(error).__name__}: {error}"
    if time.process_time() - begun > DEADLINE_S:
        return f"{text!r}: more than {DEADLINE_S:g} s"
    if value is None:
        return None if reason else f"{text!r}: neither a value nor a reason"
    return None if is_right(value) and reason is None else f"{text!r}: {value!r} ({reason!r})"


def _pump(read: Callable[[str], Any], unit: str) -> str | None:
    """Twice the length takes at most twice the time, each the best of several measurements."""
    cap, best = limits.MAX_CHARACTERS, [float("inf")] * 2
    limits.MAX_CHARACTERS = 10 * max(LENGTHS)
    try:
        for _ in range(4):
            for place, length in enumerate(LENGTHS):
                begun = time.process_time()
                read((unit * (length // len(unit) + 1))[:length])
                best[place] = min(best[place], time.process_time() - begun)
            if best[1] <= TWICE * best[0] + 0.02:
                return None
    except Exception as error:
        return f"{unit!r} repeated: {type(error).__name__}: {error}"
    finally:
        limits.MAX_CHARACTERS = cap
    return f"{unit!r} repeated: {best[0]:.3f} s for {LENGTHS[0]} characters, {best[1]:.3f} s for {LENGTHS[1]}"
