import pytest

from reeltune.judges.base import RuleJudge
from reeltune.judges.events import EventsJudge
from reeltune.judges.questions import Entailment, Question
from reeltune.samples import to_sample
from reeltune.tasks.captioning import TASK, CaptioningSample
from reeltune.training.rewards import score_group

EVENTS = ["The red circle appears.", "The red circle vanishes."]
SAMPLE = to_sample(
    {"id": "a", "task": "captioning", "video": "v", "caption": " ".join(EVENTS), "events": EVENTS},
    {"captioning": CaptioningSample},
)
GROUP = [f"<answer>{text}</answer>" for text in (" ".join(EVENTS), EVENTS[0], "Nothing.")]


class Silent(RuleJudge):
    """Does not answer for the texts it was told."""

    kind = "silent"

    def __init__(self, *lost: str) -> None:
        super().__init__()
        self.lost = lost

    def ask(self, questions, progress=None):  # type: ignore[no-untyped-def]
        return [None if question.text in self.lost else self.answer(question) for question in questions]

    def answer(self, question: Question) -> object:  # type: ignore[type-arg, override]
        assert isinstance(question, Entailment)
        return EventsJudge().answer(question)


def test_the_judge_gives_the_caption_reward() -> None:
    found = score_group(
        TASK, SAMPLE, GROUP, mode="direct", weights={"format": 1.0, "caption": 2.0}, judge=EventsJudge()
    )
    assert found.total.tolist() == [3.0, 3.0, 1.0] and found.valid.all()
    assert found.components == {"format": [1.0, 1.0, 1.0], "caption": [1.0, 1.0, 0.0]}


def test_an_unanswered_completion_leaves_the_group() -> None:
    """It keeps no format reward either: a lower total would be a score."""
    weights = {"format": 1.0, "caption": 1.0}
    found = score_group(TASK, SAMPLE, GROUP, mode="direct", weights=weights, judge=Silent("nothing."))
    assert found.valid.tolist() == [True, True, False]
    assert found.components["caption"] == [1.0, 1.0, None]
    everything = tuple(text.removeprefix("<answer>").removesuffix("</answer>").lower() for text in GROUP)
    found = score_group(TASK, SAMPLE, GROUP, mode="direct", weights=weights, judge=Silent(*everything))
    assert not found.valid.any() and found.total.tolist() == [0.0] * 3


@pytest.mark.parametrize("judge", [None, EventsJudge()])
def test_other_rewards_do_not_need_it(judge: EventsJudge | None) -> None:
    found = score_group(TASK, SAMPLE, GROUP, mode="direct", weights={"format": 1.0}, judge=judge)
    assert found.total.tolist() == [1.0] * 3
