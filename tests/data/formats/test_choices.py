"""What the readers of multiple-choice files share: letters and the texts of options."""

import pytest

from reeltune.data.formats._choices import letter_of, option_text


@pytest.mark.parametrize(
    ("answer", "letter"),
    [("(C)", "C"), ("c", "C"), ("C. z", "C"), (2, "C"), ("2", "C"), ("z", "C"), ("nothing", "nothing")],
)
def test_letters(answer: object, letter: str) -> None:
    assert letter_of(answer, ["x", "y", "z"]) == letter


def test_option_texts() -> None:
    assert [option_text(o) for o in ("(A) a dog", "B. a cat", "A man", "C:x", "D.")] == [
        "a dog",
        "a cat",
        "A man",
        "x",
        "D.",
    ]
