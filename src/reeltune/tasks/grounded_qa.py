"""Grounded question answering: which option is right, and when does the video show it?

The answer is a letter and evidence, a set of spans inside <glue>, the tag that published checkpoints write.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from pydantic import model_validator

from reeltune.answers.final_answer import answer_text, wrap
from reeltune.sample import Duration, Sample, Text
from reeltune.tasks.base import Mode, Parsed, RewardOptions, Task
from reeltune.tasks.choices import (
    Options,
    check_letter,
    option_baselines,
    option_thought,
    question_text,
    read_letter,
)
from reeltune.tasks.pictures import options_picture, timeline_picture
from reeltune.tasks.spans import (
    Span,
    SpansField,
    best_fixed_span,
    check_within,
    iou_and_iop,
    near_miss_rewards,
    pair_text,
    reaches,
    read_spans,
)


@dataclass(frozen=True)
class GroundedAnswer:
    """Either part is None when it could not be read; the other still counts."""

    letter: str | None
    evidence: tuple[Span, ...] | None


class GroundedQASample(Sample):
    question: Text
    options: Options
    duration: Duration
    target: Text
    """The letter of the right option."""
    evidence: SpansField
    """When the video shows it, as [start, end] in seconds."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_letter(self.options, self.target)
        check_within("evidence", self.evidence, self.duration, self.meta)
        return self


class GroundedQA(Task[GroundedQASample, GroundedAnswer]):
    name = "grounded_qa"
    sample_type = GroundedQASample
    blocks = ("glue",)
    default_weights: ClassVar = {"format": 1.0, "accuracy": 1.0, "iou": 1.0}
    further = ("giou", "w1")

    def prompt(self, sample: GroundedQASample, mode: Mode) -> str:
        question = question_text(sample.question, sample.options)
        shape = "<answer>letter</answer><glue>[(start, end), ...]</glue>"
        if mode == "think":
            return (
                f"{question}\nFirst think it over inside <think> and </think>. Then answer with the letter of the "
                f"right option and the seconds that show it as {shape}."
            )
        return f"{question}\nAnswer with the letter and the seconds that show it as {shape}."

    def gold(self, sample: GroundedQASample, mode: Mode) -> str:
        evidence = "[" + ", ".join(pair_text(span) for span in sample.evidence) + "]"
        return wrap(sample.target, mode, thought=option_thought(sample.options, sample.target), glue=evidence)

    def parse(self, sample: GroundedQASample, text: str) -> Parsed[GroundedAnswer]:
        letter, letter_reason = read_letter(answer_text(text), sample.options)
        block = answer_text(text, "glue")
        evidence, evidence_reason = read_spans(block) if block.tagged else (None, "no <glue> block")
        reasons = [reason for reason in (letter_reason, evidence_reason) if reason]
        value = None if letter is None and evidence is None else GroundedAnswer(letter, evidence)
        return Parsed(value, "; ".join(reasons) or None)

    def content_rewards(
        self, sample: GroundedQASample, value: GroundedAnswer | None, options: RewardOptions
    ) -> dict[str, float | None]:
        found = self.scores(sample, value)
        evidence = (value.evidence if value else None) or ()
        near = near_miss_rewards(evidence, sample.evidence, sample.duration) if options.further else {}
        further: dict[str, float | None] = {name: near[name] for name in options.further}
        return {"accuracy": found["accuracy"], "iou": options.overlap(found["miou"]), **further}

    def scores(self, sample: GroundedQASample, value: GroundedAnswer | None) -> dict[str, float]:
        evidence = (value.evidence if value else None) or ()
        right = value is not None and value.letter == sample.target
        found, precision = iou_and_iop(evidence, sample.evidence)
        return {
            "accuracy": float(right),
            "miou": found,
            "iop": precision,
            "acc@gqa": float(right and reaches(precision, 0.5)),
        }

    def trivial_scores(
        self, samples: Sequence[GroundedQASample], fit_on: Sequence[GroundedQASample] | None = None
    ) -> dict[str, list[dict[str, float]]]:
        fitted = fit_on or samples
        start, end = best_fixed_span([(s.duration, s.evidence) for s in fitted])
        return {
            "whole_video": [_span_scores((0.0, s.duration), s) for s in samples],
            "best_fixed_span": [_span_scores((start * s.duration, end * s.duration), s) for s in samples],
            **option_baselines([(s.target, len(s.options)) for s in samples], [s.target for s in fitted]),
        }

    def picture(self, sample: GroundedQASample, answers: Mapping[str, GroundedAnswer | None]) -> str:
        letters = {name: value.letter if value else None for name, value in answers.items()}
        spans = {name: value.evidence if value else None for name, value in answers.items()}
        return options_picture(sample.options, sample.target, letters) + timeline_picture(
            sample.duration, sample.evidence, spans
        )


def _span_scores(span: Span, sample: GroundedQASample) -> dict[str, float]:
    found, precision = iou_and_iop((span,), sample.evidence)
    return {"miou": found, "iop": precision}


TASK = GroundedQA()
