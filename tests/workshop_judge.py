"""A judged task and its judge as files of a user's: training and selection are seen to ask it once a round."""

JUDGED_TASK = """
from reeltune.judges.questions import Grading
from reeltune.tasks.instruction import Instruction
from reeltune.tasks.judged import JudgedComponents, Verdict


class Judged(Instruction):
    name = "{name}"
    default_weights = {{"liked": 1.0}}
    judged = ("liked",)

    def rewards(self, sample, text, mode, options=None):
        return {{}}

    def judge_group(self, sample, texts, options):
        found = yield [Grading("Is it liked?", sample.id, text) for text in texts]
        return [JudgedComponents({{"liked": each.score / 5}}, [Verdict("answer", text, "entailment", each.score)])
                for text, each in zip(texts, found)]


TASK = Judged()
"""

JUDGE = """
from pathlib import Path

from reeltune.judges.base import RuleJudge
from reeltune.judges.questions import Rating


class Noting(RuleJudge):
    kind = "noting"

    def ask(self, questions, progress=None):
        with Path(self.config.options["notes"]).open("a") as file:
            file.write(f"{len(questions)}\\n")
        return super().ask(questions, progress)

    def answer(self, question):
        return Rating(True, len(question.answer) % 6)
"""
