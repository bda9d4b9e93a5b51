"""What stands around an answer, or in its place, by a small grammar: no aside may be taken for the answer."""

from collections.abc import Callable
from itertools import product

import pytest

from reeltune.answers.choices import read_label, read_letter
from reeltune.answers.final_answer import Block
from reeltune.answers.numbers import read_number
from reeltune.answers.spans import read_spans

LABELS = ["cooking", "cleaning", "eating"]
KINDS: dict[str, tuple[str, str, object, Callable[[Block], tuple[object, str | None]]]] = {
    "letter": ("B", "C", "B", lambda block: read_letter(block, ["a red car", "a blue bus", "a green van"])),
    "option": (
        "a blue bus",
        "a green van",
        "B",
        lambda block: read_letter(block, ["a red car", "a blue bus", "a green van"]),
    ),
    "label": ("cleaning", "eating", "cleaning", lambda block: read_label(block, LABELS)),
    "number": ("8", "14", 8.0, read_number),
    "span": ("7.5 to 12 seconds", "15 to 21 seconds", ((7.5, 12.0),), read_spans),
}
"""An answer, another value, what the answer is read as, the reader."""
BEFORE = [
    "",
    "At first glance it seems to be {x}. ",
    "My first guess was {x}. ",
    "I considered {x}, but the later frames contradict it. ",
    "Someone who only saw the first second would answer {x}. ",
    "We can discard {x}. ",
    "A typical mistake here is {x}. ",
    "The distractor here is {x}. ",
]
ANSWER = [
    "The answer is {a}.",
    "**Answer: {a}**\n",
    "\\boxed{{{a}}}.",
    "I'd go with {a}.",
    "Thus {a}.",
    "That makes it {a}.",
]
AFTER = [
    "",
    " The next best guess would be {x}.",
    " Others may prefer {x}.",
    " {x} came second.",
    " {x} is a close runner-up.",
    " An earlier annotation says {x}.",
    " I ruled out {x}.",
    " Had the clip been longer, it might have been {x}.",
    " Don't confuse it with {x}.",
    "\n\n(Not {x}, as one might think.)",
    "\n\nWhy not {x}? Because it is never shown.",
]


@pytest.mark.parametrize("kind", KINDS)
def test_an_aside_replaces_no_answer(kind: str) -> None:
    said, other, value, read = KINDS[kind]
    for before, answer, after in product(BEFORE, ANSWER, AFTER):
        text = (before + answer + after).format(a=said, x=other)
        assert read(Block(text, tagged=False)) == (value, None), text


@pytest.mark.parametrize("kind", KINDS)
def test_an_aside_alone_is_no_answer(kind: str) -> None:
    _, other, _, read = KINDS[kind]
    for before, after in product(BEFORE, AFTER):
        text = (before + after).format(x=other).strip()
        assert read(Block(text, tagged=False))[0] is None, text


@pytest.mark.parametrize(
    "text",
    ["Answer: 4 cups on the table and 1 on the floor", "The answer is 4, or 5 fits as well.", "4 cups or 5 cups"],
)
def test_a_weaker_statement_leaves_no_answer(text: str) -> None:
    assert read_number(Block(text, tagged=False))[0] is None


def test_a_conclusion_and_a_correction_replace_an_answer() -> None:
    for text in (
        "The answer is B. But the van is green, so C.",
        "The answer is B. Wait, C.",
        "Not B but C",
        "B. No, C.",
    ):
        assert KINDS["letter"][3](Block(text, tagged=False)) == ("C", None), text


ALONE = ["{a}, I guess", "Definitely {a}.", "Without a doubt {a}", "By elimination, {a}.", "Only {a}."]
"""A fragment: it is said and no more."""
REPLIES = ["Is it {x}? No. Is it {a}? Yes.", "{x}? No, {a}.", "Rather {a} than {x}.", "None but {a}."]
ASIDES = [" ({x} is only in the background)", ", while {x} is what his brother has", ", followed by {x}"]
OTHERS_SAY = [
    "The caption says {x}.",
    "My friend claims that the answer is {x}.",
    "You should answer with {x}.",
    "He wants people to believe it is {x}.",
    "The least likely answer is {x}.",
    "The answer is {x}. I disagree.",
    'The film is called "the {x} affair".',
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_fragment_a_reply_and_what_stands_beside_an_aside_are_read(kind: str) -> None:
    said, other, value, read = KINDS[kind]
    texts = [*ALONE, *REPLIES, *(f"The answer is {{a}}{aside}." for aside in ASIDES)]
    for text in (each.format(a=said, x=other) for each in texts):
        assert read(Block(text, tagged=False)) == (value, None), text


@pytest.mark.parametrize("kind", KINDS)
def test_what_others_say_is_no_answer(kind: str) -> None:
    said, other, value, read = KINDS[kind]
    for text in (each.format(x=other) for each in OTHERS_SAY):
        assert read(Block(text, tagged=False))[0] is None, text
        assert read(Block(f"{text} The answer is {said}.", tagged=False)) == (value, None), text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("The height is 8 m, the width 14 m.", None),
        ("Number of windows: 8. Number of doors: 14.", None),
        ("The height is 14 m; 8 came later.", 14.0),
        ("14 birds land, and 8 more join.", None),
        ("The total is 14 birds: 8 in the tree and 6 on the ground.", 14.0),
        ("14 people are seen, 8 of whom are children.", 14.0),
        ("14 people are seen, of whom 8 leave.", None),
        ("8 in the tree and 6 on the ground: 14", 14.0),
    ],
)
def test_a_rival_beside_a_weak_statement_leaves_no_answer_unless_it_stands_aside(
    text: str, value: float | None
) -> None:
    assert read_number(Block(text, tagged=False))[0] == value


def test_what_stands_as_the_one_before_it_is_denied_with_it() -> None:
    for text in ("A and C are wrong, and so is B.", "The answer is B. Is it B? No. The bus is red."):
        assert KINDS["letter"][3](Block(text, tagged=False))[0] is None, text
