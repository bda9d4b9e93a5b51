"""A judged task of your own: open questions, whose answers only a reader can grade. And a judge of your own.

    python examples/judged_task.py runs/open-qa
    reeltune train recipes/toy/grpo.yaml data.train=runs/open-qa/open-qa.jsonl "data.tasks=[examples/judged_task.py]" \
        judge.kind=examples/judged_task.py:WordJudge eval.data=null run.dir=runs/open-qa/run

In earnest the judge is a model: judge.kind=openai judge.base_url=http://127.0.0.1:8000/v1 judge.model=MODEL. The task
is the same: it declares what is judged, and without any judge the run is refused before a model is loaded. All groups
of a step are asked about in one round.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from reeltune.answers.final_answer import answer_text
from reeltune.judges.base import RuleJudge
from reeltune.judges.questions import Grading, Question, Rating
from reeltune.sample import Sample, Text
from reeltune.tasks.base import Components, Judgment, Mode, Parsed, RewardOptions, Task, request


class OpenQASample(Sample):
    question: Text
    target: Text


class OpenQA(Task[OpenQASample, str]):
    name = "open_qa"
    sample_type = OpenQASample
    default_weights: ClassVar = {"format": 1.0, "right": 1.0}
    judged = ("right",)

    def prompt(self, sample: OpenQASample, mode: Mode) -> str:
        return f"{sample.question} {request('your answer', mode)}"

    def parse(self, sample: OpenQASample, text: str) -> Parsed[str]:
        found = answer_text(text).text
        return Parsed(found) if found else Parsed(None, "no answer")

    def content_rewards(self, sample: OpenQASample, value: str | None, options: RewardOptions) -> Components:
        return {}  # nothing that a rule could tell

    def judge_group(
        self, sample: OpenQASample, texts: Sequence[str], options: RewardOptions
    ) -> Judgment[list[Components | None]]:
        answers = [self.parse(sample, text).value for text in texts]
        ratings = iter((yield [Grading(sample.question, sample.target, said) for said in answers if said]))
        rows: list[Components | None] = []
        for said in answers:
            rating = next(ratings) if said else Rating(False, 0.0)  # nothing said is wrong, and not sent
            rows.append(None if rating is None else {"right": rating.score / 5})
        return rows


TASK = OpenQA()


class WordJudge(RuleJudge):
    """Grades by the words of the reference that an answer has. A proxy: its numbers say so in their names."""

    kind: ClassVar[str] = "words"
    proxy: ClassVar[bool] = True

    def answer(self, question: Question[Any]) -> Any:
        assert isinstance(question, Grading), f"{self.kind} only grades answers"
        wanted, said = set(question.reference.lower().split()), set(question.answer.lower().split())
        share = len(wanted & said) / len(wanted)
        return Rating(share == 1.0, 5.0 * share)


def make_samples(folder: Path, videos: int = 64) -> Path:
    """Toyworld clips with the questions of its multiple choice, the options left out."""
    from reeltune.toyworld.generate import generate

    choices = generate(folder, videos=videos, tasks=["multiple_choice"])
    rows = [json.loads(line) for line in choices.read_text(encoding="utf-8").splitlines()]
    path = folder / "open-qa.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            asked = {"question": row["question"], "target": row["options"]["ABCDEFGH".index(row["target"])]}
            file.write(json.dumps({"id": row["id"], "task": "open_qa", "video": row["video"], **asked}) + "\n")
    return path


if __name__ == "__main__":
    print(make_samples(Path(sys.argv[1]), *map(int, sys.argv[2:])))
