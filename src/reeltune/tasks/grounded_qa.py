"""Grounded question answering: which option is right, and when does the video show it?

The answer is a letter and evidence, a set of spans inside <glue>, the tag that published checkpoints write.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from pydantic import model_validator

from reeltune.answers.final_answer import answer_text, instruct, wrap
from reeltune.sample import Duration, Sample, Text
from reeltune.tasks.base import QUESTION_COLUMNS, Mode, Parsed, RewardOptions, Task
from reeltune.tasks.choices import (
    Options,
    check_letter,
    option_baselines,
    option_thought,
    question_text,
    read_letter,
)
from reeltune.tasks.multiple_choice import OPTION_COLUMNS
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
    is_timed: ClassVar = True
    question: Text
    options: Options
    duration: Duration | None = None
    """May be left out: the file knows it. The trivial answers need it."""
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
    """Answer: an option's letter and spans in seconds. Rewards: accuracy (0 or 1), and IoU of the evidence (0..1)."""

    name = "grounded_qa"
    sample_type = GroundedQASample
    fields: ClassVar = {"target": "letter", "evidence": "spans"}
    columns: ClassVar = {"question": QUESTION_COLUMNS, "options": OPTION_COLUMNS}
    blocks = ("glue",)
    default_weights: ClassVar = {"format": 1.0, "accuracy": 1.0, "iou": 1.0}
    further = ("giou", "w1")

    def prompt(self, sample: GroundedQASample, mode: Mode) -> str:
        question = question_text(sample.question, sample.options)
        letter = "the letter of the right option" if mode == "think" else "the letter"
        shape = "<answer>letter</answer><glue>[(start, end), ...]</glue>"
        return f"{question}\n{instruct(f'answer with {letter} and the seconds that show it as {shape}', mode)}"

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
        right = value is not None and value.letter == sample.target
        evidence = (value.evidence if value else None) or ()
        further = near_miss_rewards(options.further, evidence, sample.evidence, sample.duration)
        found = iou_and_iop(evidence, sample.evidence)[0]
        return {"accuracy": float(right), "iou": options.overlap(found), **further}

    def scores(self, sample: GroundedQASample, value: GroundedAnswer | None) -> dict[str, float]:
        evidence = (value.evidence if value else None) or ()
        right = value is not None and value.letter == sample.target
        return {"accuracy": float(right), **_span_scores(evidence, sample, right)}

    def trivial_scores(
        self, samples: Sequence[GroundedQASample], fit_on: Sequence[GroundedQASample] | None = None
    ) -> dict[str, list[dict[str, float]]]:
        fitted = fit_on or samples
        start, end = best_fixed_span([(s.duration, s.evidence) for s in fitted if s.duration])
        return {
            "whole_video": [_share_scores(s, 0.0, 1.0) for s in samples],
            "best_fixed_span": [_share_scores(s, start, end) for s in samples],
            **option_baselines([(s.target, len(s.options)) for s in samples], [s.target for s in fitted]),
        }

    def picture(self, sample: GroundedQASample, answers: Mapping[str, GroundedAnswer | None]) -> str:
        letters = {name: value.letter if value else None for name, value in answers.items()}
        spans = {name: value.evidence if value else None for name, value in answers.items()}
        return options_picture(sample.options, sample.target, letters) + timeline_picture(
            sample.duration or sample.evidence[-1][1], sample.evidence, spans
        )


def _span_scores(evidence: Sequence[Span], sample: GroundedQASample, right: bool | None = None) -> dict[str, float]:
    """`miou`, `iop` and `acc@gqa` of the sets of spans, ReXTime's `acc@iou`, and NExT-GQA's own columns, `nextgqa.*`.

    The official script takes one predicted span, here the hull of what was answered, and for each measure the best
    single true span (arXiv 2309.01327, section 4; its figures are IoP and IoU, each at 0.3 and 0.5, and Acc@GQA).
    ReXTime wants the right answer and an IoU of 0.5 with that span.
    """
    found, precision = iou_and_iop(evidence, sample.evidence)
    official_iou, official_iop = best_single(evidence, sample.evidence)
    scores = {"miou": found, "iop": precision, "nextgqa.miop": official_iop, "nextgqa.miou": official_iou}
    for threshold in (0.3, 0.5):
        scores[f"nextgqa.iop@{threshold}"] = float(reaches(official_iop, threshold))
        scores[f"nextgqa.iou@{threshold}"] = float(reaches(official_iou, threshold))
    if right is not None:
        scores["acc@gqa"] = float(right and reaches(precision, 0.5))
        scores["acc@iou"] = float(right and reaches(official_iou, 0.5))
        scores["nextgqa.acc@gqa"] = float(right and reaches(official_iop, 0.5))
    return scores


def best_single(predicted: Sequence[Span], truth: Sequence[Span]) -> tuple[float, float]:
    """(IoU, IoP) of the hull of the prediction, each with the true span that is best for it; 0 without a prediction.

    >>> best_single([(0.0, 10.0)], [(0.0, 5.0), (8.0, 20.0)])
    (0.5, 0.5)
    """
    if not predicted:
        return 0.0, 0.0
    hull = [(min(start for start, _ in predicted), max(end for _, end in predicted))]
    each = [iou_and_iop(hull, [span]) for span in truth]
    return max(found for found, _ in each), max(precision for _, precision in each)


def _share_scores(sample: GroundedQASample, start: float, end: float) -> dict[str, float]:
    """Of the span from `start` to `end` in fractions of the duration; nothing where that is not known."""
    if sample.duration is None:
        return {}
    return _span_scores([(start * sample.duration, end * sample.duration)], sample)


TASK = GroundedQA()
