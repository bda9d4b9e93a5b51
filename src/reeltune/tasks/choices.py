"""Options: the field, the prompt's lines, trivial baselines. What models write is read in `answers.choices`."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from reeltune.answers.choices import LETTERS, read_label, read_letter
from reeltune.answers.final_answer import Mode, instruct
from reeltune.answers.option_texts import comparable, normalized
from reeltune.sample import FieldError, Text
from reeltune.tasks.base import most_common

__all__ = [
    "LETTERS", "LETTER_REQUEST", "Options", "check_letter", "comparable", "normalized", "option_baselines",
    "option_thought", "question_text", "read_label", "read_letter",
]  # fmt: skip

Options = Annotated[tuple[Text, ...], Field(min_length=2, max_length=len(LETTERS))]
"""Option texts in order, without their letters."""

LETTER_REQUEST: Mapping[Mode, str] = {
    "direct": instruct("answer with the letter as <answer>letter</answer>", "direct"),
    "think": instruct("answer with the letter of the right option as <answer>letter</answer>", "think"),
}


def check_letter(options: Sequence[str], target: str) -> None:
    """FieldError for a target that is no letter of the options."""
    names = LETTERS[: len(options)]
    if len(target) != 1 or target not in names:
        raise FieldError("target", f"must be the letter of one of the {len(options)} options: {', '.join(names)}")


def question_text(question: str, options: Sequence[str]) -> str:
    """The question and one line 'A. text' an option."""
    lines = [f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False)]
    return "\n".join([question, *lines])


def option_thought(options: Sequence[str], target: str) -> str:
    return f"The video shows: {options[LETTERS.index(target)]}"


def option_baselines(rows: Sequence[tuple[str, int]], fitted: Sequence[str]) -> dict[str, list[dict[str, float]]]:
    """Accuracy of the majority letter of `fitted` and the expected one of a random option.

    `rows`: (right letter, number of options) of each sample.
    """
    letter = most_common(fitted)
    return {
        "majority_letter": [{"accuracy": float(target == letter)} for target, _ in rows],
        "random_option": [{"accuracy": 1.0 / count} for _, count in rows],
    }
