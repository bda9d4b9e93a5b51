import pytest

from reeltune.config.judge import JudgeConfig
from reeltune.config.recipe import parse_recipe
from reeltune.errors import InputError
from reeltune.judges.base import Cost, Judge, RuleJudge
from reeltune.judges.events import EventsJudge
from reeltune.judges.lexical import LexicalJudge
from reeltune.judges.questions import Entailment, Question
from reeltune.rewards.judging import announce_cost, recipe_judge
from reeltune.rewards.score import GroupRewards, needs_judge, score_groups
from reeltune.rewards.weights import Reward, reward_of
from reeltune.sample import to_sample
from reeltune.tasks.base import RewardOptions
from reeltune.tasks.captioning.options import CaptioningOptions, CaptionOptions
from reeltune.tasks.captioning.task import TASK, CaptioningSample

EVENTS = ["The red circle appears.", "The red circle vanishes."]
SAMPLE = to_sample(
    {"id": "a", "task": "captioning", "video": "v", "caption": " ".join(EVENTS), "events": EVENTS},
    {"captioning": CaptioningSample},
)
GROUP = [f"<answer>{text}</answer>" for text in (" ".join(EVENTS), EVENTS[0], "Nothing.")]


class Forgetful(RuleJudge):
    """Does not answer for the texts it was told."""

    kind = "forgetful"

    def __init__(self, *lost: str) -> None:
        super().__init__()
        self.lost = lost

    def ask(self, questions, progress=None):  # type: ignore[no-untyped-def]
        return [None if question.text in self.lost else self.answer(question) for question in questions]

    def answer(self, question: Question) -> object:  # type: ignore[type-arg, override]
        assert isinstance(question, Entailment)
        return EventsJudge().answer(question)


def reward(**weights: float) -> Reward:
    """With the published shape and measure."""
    published = CaptioningOptions(caption=CaptionOptions(shape="steps", measure="recall"))
    weights = {"think": 0.0, "format": 1.0, "caption": 1.0, **weights}
    return reward_of(TASK, "direct", weights=weights, options=RewardOptions(own=published))


def score_group(reward: Reward, judge: Judge | None) -> GroupRewards:
    [found] = score_groups({"captioning": reward}, [SAMPLE], [GROUP], judge)
    return found


def test_the_judge_gives_the_caption_reward() -> None:
    found = score_group(reward(caption=2.0), EventsJudge())
    assert found.total.tolist() == [3.0, 3.0, 1.0] and found.valid.all()
    assert found.components["caption"] == [1.0, 1.0, 0.0] and found.components["think"] == [None] * 3
    assert [[each.said for each in own] for own in found.verdicts] == [
        ["entailment", "entailment"], ["entailment", "neutral"], ["neutral", "neutral"]]  # fmt: skip


def test_an_unanswered_completion_leaves_the_group() -> None:
    """It keeps no format reward either: a lower total would be a score."""
    found = score_group(reward(), Forgetful("nothing."))
    assert found.valid.tolist() == [True, True, False]
    assert found.components["caption"] == [1.0, 1.0, None]
    everything = tuple(text.removeprefix("<answer>").removesuffix("</answer>").lower() for text in GROUP)
    found = score_group(reward(), Forgetful(*everything))
    assert not found.valid.any() and found.total.tolist() == [0.0] * 3


def test_without_a_judge_nothing_is_scored_on_format_alone() -> None:
    with pytest.raises(InputError, match=r"captioning\.caption of sample 'a' needs a judge"):
        score_group(reward(), None)
    found = score_group(reward(caption=0.0), None)
    assert found.total.tolist() == [1.0] * 3 and found.valid.all()


def recipe(judge: dict[str, object]):  # type: ignore[no-untyped-def]
    tree = {"method": "grpo", "model": {"path": "m"}, "data": {"train": "d"}, "judge": judge, "run": {"dir": "runs/x"}}
    return parse_recipe(tree, where="test")


def test_a_proxy_scores_under_its_own_name() -> None:
    rewards = {"captioning": reward(caption=2.0)}
    judge = recipe_judge(recipe({"kind": "lexical"}), rewards)
    assert isinstance(judge, LexicalJudge)
    found = score_group(rewards["captioning"], judge)
    assert found.components["caption_lexical_proxy"] == [1.0, 1.0, 0.0]
    assert found.total.tolist() == [3.0, 3.0, 1.0]
    assert "caption_lexical_proxy" not in rewards["captioning"].judged_by(EventsJudge()).weights


def test_a_judge_is_built_only_where_it_is_needed() -> None:
    unjudged = {"captioning": reward(caption=0.0)}
    assert not needs_judge(unjudged) and recipe_judge(recipe({"kind": "events"}), unjudged) is None


def test_an_endpoint_of_a_run_keeps_its_replies_in_the_run_directory() -> None:
    judge = JudgeConfig(kind="openai", base_url="http://127.0.0.1:9/v1", model="m").model_dump()
    built = recipe_judge(recipe(judge), {"captioning": reward()})
    assert built is not None and str(built.transcript.path) == "runs/x/judge-transcript.jsonl"  # type: ignore[attr-defined]


class Priced(Forgetful):
    """A call and ten tokens a question."""

    def cost(self, questions):  # type: ignore[no-untyped-def]
        return Cost(calls=len(questions), prompt_tokens=10 * len(questions))


@pytest.mark.parametrize(
    ("change", "calls"),
    [
        ({}, 10 * 4 * 8),
        ({"rl": {"gold_in_group": "unsolved"}}, 10 * 4 * 9),
        ({"rl": {"skipping": {"max_resampled": 3}}}, 10 * 7 * 8),
        # AutoDQ finds what the answer states and compares both ways: three questions on each of four evaluations.
        ({"eval": {"data": "d", "every": 4}}, 10 * 4 * 8 + 4 * 3 * 2),
        ({"method": "sft", "sft": {"steps": 4}, "eval": {"data": "d", "every": 4}}, 2 * 3 * 2),
    ],
)
def test_the_cost_that_is_confirmed_is_all_that_a_judge_may_be_asked(
    change: dict[str, object], calls: int, capsys: pytest.CaptureFixture[str]
) -> None:
    own = recipe({"budget_tokens": 0})
    tree = own.model_dump(exclude_unset=True) | {"rl": {"steps": 10, "groups_per_step": 4, "group_size": 8}}
    for name, values in change.items():
        tree[name] = {**tree.get(name, {}), **values} if isinstance(values, dict) else values
    if tree["method"] == "sft":
        del tree["rl"]
    held_out = [SAMPLE, SAMPLE.model_copy(update={"id": "b"})]
    with pytest.raises(InputError, match=rf"may cost {10 * calls} tokens"):
        announce_cost(
            parse_recipe(tree, where="test"), Priced(), {"captioning": reward()}, [SAMPLE],
            held_out if "eval" in change else [],
        )  # fmt: skip
    assert f"at most {calls} calls" in capsys.readouterr().err
