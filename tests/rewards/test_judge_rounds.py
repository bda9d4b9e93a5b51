"""The judge is asked once a round for all groups of a step, whatever their tasks: its concurrency is reached."""

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from reeltune.config.judge import JudgeConfig
from reeltune.judges import build_judge
from reeltune.judges.base import RuleJudge
from reeltune.judges.events import EventsJudge
from reeltune.judges.questions import Entailment, Extraction, Grading, Question, Rating
from reeltune.judges.rounds import Judgment, ask_together
from reeltune.registry import load_module
from reeltune.rewards.score import GroupRewards, score_groups
from reeltune.rewards.weights import Reward, reward_of
from reeltune.sample import Sample, Text, to_sample
from reeltune.tasks.base import Components, Mode, Parsed, RewardOptions, Task, request
from reeltune.tasks.captioning.options import CaptioningOptions, CaptionOptions
from reeltune.tasks.captioning.task import TASK as CAPTIONING

TOOLS = load_module(Path(__file__).parents[1] / "judges" / "conftest.py")
NOUNS = (
    "red circle",
    "blue square",
    "green cross",
    "red cross",
    "blue circle",
    "green square",
    "red star",
    "blue star",
)
SAMPLES = [
    to_sample(
        {"id": noun, "task": "captioning", "video": "v", "caption": f"The {noun} appears. The {noun} vanishes.",
         "events": [f"The {noun} appears.", f"The {noun} vanishes."]},
        {"captioning": CAPTIONING.sample_type},
    )
    for noun in NOUNS
]  # fmt: skip
TEXTS = [
    [f"<answer>{' '.join(sample.events[: i % 3]) or 'Nothing.'} Take {i}.</answer>" for i in range(8)]  # type: ignore[attr-defined]
    for sample in SAMPLES
]


class AnswerSample(Sample):
    question: Text
    target: Text


class OpenQA(Task[AnswerSample, str]):
    name = "open_qa"
    sample_type = AnswerSample
    default_weights = {"format": 1.0, "right": 1.0}  # noqa: RUF012
    judged = ("right",)

    def prompt(self, sample: AnswerSample, mode: Mode) -> str:
        return f"{sample.question} {request('answer', mode)}"

    def parse(self, sample: AnswerSample, text: str) -> Parsed[str]:
        return Parsed(text)

    def content_rewards(self, sample: AnswerSample, value: str | None, options: RewardOptions) -> Components:
        return {}

    def judge_group(
        self, sample: AnswerSample, texts: Sequence[str], options: RewardOptions
    ) -> Judgment[list[Components | None]]:
        ratings = yield [Grading(sample.question, sample.target, text) for text in texts]
        return [None if rating is None else {"right": float(rating.right)} for rating in ratings]


OPEN = OpenQA()
QUESTIONS = [AnswerSample(id=str(i), task="open_qa", video="v", question="What?", target="cat") for i in range(3)]
ANSWERS = [["a cat", "a dog"]] * 3


class Counting(RuleJudge):
    """The exact judge, and gradings by the word; keeps how many questions each call asked."""

    kind = "counting"

    def __init__(self, proxy: bool = False) -> None:
        super().__init__()
        self.asked: list[list[str]] = []
        self.proxy = proxy  # type: ignore[misc]

    def ask(self, questions: Any, progress: Any = None) -> Any:
        self.asked.append([question.template for question in questions])
        lost = [isinstance(question, Grading) and question.answer == "lost" for question in questions]
        return [None if gone else self.answer(each) for gone, each in zip(lost, questions, strict=True)]

    def answer(self, question: Question[Any]) -> Any:
        if isinstance(question, Grading):
            return Rating(question.reference in question.answer, 5.0)
        return EventsJudge().answer(question)


def caption_reward(measure: str) -> Reward:
    own = CaptioningOptions(caption=CaptionOptions(shape="linear", measure=measure))  # type: ignore[arg-type]
    return reward_of(CAPTIONING, "direct", options=RewardOptions(own=own))


def numbers(groups: list[GroupRewards]) -> list[Any]:
    return [(group.components, group.total.tolist(), group.valid.tolist()) for group in groups]


@pytest.mark.parametrize(
    ("measure", "rounds"),
    [("recall", [["entailment-events"] * 64]), ("f1", [["extraction-events"] * 64, ["entailment-events"] * 128])],
)
def test_one_round_for_all_groups_of_a_step(measure: str, rounds: list[list[str]]) -> None:
    """Eight groups of eight: what is asked apart takes eight times as many calls, and gives the same."""
    rewards = {"captioning": caption_reward(measure)}
    judge, apart = Counting(), Counting()
    found = score_groups(rewards, SAMPLES, TEXTS, judge)
    assert judge.asked == rounds
    alone = [score_groups(rewards, [s], [t], apart)[0] for s, t in zip(SAMPLES, TEXTS, strict=True)]
    assert len(apart.asked) == 8 * len(rounds)
    assert numbers(found) == numbers(alone)
    assert found[0].components["caption"][:3] == pytest.approx([0, 0.5, 1 if measure == "recall" else 0.8])


