"""A captioning sample and what a completion says about it."""

from dataclasses import dataclass
from typing import Self

from pydantic import ConfigDict, model_validator
from pydantic.dataclasses import dataclass as validated

from reeltune.sample import Sample, Text
from reeltune.tasks.captioning.structure import Subject

INSTRUCTION = "Describe what happens in the video."


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class VideoQuestion:
    """A question that a good caption answers (VDC)."""

    question: Text
    answer: Text
    category: Text | None = None


class CaptioningSample(Sample):
    """A reference `caption`, or `questions` about the video, or both. None: not annotated; []: there are none."""

    instruction: Text = INSTRUCTION
    caption: Text | None = None
    events: tuple[Text, ...] | None = None
    subjects: tuple[Subject, ...] | None = None
    objects: tuple[Text, ...] | None = None
    questions: tuple[VideoQuestion, ...] | None = None

    @model_validator(mode="after")
    def _has_a_reference(self) -> Self:
        if self.caption is None and not self.questions:
            raise ValueError("a captioning sample needs a reference: caption (with events), or questions")
        return self


@dataclass(frozen=True)
class Description:
    """What a completion says: the caption, and the subjects of its thinking. `off_form`: lines that are none."""

    caption: str
    subjects: tuple[Subject, ...] = ()
    off_form: tuple[str, ...] = ()
