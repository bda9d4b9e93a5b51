"""Every reader is pumped with repeated units up to 100 kB: twice the length takes no more than twice the time.

Processor time, the best of several, of a quarter of the text and of the whole: two doublings, so four times and 40 %
for noise in each; quadratic work would take sixteen times.
"""

import gc
import time
from collections.abc import Callable, Iterator

import pytest

from reeltune.answers import boxes, choices, numbers, spans
from reeltune.answers.final_answer import Block, answer_text, has_format
from reeltune.answers.limits import MAX_CHARACTERS

OPTIONS = ("The man opens the door", "a cat", "red", "5")
READERS: dict[str, Callable[[str], object]] = {
    "letter": lambda text: choices.read_letter(Block(text, tagged=True), OPTIONS),
    "label": lambda text: choices.read_label(Block(text, tagged=True), ("low quality", "high quality")),
    "number": lambda text: numbers.read_number(Block(text, tagged=True)),
    "span": lambda text: spans.read_spans(Block(text, tagged=False)),
    "box": lambda text: boxes.read_boxes(Block(text, tagged=True), 2),
    "shape": answer_text,
    "format": lambda text: has_format(text, "think", ["glue"]),
}
UNITS = (
    "1 ",
    "A ",
    "A, B, ",
    "([",
    "[0.1,0.1,",
    "1:",
    "start 1 ",
    "the answer is ",
    "not B ",
    "\\boxed{",
    "}",
    "**",
    "~~a",
)
UNITS += (
    "<a",
    "<answer>",
    "</think>",
    "no, ",
    "1,000",
    "one hundred ",
    "\n",
    " ",
    '{"answer": ',
    "red ",
    "答案",
    "1 m ",
)
UNITS += (
    "x0=0.1,",
    "between 1 and ",
    ") ",
    "a cat. ",
    "\t ",
    "\\frac{1}{2}",
    "选",
    "if ",
    "-",
    "\ud800",
    "start" + " " * 9,
    "1.",
)
NOISE = 1.4
"""Processor time of equal work differs by so much on a machine whose cores and caches many share."""
LENGTHS = [20_000, pytest.param(100_000, marks=pytest.mark.slow)]


def seconds(read: Callable[[str], object], unit: str, length: int) -> float:
    text = (unit * (length // len(unit) + 1))[:length]
    start = time.process_time()
    read(text)
    return time.process_time() - start


@pytest.fixture
def no_collection() -> Iterator[None]:
    """What other tests left to be collected is not this reader's time."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", READERS)
def test_twice_the_length_takes_at_most_twice_the_time(name: str, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reeltune.answers.limits.MAX_CHARACTERS", 10 * length)
    read = READERS[name]
    for unit in UNITS:
        quarter = full = float("inf")
        # Processor time too grows where others use the same caches: a reader of quadratic time takes 16 times as long
        # in each of the twenty, one of linear time passes in one of them.
        for _ in range(20):
            quarter, full = min(quarter, seconds(read, unit, length // 4)), min(full, seconds(read, unit, length))
            if full <= (2 * NOISE) ** 2 * quarter + 0.02:
                break
        else:
            raise AssertionError(f"{unit!r}: {quarter:.3f} s for a quarter, {full:.3f} s for {length} characters")
        assert full < 10, f"{unit!r}: {full:.1f} s"


@pytest.mark.parametrize("name", ["letter", "label", "number", "span", "box"])
def test_what_is_too_long_is_not_read(name: str) -> None:
    text = "5 to 15 is the answer: B, red. " * (MAX_CHARACTERS // 30 + 1)
    value, reason = READERS[name](text)  # type: ignore[misc]
    assert value is None and f"{len(text)} characters" in reason