def test_tasks_share_a_round_and_each_gets_its_own_answers() -> None:
    rewards = {"captioning": caption_reward("recall"), "open_qa": reward_of(OPEN, "direct")}
    judge = Counting()
    samples = [QUESTIONS[0], SAMPLES[0], QUESTIONS[1], SAMPLES[1], QUESTIONS[2]]
    texts = [ANSWERS[0], TEXTS[0], ANSWERS[1], TEXTS[1], ANSWERS[2]]
    found = score_groups(rewards, samples, texts, judge)
    assert [len(asked) for asked in judge.asked] == [3 * 2 + 2 * 8]
    assert [group.components["right"] for group in found[::2]] == [[1.0, 0.0]] * 3
    assert found[1].components["caption"][:3] == [0.0, 0.5, 1.0]


def test_a_round_without_a_question_asks_nobody() -> None:
    """Judgments of different lengths: each goes on with its own answers."""

    def judgment(rounds: int) -> Judgment[list[Any]]:
        got = []
        for number in range(rounds):
            got += yield [Extraction("the red circle appears. the red circle moves left.")] * number
        return got

    judge = Counting()
    found = ask_together(judge, [judgment(0), judgment(1), judgment(3)])
    assert [len(each) for each in found] == [0, 0, 1 + 2] and [len(asked) for asked in judge.asked] == [1, 2]


def test_a_proxy_names_any_tasks_judged_reward() -> None:
    [found] = score_groups({"open_qa": reward_of(OPEN, "direct")}, QUESTIONS[:1], ANSWERS[:1], Counting(proxy=True))
    assert found.components["right_counting_proxy"] == [1.0, 0.0] and "right" not in found.components


def test_the_metrics_of_a_judged_task_follow_from_its_rewards() -> None:
    judge = Counting()
    texts = [["a cat"], ["a cat", "a dog"], []]
    assert OPEN.judged_cost(QUESTIONS, texts, judge).calls == 0
    found = OPEN.judged_metrics(QUESTIONS, texts, judge)
    assert found.metrics == {"judged.right": pytest.approx(50.0), "judged.unanswered": 0.0}
    assert [row["judged.right"] for row in found.per_sample] == [100.0, 50.0, 0.0]
    assert [len(asked) for asked in judge.asked] == [3]
    # Nothing is a zero that was not judged: left out of the mean, and counted.
    lost = OPEN.judged_metrics(QUESTIONS, [["a cat"], ["lost", "a dog"], ["lost"]], judge)
    assert lost.metrics == {"judged.right": pytest.approx(50.0), "judged.unanswered": 2.0}
    assert [row.get("judged.right") for row in lost.per_sample] == [100.0, 0.0, None]
    assert OPEN.metrics(QUESTIONS, ["a cat"] * 3) == {"unparsed": 0.0, "n": 3.0}


@pytest.mark.parametrize("concurrency", [5, 64])
def test_an_endpoint_gets_as_many_requests_at_once_as_it_may(concurrency: int) -> None:
    """A real server that holds every request until all that may come are there, or for 15 s where they never do."""
    waiting, peak, lock = [0], [0], threading.Lock()

    def behavior(handler: Any, body: dict[str, Any], number: int) -> None:
        with lock:
            waiting[0] += 1
            peak[0] = max(peak[0], waiting[0])
        until = time.monotonic() + 15.0
        while number < concurrency and peak[0] < concurrency and time.monotonic() < until:
            time.sleep(0.005)
        with lock:
            waiting[0] -= 1
        labels = ["entailment"] * len(TOOLS.asked_statements(body))
        handler.say(json.dumps({"labels": labels}))

    with TOOLS.serving(behavior) as server:
        config = JudgeConfig(kind="openai", base_url=server.url, model="m", concurrency=concurrency, timeout_s=60)
        judge = build_judge(config)
        assert judge is not None
        found = score_groups({"captioning": caption_reward("recall")}, SAMPLES, TEXTS, judge)
        requests = len(server.requests)
    assert requests == 64 and peak[0] == concurrency
    assert all(group.components["caption"] == [1.0] * 8 for group in found)


def test_labels_of_one_question_stay_its_own() -> None:
    """Answers are dealt out in order: a mix-up between groups would show here."""
    judge = Counting()
    found = ask_together(judge, [iter_entailment(noun) for noun in NOUNS])
    assert found == [("entailment",), ("neutral",)] * 4


def iter_entailment(noun: str) -> Judgment[Any]:
    text = f"The {noun} appears." if NOUNS.index(noun) % 2 == 0 else "The black box appears."
    [labels] = yield [Entailment(text, (f"The {noun} appears.",))]
    return labels
