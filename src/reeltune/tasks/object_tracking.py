"""Object tracking: where is the object at the given times? The answer is one box per time."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from reeltune.answers.final_answer import answer_text, instruct, wrap
from reeltune.sample import FieldError, Sample, Seconds, Text
from reeltune.tasks.base import Mode, Parsed, RewardOptions, Task
from reeltune.tasks.boxes import Box, BoxField, box_text, boxes_text, overlaps, read_boxes
from reeltune.tasks.pictures import boxes_picture
from reeltune.tasks.spans import reaches, seconds_text

Boxes = tuple[Box, ...]

CURVE = tuple(step / 20 for step in range(21))
"""Thresholds of the success curve (OTB): 0, .05, ..., 1."""


class ObjectTrackingSample(Sample):
    is_timed: ClassVar = True
    object: Text
    start_box: BoxField
    """Where the object is at first."""
    times: Annotated[tuple[Seconds, ...], Field(min_length=1)]
    """Seconds at which a box is asked for, in increasing order; the first may be the time of `start_box`."""
    target: tuple[BoxField, ...]
    """The true box at each time."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if list(self.times) != sorted(set(self.times)):
            raise FieldError("times", "the times must increase")
        if len(self.target) != len(self.times):
            raise FieldError(
                "target", f"holds {len(self.target)} boxes for {len(self.times)} times; give one box per time"
            )
        return self


class ObjectTracking(Task[ObjectTrackingSample, Boxes]):
    """Answer: a box (x0, y0, x1, y1) in 0..1 of width and height for each time. Reward: the mean of their IoUs."""

    name = "object_tracking"
    sample_type = ObjectTrackingSample
    fields: ClassVar = {"start_box": "box", "target": "boxes"}
    default_weights: ClassVar = {"format": 1.0, "overlap": 1.0}

    def prompt(self, sample: ObjectTrackingSample, mode: Mode) -> str:
        times = ", ".join(seconds_text(time) for time in sample.times)
        question = (
            f'Track "{sample.object}", which starts at {box_text(sample.start_box)}. Where is it at {times} seconds?'
        )
        unit = ", in fractions of width and height," if mode == "think" else ""
        shape = "<answer>[[x0, y0, x1, y1], ...]</answer>"
        return f"{question} {instruct(f'answer with one box per time{unit} as {shape}', mode)}"

    def gold(self, sample: ObjectTrackingSample, mode: Mode) -> str:
        thought = f'I follow "{sample.object}" from its first box.'
        return wrap(boxes_text(sample.target), mode, thought=thought)

    def parse(self, sample: ObjectTrackingSample, text: str) -> Parsed[Boxes]:
        return Parsed(*read_boxes(answer_text(text), len(sample.times)))

    def content_rewards(
        self, sample: ObjectTrackingSample, value: Boxes | None, options: RewardOptions
    ) -> dict[str, float | None]:
        found = overlaps(value, sample.target, generalized=options.generalized_iou)
        return {"overlap": options.overlap(sum(found) / len(found))}

    def scores(self, sample: ObjectTrackingSample, value: Boxes | None) -> dict[str, float]:
        """Success is the share of samples whose mean overlap reaches the threshold (VideoChat-R1); the area
        under the success curve is that of the share of boxes whose overlap passes it (OTB)."""
        found = overlaps(value, sample.target)
        mean = sum(found) / len(found)
        passed = sum(bisect_left(CURVE, value) for value in found)
        return {
            "mean_overlap": mean,
            "success@0.5": float(reaches(mean, 0.5)),
            "success@0.7": float(reaches(mean, 0.7)),
            "success_auc": passed / len(found) / len(CURVE),
        }

    def trivial_scores(
        self, samples: Sequence[ObjectTrackingSample], fit_on: Sequence[ObjectTrackingSample] | None = None
    ) -> dict[str, list[dict[str, float]]]:
        return {"repeat_start_box": [self.scores(s, (s.start_box,) * len(s.times)) for s in samples]}

    def picture(self, sample: ObjectTrackingSample, answers: Mapping[str, Boxes | None]) -> str:
        return boxes_picture(sample.times, sample.target, answers)


TASK = ObjectTracking()
