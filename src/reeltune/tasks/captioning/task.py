"""Captioning: what happens in the video? The answer is a description; `structured` mode thinks in subjects first.

VideoCap-R1 (arXiv 2506.01725): reward = format + T (`think_scorer`, rule-based) + E (`caption_scorer`, by a judge),
without coefficients. A caption can only be judged against a reference by someone who reads: without a judge the reward
`caption` does not apply, and the one metric is a proxy that says so in its name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from pydantic import ConfigDict, model_validator
from pydantic.dataclasses import dataclass as validated

from reeltune.answers.final_answer import answer_text, has_format, wrap
from reeltune.data.samples import Sample, Text
from reeltune.judges.base import Judge
from reeltune.tasks.base import Mode, Parsed, RewardOptions, Task
from reeltune.tasks.captioning.caption_scorer import caption_rewards
from reeltune.tasks.captioning.picture import caption_picture
from reeltune.tasks.captioning.structure import (
    Subject,
    is_well_formed,
    read_structure,
    thinking_of,
    write_structure,
)
from reeltune.tasks.captioning.think_scorer import think_score

INSTRUCTION = "Describe what happens in the video."
PROXY_REWARD = "caption_lexical_proxy"
"""The reward `caption` when a proxy gives it: the same weight, under a name that says so."""
FORM = "name | attribute; attribute | action; action"


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
    """What a completion says: the caption, and the subjects of its thinking. `strays`: thinking out of the form."""

    caption: str
    subjects: tuple[Subject, ...] = ()
    strays: tuple[str, ...] = ()


class Captioning(Task[CaptioningSample, Description]):
    name = "captioning"
    sample_type = CaptioningSample
    modes = ("direct", "think", "structured")
    presets: ClassVar = {
        "videocap-r1": {"format": 1.0, "think": 1.0, "caption": 1.0},
        "videochat-r1": {"format": 1.0, "caption": 1.0},
        "temporal-rlt": {"format": 0.5, "caption": 0.5},
    }

    @property
    def default_weights(self) -> dict[str, float]:
        return dict(self.presets["videocap-r1"])

    def prompt(self, sample: CaptioningSample, mode: Mode) -> str:
        if mode == "structured":
            return (
                f"{sample.instruction} First, inside <think> and </think>, write one line for every subject: {FORM}. "
                f"Write - for an empty part. Then write the description as <answer>description</answer>."
            )
        if mode == "think":
            return (
                f"{sample.instruction} First think it over inside <think> and </think>. "
                "Then write the description as <answer>description</answer>."
            )
        return f"{sample.instruction} Write the description as <answer>description</answer>."

    def gold(self, sample: CaptioningSample, mode: Mode) -> str:
        """The reference; without one, what the questions ask for. Without subjects the video itself is the one."""
        asked = " ".join(f"{each.question} {each.answer}." for each in sample.questions or ())
        caption = (sample.caption or asked).replace("<", "(").replace(">", ")")
        if mode != "structured":
            return wrap(caption, mode, thought="Who is there, and what do they do?")
        subjects = sample.subjects or (Subject(name="video", actions=sample.events or (caption,)),)
        return wrap(caption, "think", thought=f"\n{write_structure(subjects)}\n")

    def parse(self, sample: CaptioningSample, text: str) -> Parsed[Description]:
        caption = answer_text(text).text
        if not caption:
            return Parsed(None, "no description")
        return Parsed(Description(caption, *read_structure(thinking_of(text))))

    def format_reward(self, sample: CaptioningSample, text: str, mode: Mode) -> float:
        """In `structured` mode the thinking must be lines of subjects and nothing else."""
        if mode != "structured":
            return super().format_reward(sample, text, mode)
        return float(has_format(text, "think") and is_well_formed(thinking_of(text)))

    def rewards(
        self, sample: CaptioningSample, text: str, mode: Mode, options: RewardOptions | None = None
    ) -> dict[str, float | None]:
        found = super().rewards(sample, text, mode, options)
        return found if mode == "structured" else found | {"think": None}

    def group_rewards(
        self,
        sample: CaptioningSample,
        texts: Sequence[str],
        mode: Mode,
        *,
        judge: Judge | None = None,
        options: RewardOptions | None = None,
    ) -> list[dict[str, float | None] | None]:
        """The group's captions go to the judge together. None: it did not answer for this completion. What a proxy
        gives is called PROXY_REWARD.
        """
        rows: list[dict[str, float | None] | None] = [self.rewards(sample, text, mode, options) for text in texts]
        if judge is None or not sample.events:
            return rows
        captions = [parsed.value.caption if parsed.value else None for parsed in self._parsed(sample, texts)]
        settings = (options or RewardOptions()).captioning.caption
        judged = caption_rewards(captions, sample.caption or "", sample.events, judge, settings)
        name = PROXY_REWARD if judge.proxy else "caption"
        return [
            None if row is None or value is None else row | {name: value}
            for row, value in zip(rows, judged, strict=True)
        ]

    def content_rewards(
        self, sample: CaptioningSample, value: Description | None, options: RewardOptions
    ) -> dict[str, float | None]:
        """`caption` is the judge's to give (`group_rewards`); no reference subjects: `think` does not apply."""
        return {"think": self._think(sample, value, options), "caption": None}

    def scores(self, sample: CaptioningSample, value: Description | None) -> dict[str, float]:
        """Without a judge: a proxy of event recall, and F1 of the structure where the sample has subjects.

        The judged metrics (AutoDQ, VDCScore, CapST) stand in `evaluation.captions`.
        """
        found = {"lexical_proxy_recall": _lexical_recall(sample, value)}
        think = self._think(sample, value, RewardOptions())
        return found if think is None else found | {"think_f1": think}

    def trivial_scores(
        self, samples: Sequence[CaptioningSample], fit_on: Sequence[CaptioningSample] | None = None
    ) -> dict[str, list[dict[str, float]]]:
        """What the reference of another video earns: each sample gets the next one's."""
        others = [*samples[1:], *samples[:1]] if len(samples) > 1 else []
        answers = [self.parse(other, self.gold(other, "structured")).value for other in others] or [None] * len(samples)
        return {"another_video": [self.scores(s, answer) for s, answer in zip(samples, answers, strict=True)]}

    def picture(self, sample: CaptioningSample, answers: Mapping[str, Description | None]) -> str:
        structures = {name: (answer.caption, answer.subjects) if answer else None for name, answer in answers.items()}
        return caption_picture(sample.caption, sample.subjects or (), structures)

    def _think(self, sample: CaptioningSample, value: Description | None, options: RewardOptions) -> float | None:
        if not sample.subjects:
            return None
        return think_score(value.subjects, sample.subjects, options.captioning.think) if value else 0.0

    def _parsed(self, sample: CaptioningSample, texts: Sequence[str]) -> list[Parsed[Description]]:
        return [self.parse(sample, text) for text in texts]


def _lexical_recall(sample: CaptioningSample, value: Description | None) -> float:
    """The share of the events (else of the caption's sentences, else of the answers) whose words the caption has."""
    if value is None:
        return 0.0
    from reeltune.judges.described import share
    from reeltune.judges.events import sentences
    from reeltune.judges.lexical import LexicalJudge
    from reeltune.judges.questions import Entailment

    statements = sample.events if sample.caption else tuple(each.answer for each in sample.questions or ())
    if statements is None:
        statements = tuple(sentences(sample.caption or ""))
    return share(LexicalJudge().answer(Entailment(value.caption, statements)))


TASK = Captioning()
