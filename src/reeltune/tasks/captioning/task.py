"""Captioning: what happens in the video? The answer is a description; `structured` mode thinks in subjects first.

VideoCap-R1 (arXiv 2506.01725): reward = format + T (`think_scorer`, rule-based) + E (`caption_scorer`, by a judge),
without coefficients. A caption can only be judged against a reference by someone who reads: without a judge the one
metric is a proxy that says so in its name.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from reeltune.answers.final_answer import OffForm, answer_text, has_format, instruct, off_form, wrap
from reeltune.judges.base import Cost, Judge, Progress
from reeltune.judges.described import Described, described_cost, share
from reeltune.judges.events import sentences
from reeltune.judges.lexical import LexicalJudge
from reeltune.judges.questions import Entailment
from reeltune.tasks.base import Components, Judgment, Mode, Parsed, RewardOptions, Task
from reeltune.tasks.captioning.caption_scorer import caption_rewards
from reeltune.tasks.captioning.judged import judged_cost, judged_scores
from reeltune.tasks.captioning.options import CaptioningOptions
from reeltune.tasks.captioning.picture import caption_picture
from reeltune.tasks.captioning.sample import CaptioningSample, Description
from reeltune.tasks.captioning.structure import (
    Subject,
    is_well_formed,
    lines_off_form,
    read_structure,
    thinking_of,
    write_structure,
)
from reeltune.tasks.captioning.think_scorer import think_score
from reeltune.tasks.judged import NO_DRAWS, Draws, JudgedComponents, JudgedScores

FORM = "name | attribute; attribute | action; action"


class Captioning(Task[CaptioningSample, Description]):
    """Answer: a description. Rewards, 0..1: format, what the thinking names, what the caption states (by a judge)."""

    name = "captioning"
    sample_type = CaptioningSample
    columns: ClassVar = {"caption": ("caption", "description", "dense_caption", "summary", "text")}
    modes = ("direct", "think", "structured")
    default_weights: ClassVar = {"format": 1.0, "think": 1.0, "caption": 1.0}
    judged = ("caption",)
    judged_titles: ClassVar = {"autodq": "AutoDQ", "capst": "CapST", "vdcscore": "VDCScore"}
    options_type = CaptioningOptions
    picture_note = (
        "In the structures green parts match the reference, red ones are not in it, struck-through ones were missed."
    )

    def prompt(self, sample: CaptioningSample, mode: Mode) -> str:
        if mode == "structured":
            return (
                f"{sample.instruction} First, inside <think> and </think>, write one line for every subject: {FORM}. "
                f"Write - for an empty part. Then write the description as <answer>description</answer>."
            )
        return f"{sample.instruction} {instruct('write the description as <answer>description</answer>', mode)}"

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

    def off_form(self, text: str, mode: Mode) -> OffForm:
        if mode != "structured":
            return super().off_form(text, mode)
        found = off_form(text, "think")
        return OffForm(tuple(sorted([*found.stray, *lines_off_form(text)])), found.missing)

    def rewards(
        self, sample: CaptioningSample, text: str, mode: Mode, options: RewardOptions | None = None
    ) -> Components:
        found = super().rewards(sample, text, mode, options)
        return found if mode == "structured" else found | {"think": None}

    def content_rewards(
        self, sample: CaptioningSample, value: Description | None, options: RewardOptions
    ) -> Components:
        """`caption` is the judge's to give (`judge_group`); no reference subjects: `think` does not apply."""
        return {"think": self._think(sample, value, options), "caption": None}

    def judge_group(
        self, sample: CaptioningSample, texts: Sequence[str], options: RewardOptions
    ) -> Judgment[list[Components | None]]:
        """`caption` of each completion; it does not apply to a sample without events."""
        if not sample.events:
            return [{} for _ in texts]
        captions = self._captions(sample, texts)
        found = yield from caption_rewards(captions, sample.caption or "", sample.events, _options(options).caption)
        return [None if value is None else JudgedComponents({"caption": value}, said) for value, said in found]

    def judge_cost(self, sample: CaptioningSample, words: int, judge: Judge, options: RewardOptions) -> Cost:
        events = sample.events or ("an event of a few words",) * 10
        longest = Described("word " * words, sample.caption or "", events)
        return described_cost(judge, [longest], precision=_options(options).caption.measure != "recall")

    def judged_metrics(
        self,
        samples: Sequence[CaptioningSample],
        texts: Sequence[Sequence[str]],
        judge: Judge,
        *,
        progress: Progress | None = None,
        draws: Draws = NO_DRAWS,
    ) -> JudgedScores:
        """AutoDQ, CapST and VDCScore, whichever apply (`judged.judged_scores`)."""
        return judged_scores(samples, self._all_captions(samples, texts), judge, progress, draws)

    def judged_cost(self, samples: Sequence[CaptioningSample], texts: Sequence[Sequence[str]], judge: Judge) -> Cost:
        return judged_cost(samples, self._all_captions(samples, texts), judge)

    def scores(self, sample: CaptioningSample, value: Description | None) -> dict[str, float]:
        """Without a judge: a proxy of event recall, and F1 of the structure where the sample has subjects."""
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
        return think_score(value.subjects, sample.subjects, _options(options).think) if value else 0.0

    def _captions(self, sample: CaptioningSample, texts: Sequence[str]) -> list[str | None]:
        """What each completion describes; None when it says nothing that can be read."""
        values = [self.parse(sample, text).value for text in texts]
        return [value.caption if value else None for value in values]

    def _all_captions(
        self, samples: Sequence[CaptioningSample], texts: Sequence[Sequence[str]]
    ) -> list[list[str | None]]:
        """Of every sample; without a completion its caption says nothing."""
        return [self._captions(sample, own) or [None] for sample, own in zip(samples, texts, strict=True)]


def _options(options: RewardOptions) -> CaptioningOptions:
    return options.own or CaptioningOptions()


def _lexical_recall(sample: CaptioningSample, value: Description | None) -> float:
    """The share of the events (else of the caption's sentences, else of the answers) whose words the caption has."""
    if value is None:
        return 0.0
    statements = sample.events if sample.caption else tuple(each.answer for each in sample.questions or ())
    if statements is None:
        statements = tuple(sentences(sample.caption or ""))
    return share(LexicalJudge().answer(Entailment(value.caption, statements)))


TASK = Captioning()
