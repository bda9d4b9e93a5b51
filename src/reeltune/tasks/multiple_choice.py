"""Multiple choice: which option is right? The answer is a letter."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from pydantic import model_validator

from reeltune.answers.final_answer import answer_text, wrap
from reeltune.sample import Sample, Text
from reeltune.tasks.base import QUESTION_COLUMNS, Mode, Parsed, RewardOptions, Task
from reeltune.tasks.choices import (
    LETTER_REQUEST,
    Options,
    check_letter,
    option_baselines,
    option_thought,
    question_text,
    read_letter,
)
from reeltune.tasks.pictures import options_picture

OPTION_COLUMNS = ("options", "choices", "candidates", "option", "choice", "answers", "candidate", "opt", "a", "")
"""One column of lists, or a column an option: option_a, choice1, a0, A, ..."""


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
    """Answer: an option's letter. Reward: 1 where it is the target's, else 0."""

    name = "multiple_choice"
    sample_type = MultipleChoiceSample
    fields: ClassVar = {"target": "letter"}
    columns: ClassVar = {"question": QUESTION_COLUMNS, "options": OPTION_COLUMNS}
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


TASK = MultipleChoice()
