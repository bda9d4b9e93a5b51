import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltune.answers.choices import LETTERS, read_letter
from reeltune.answers.final_answer import Block

OPTIONS = ("a dog", "share with the girl", "unwrap it", "A cat")


@pytest.mark.parametrize(
    "text",
    [
        "B",
        "b",
        "(B)",
        "[b]",
        "B.",
        "B)",
        "**B**",
        "'B'",
        "\\boxed{B}",
        "B. share with the girl",
        "(B) share with the girl",
        "B share with the girl",
        "B: share",
        "B - because",
        "share with the girl",
        " Share  with the girl. ",
        "Option B",
        "The answer is B",
        "The correct answer is (B) share with the girl.",
        "Best answer: B",
        "Answer: B\nExplanation: A is wrong",
        "the answer is share with the girl",
        "I think (B) is right because of her",
    ],
)
def test_forms_of_b(text: str) -> None:
    assert read_letter(Block(text, True), OPTIONS) == ("B", None)


@pytest.mark.parametrize(
    ("text", "letter"), [("a", "A"), ("A dog", "A"), ("a cat", "D"), ("Best answer: A", "A"), ("d.", "D")]
)
def test_an_article_is_no_letter(text: str, letter: str) -> None:
    assert read_letter(Block(text, True), OPTIONS) == (letter, None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no answer"),
        ("A man walks", "neither a letter"),
        ("no idea", "neither a letter"),
        ("answer", "neither a letter"),
        ("A and B", "several"),
        ("A, B", "several"),
        ("(A) or (B)", "several"),
        ("A. or (B)", "several"),
        ("E", "letter E, but the last option is D"),
        ("C. a dog", "the text of another option"),
    ],
)
def test_what_cannot_be_read_has_a_reason(text: str, reason: str) -> None:
    letter, why = read_letter(Block(text, True), OPTIONS)
    assert letter is None and reason in (why or "")


def test_options_that_are_letters() -> None:
    assert read_letter(Block("B", True), ("C", "A", "B")) == ("B", None)
    assert read_letter(Block("E", True), ("E", "F")) == ("A", None)


@given(st.text(max_size=80), st.lists(st.text(min_size=1), min_size=2, max_size=26), st.booleans())
def test_any_text_is_read_or_has_a_reason(text: str, options: list[str], tagged: bool) -> None:
    letter, reason = read_letter(Block(text, tagged), options)
    assert (letter is None) == (reason is not None)
    assert letter is None or letter in LETTERS[: len(options)]


@given(st.integers(0, 3), st.sampled_from(["{}", "({})", "{}.", "{}. {text}", "({}) {text}", "answer: {}"]))
def test_every_letter_in_every_form(index: int, form: str) -> None:
    text = form.format(LETTERS[index], text=OPTIONS[index])
    assert read_letter(Block(text, True), OPTIONS) == (LETTERS[index], None)
