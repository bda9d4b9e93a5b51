"""Temporal grounding: when does the described event happen? The answer is a span in seconds, or several."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from pydantic import model_validator

from reeltune.answers.final_answer import answer_text, instruct, wrap
from reeltune.sample import Duration, Sample, Text
from reeltune.tasks.base import Mode, Parsed, RewardOptions, Task
from reeltune.tasks.pictures import timeline_picture
from reeltune.tasks.spans import (
    Span,
    SpansField,
    best_fixed_span,
    check_within,
    iou,
    near_miss_rewards,
    reaches,
    read_spans,
    span_text,
)

Spans = tuple[Span, ...]


QUERY_COLUMNS = (
    "query", "sentence", "event", "phrase", "moment", "description", "caption", "text", "activity", "action",
    "question", "problem", "label",
)  # fmt: skip


class TemporalGroundingSample(Sample):
    is_timed: ClassVar = True
    query: Text
    duration: Duration | None = None
    """May be left out: the file knows it. The trivial answers need it."""
    target: SpansField
    """The true spans as [start, end] in seconds."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_within("target", self.target, self.duration, self.meta)
        return self


class TemporalGrounding(Task[TemporalGroundingSample, Spans]):
    """Answer: spans in seconds. Reward: temporal IoU of the union with the truth (VideoChat-R1, arXiv 2504.06958)."""

    name = "temporal_grounding"
    sample_type = TemporalGroundingSample
    fields: ClassVar = {"target": "spans"}
    columns: ClassVar = {"query": QUERY_COLUMNS}
    default_weights: ClassVar = {"format": 1.0, "iou": 1.0}
    further = ("giou", "w1")

    def prompt(self, sample: TemporalGroundingSample, mode: Mode) -> str:
        how = instruct("answer in seconds as <answer>start to end</answer>", mode)
        return f'When does this happen: "{sample.query}"? {how}'

    def gold(self, sample: TemporalGroundingSample, mode: Mode) -> str:
        spans = ", ".join(span_text(span) for span in sample.target)
        return wrap(spans, mode, thought=f"It happens from {spans} seconds.")

    def parse(self, sample: TemporalGroundingSample, text: str) -> Parsed[Spans]:
        return Parsed(*read_spans(answer_text(text)))

    def content_rewards(
        self, sample: TemporalGroundingSample, value: Spans | None, options: RewardOptions
    ) -> dict[str, float | None]:
        found = near_miss_rewards(options.further, value or (), sample.target, sample.duration)
        return {"iou": options.overlap(iou(value or (), sample.target)), **found}

    def scores(self, sample: TemporalGroundingSample, value: Spans | None) -> dict[str, float]:
        found = iou(value or (), sample.target)
        return {
            "miou": found,
            "r@0.3": float(reaches(found, 0.3)),
            "r@0.5": float(reaches(found, 0.5)),
            "r@0.7": float(reaches(found, 0.7)),
        }

    def trivial_scores(
        self,
        samples: Sequence[TemporalGroundingSample],
        fit_on: Sequence[TemporalGroundingSample] | None = None,
    ) -> dict[str, list[dict[str, float]]]:
        start, end = best_fixed_span([(s.duration, s.target) for s in fit_on or samples if s.duration])
        spans = {"whole_video": (0.0, 1.0), "best_fixed_span": (start, end)}
        return {name: [self._share_scores(s, *share) for s in samples] for name, share in spans.items()}

    def _share_scores(self, sample: TemporalGroundingSample, start: float, end: float) -> dict[str, float]:
        """Of the span from `start` to `end` in fractions of the duration; nothing where that is not known."""
        if sample.duration is None:
            return {}
        return self.scores(sample, ((start * sample.duration, end * sample.duration),))

    def picture(self, sample: TemporalGroundingSample, answers: Mapping[str, Spans | None]) -> str:
        return timeline_picture(sample.duration or sample.target[-1][1], sample.target, answers)


TASK = TemporalGrounding()
