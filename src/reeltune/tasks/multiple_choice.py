"""Multiple choice: which option is right? The answer is a letter."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from reeltune.answers.final_answer import answer_text, wrap
from reeltune.sample import FieldError, Sample, Text
from reeltune.tasks.base import Mode, Parsed, RewardOptions, Task, most_common
from reeltune.tasks.choices import LETTERS, read_letter
from reeltune.tasks.pictures import options_picture

Options = Annotated[tuple[Text, ...], Field(min_length=2, max_length=len(LETTERS))]
"""Option texts in order, without their letters."""


class MultipleChoiceSample(Sample):
    question: Text
    options: Options
    target: Text
    """The letter of the right option, "A" for the first."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_letter(self.options, self.target)
        return self


class MultipleChoice(Task[MultipleChoiceSample, str]):
    name = "multiple_choice"
    sample_type = MultipleChoiceSample
    fields: ClassVar = {"target": "letter"}
    default_weights: ClassVar = {"format": 1.0, "accuracy": 1.0}

    def prompt(self, sample: MultipleChoiceSample, mode: Mode) -> str:
        return f"{question_text(sample.question, sample.options)}\n{LETTER_REQUEST[mode]}"

    def gold(self, sample: MultipleChoiceSample, mode: Mode) -> str:
        return wrap(sample.target, mode, thought=option_thought(sample.options, sample.target))

    def parse(self, sample: MultipleChoiceSample, text: str) -> Parsed[str]:
        return Parsed(*read_letter(answer_text(text), sample.options))

    def content_rewards(
        self, sample: MultipleChoiceSample, value: str | None, options: RewardOptions
    ) -> dict[str, float | None]:
        return {"accuracy": float(value == sample.target)}

    def scores(self, sample: MultipleChoiceSample, value: str | None) -> dict[str, float]:
        return {"accuracy": float(value == sample.target)}

    def trivial_scores(
        self, samples: Sequence[MultipleChoiceSample], fit_on: Sequence[MultipleChoiceSample] | None = None
    ) -> dict[str, list[dict[str, float]]]:
        return option_baselines([(s.target, len(s.options)) for s in samples], [s.target for s in fit_on or samples])

    def picture(self, sample: MultipleChoiceSample, answers: Mapping[str, str | None]) -> str:
        return options_picture(sample.options, sample.target, answers)


LETTER_REQUEST: Mapping[Mode, str] = {
    "direct": "Answer with the letter as <answer>letter</answer>.",
    "think": "First think it over inside <think> and </think>. "
    "Then answer with the letter of the right option as <answer>letter</answer>.",
}


def check_letter(options: Sequence[str], target: str) -> None:
    """FieldError for a target that is no letter of the options."""
    names = LETTERS[: len(options)]
    if len(target) != 1 or target not in names:
        raise FieldError("target", f"must be a letter of the {len(options)} options, one of {', '.join(names)}")


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


TASK = MultipleChoice()
