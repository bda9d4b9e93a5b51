"""Open-ended questions: a judge tells, but for what needs none."""

from typing import Any, ClassVar

from reeltune.judges.base import RuleJudge
from reeltune.judges.questions import Rating
from reeltune.judges.rounds import ask_together
from reeltune.tasks import get_task
from reeltune.tasks.base import RewardOptions

TASK = get_task("open_ended")
SAMPLE = TASK.sample_type(id="a", task="open_ended", video="a.mp4", question="Why?", target="It rains.")


class Says(RuleJudge):
    """Yes to what holds "wet"; None, unanswered, to what holds "?"; keeps what it was asked."""

    kind: ClassVar[str] = "says"

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def answer(self, question: Any) -> Any:
        self.asked.append(question.answer)
        return None if "?" in question.answer else Rating("wet" in question.answer, 5.0)


def test_the_judge_is_asked_once_for_each_answer_that_needs_it() -> None:
    judge = Says()
    answers = ["it rains", "wet weather", "wet weather", "sun", "what?", ""]
    texts = [f"<answer>{answer}</answer>" for answer in answers]
    [rows] = ask_together(judge, [TASK.judge_group(SAMPLE, texts, RewardOptions())])
    assert judge.asked == ["wet weather", "sun", "what?"]
    assert rows == [{"correct": 1}, {"correct": 1}, {"correct": 1}, {"correct": 0}, None, {"correct": 0}]


def test_nothing_is_asked_where_all_is_exact() -> None:
    judge = Says()
    [rows] = ask_together(judge, [TASK.judge_group(SAMPLE, ["<answer>IT RAINS</answer>"], RewardOptions())])
    assert rows == [{"correct": 1}] and not judge.asked


def test_without_a_judge_the_exact_share_is_the_metric() -> None:
    found = TASK.metrics([SAMPLE, SAMPLE], ["<answer>it rains</answer>", "<answer>wet</answer>"])
    assert found["exact"] == 50 and found["unparsed"] == 0
    TASK.validate(SAMPLE)
    assert TASK.trivial_scores([SAMPLE]) == {"majority_answer": [{"exact": 1}]}
