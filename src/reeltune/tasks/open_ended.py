"""Open-ended questions: any wording of the reference answer is right, and a judge tells.

An answer equal to the reference, case and marks aside, is right without a judge; an empty one is wrong without one.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from reeltune.answers.final_answer import answer_text, wrap
from reeltune.judges.questions import Grading, Rating
from reeltune.sample import Sample, Text
from reeltune.tasks.base import (
    ANSWER_COLUMNS,
    QUESTION_COLUMNS,
    Components,
    Judgment,
    Mode,
    Parsed,
    RewardOptions,
    Task,
    request,
)
from reeltune.tasks.choices import comparable
from reeltune.tasks.judged import JudgedComponents, Verdict
from reeltune.tasks.pictures import texts_picture


class OpenEndedSample(Sample):
    question: Text
    target: Text
    """The reference answer."""


class OpenEnded(Task[OpenEndedSample, str]):
    """Answer: text. Reward: 1 where it says what the target says, else 0; None where only a judge could tell."""

    name = "open_ended"
    sample_type = OpenEndedSample
    columns: ClassVar = {
        "question": QUESTION_COLUMNS,
        "target": (*ANSWER_COLUMNS, "response", "reference", "output", "a"),
    }
    default_weights: ClassVar = {"format": 1.0, "correct": 1.0}
    judged = ("correct",)

    def prompt(self, sample: OpenEndedSample, mode: Mode) -> str:
        return f"{sample.question} {request('your answer', mode)}"

    def gold(self, sample: OpenEndedSample, mode: Mode) -> str:
        return wrap(sample.target.replace("<", "(").replace(">", ")"), mode, thought="Let me look.")

    def parse(self, sample: OpenEndedSample, text: str) -> Parsed[str]:
        found = answer_text(text).text
        return Parsed(found) if found else Parsed(None, "no answer")

    def content_rewards(self, sample: OpenEndedSample, value: str | None, options: RewardOptions) -> Components:
        return {}  # what no rule can tell: `judge_group`

    def scores(self, sample: OpenEndedSample, value: str | None) -> dict[str, float]:
        """`exact`: equal to the reference, a lower bound of what a judge would say."""
        return {"exact": float(is_exact(sample, value))}

    def judge_group(
        self, sample: OpenEndedSample, texts: Sequence[str], options: RewardOptions
    ) -> Judgment[list[Components | None]]:
        said = [self.parse(sample, text).value for text in texts]
        asked = list(dict.fromkeys(answer for answer in said if answer and not is_exact(sample, answer)))
        ratings = dict(zip(asked, (yield [Grading(sample.question, sample.target, a) for a in asked]), strict=True))
        rows: list[Components | None] = []
        for answer in said:
            if answer in ratings:
                rating = ratings[answer]
                rows.append(None if rating is None else _judged(answer, rating))
            else:
                rows.append({"correct": float(is_exact(sample, answer))})
        return rows

    def picture(self, sample: OpenEndedSample, answers: Mapping[str, str | None]) -> str:
        return texts_picture(sample.target, answers)


def _judged(answer: str, rating: Rating) -> JudgedComponents:
    verdict = Verdict("answer", answer, "entailment" if rating.right else "contradiction", rating.score)
    return JudgedComponents({"correct": float(rating.right)}, [verdict])


def is_exact(sample: OpenEndedSample, value: str | None) -> bool:
    return value is not None and comparable(value) == comparable(sample.target)


TASK = OpenEnded()
