"""Judges by name: ours, and one of a file."""

from pathlib import Path

import pytest

from reeltune.config.judge import JudgeConfig
from reeltune.errors import InputError
from reeltune.judges import JUDGES, build_judge
from reeltune.judges.events import EventsJudge
from reeltune.judges.questions import Grading, Rating

OWN = """
from reeltune.judges.base import Judge, RuleJudge
from reeltune.judges.questions import Rating


class Plain(RuleJudge):
    kind = "plain"

    def answer(self, question):
        return Rating(question.answer == self.config.options["word"], 5.0)


def factory(config):
    return Plain(config)


class Abstract(Judge):
    kind = "abstract"


class Alone(Plain):
    def __init__(self):
        super().__init__()


def stranger(config):
    return "a judge"


value = 3
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own_judge.py"
    path.write_text(OWN)
    return path


def test_ours_go_by_their_names() -> None:
    assert list(JUDGES) == ["openai", "recorded", "events", "lexical"]
    assert build_judge(JudgeConfig()) is None
    assert isinstance(build_judge(JudgeConfig(kind="events")), EventsJudge)
    with pytest.raises(InputError, match="'lexcial' is not a known judge; did you mean 'lexical'"):
        build_judge(JudgeConfig(kind="lexcial"))


@pytest.mark.parametrize("name", ["Plain", "factory"])
def test_a_class_or_function_of_a_file_gets_the_judge_section(own: Path, name: str) -> None:
    judge = build_judge(JudgeConfig(kind=f"{own}:{name}", options={"word": "cat"}))
    assert judge is not None and judge.record() == {"judge": "plain", **judge.record()}
    question = Grading("what", "a cat", "cat")
    assert judge.ask([question]) == [Rating(True, 5.0)] and judge.counts.questions == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Plan", "has no 'Plan'; did you mean 'Plain'"),
        ("Abstract", "the class lacks ask"),
        ("Alone", "it is called with only the judge section"),
        ("stranger", "returns a str, not a reeltune Judge"),
        ("value", "must be a class or function"),
    ],
)
def test_what_is_no_judge_is_refused(own: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_judge(JudgeConfig(kind=f"{own}:{name}"))
