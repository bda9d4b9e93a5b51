"""Numeric: how many, how far, how large? The answer is a number.

With a `tolerance` an answer is right within it; without one its reward is the mean relative accuracy.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from reeltune.answers.final_answer import answer_text, wrap
from reeltune.answers.numbers import read_number
from reeltune.sample import Sample, Text
from reeltune.tasks.base import QUESTION_COLUMNS, Components, Mode, Parsed, RewardOptions, Task, request
from reeltune.tasks.numbers import NumberField, median, relative_accuracy, within
from reeltune.tasks.pictures import texts_picture


class NumericSample(Sample):
    question: Text
    target: NumberField
    tolerance: Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0)] | None = None
    """How far an answer may be off, in the target's unit; none: the mean relative accuracy decides."""


class Numeric(Task[NumericSample, float]):
    """Answer: a number. Reward: 1 within `tolerance`, else 0; without one the mean relative accuracy, 0..1."""

    name = "numeric"
    sample_type = NumericSample
    fields: ClassVar = {"target": "number"}
    columns: ClassVar = {"question": QUESTION_COLUMNS}
    default_weights: ClassVar = {"format": 1.0, "accuracy": 1.0}

    def prompt(self, sample: NumericSample, mode: Mode) -> str:
        return f"{sample.question} {request('number', mode)}"

    def gold(self, sample: NumericSample, mode: Mode) -> str:
        return wrap(number_text(sample.target), mode, thought="Let me count.")

    def parse(self, sample: NumericSample, text: str) -> Parsed[float]:
        return Parsed(*read_number(answer_text(text)))

    def content_rewards(self, sample: NumericSample, value: float | None, options: RewardOptions) -> Components:
        if sample.tolerance is not None:
            return {"accuracy": float(within(value, sample.target, sample.tolerance))}
        return {"accuracy": relative_accuracy(value, sample.target)}

    def scores(self, sample: NumericSample, value: float | None) -> dict[str, float]:
        """`accuracy`: within the tolerance, 0 where there is none; `mra`: mean relative accuracy."""
        return {
            "accuracy": float(within(value, sample.target, sample.tolerance or 0.0)),
            "mra": relative_accuracy(value, sample.target),
        }

    def trivial_scores(
        self, samples: Sequence[NumericSample], fit_on: Sequence[NumericSample] | None = None
    ) -> dict[str, list[dict[str, float]]]:
        middle = median([s.target for s in fit_on or samples])
        return {"median_number": [self.scores(s, middle) for s in samples]}

    def picture(self, sample: NumericSample, answers: Mapping[str, float | None]) -> str:
        said = {name: None if value is None else number_text(value) for name, value in answers.items()}
        return texts_picture(number_text(sample.target), said)


def number_text(value: float) -> str:
    """
    >>> number_text(3.0), number_text(2.5)
    ('3', '2.5')
    """
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


TASK = Numeric()
