"""Classification: which of the labels fits the video? Video quality is its first use."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from reeltune.answers.final_answer import answer_text, wrap
from reeltune.sample import FieldError, Sample, Text
from reeltune.tasks.base import Mode, Parsed, RewardOptions, Task, most_common, request
from reeltune.tasks.choices import normalized, read_label
from reeltune.tasks.pictures import texts_picture


class ClassificationSample(Sample):
    question: Text = "Which label fits the video?"
    labels: Annotated[tuple[Text, ...], Field(min_length=2)]
    target: Text
    """One of the labels."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [normalized(label) for label in self.labels]
        if len(set(names)) < len(names):
            raise FieldError("labels", "two labels are identical; labels must be unique")
        if self.target not in self.labels:
            raise FieldError("target", f"must be one of the labels: {', '.join(self.labels)}")
        return self


class Classification(Task[ClassificationSample, str]):
    """Answer: one of the sample's labels. Reward: 1 where it is the target, else 0."""

    name = "classification"
    sample_type = ClassificationSample
    fields: ClassVar = {"target": "label"}
    columns: ClassVar = {"question": ("question", "instruction", "prompt")}
    default_weights: ClassVar = {"format": 1.0, "accuracy": 1.0}

    def prompt(self, sample: ClassificationSample, mode: Mode) -> str:
        return f"{sample.question} Choose one: {', '.join(sample.labels)}. {request('choice', mode)}"

    def gold(self, sample: ClassificationSample, mode: Mode) -> str:
        return wrap(sample.target, mode, thought=f"It looks like {sample.target}.")

    def parse(self, sample: ClassificationSample, text: str) -> Parsed[str]:
        return Parsed(*read_label(answer_text(text), sample.labels))

    def content_rewards(
        self, sample: ClassificationSample, value: str | None, options: RewardOptions
    ) -> dict[str, float | None]:
        return {"accuracy": float(value == sample.target)}

    def scores(self, sample: ClassificationSample, value: str | None) -> dict[str, float]:
        return {"accuracy": float(value == sample.target)}

    def type_of(self, sample: ClassificationSample) -> str | None:
        """The true label where the sample names no type: the macro average is then the balanced accuracy."""
        return super().type_of(sample) or sample.target

    def trivial_scores(
        self, samples: Sequence[ClassificationSample], fit_on: Sequence[ClassificationSample] | None = None
    ) -> dict[str, list[dict[str, float]]]:
        label = most_common([s.target for s in fit_on or samples])
        return {
            "majority_label": [self.scores(s, label) for s in samples],
            "random_label": [{"accuracy": 1.0 / len(s.labels)} for s in samples],
        }

    def picture(self, sample: ClassificationSample, answers: Mapping[str, str | None]) -> str:
        return texts_picture(sample.target, answers)


TASK = Classification()
