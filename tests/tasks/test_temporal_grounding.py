import pytest

from reeltune.errors import InputError
from reeltune.tasks import get_task
from reeltune.tasks.base import RewardOptions
from reeltune.tasks.temporal_grounding import TASK, TemporalGroundingSample


def sample(*target: tuple[float, float], duration: float = 20, name: str = "a") -> TemporalGroundingSample:
    return TemporalGroundingSample(
        id=name,
        task="temporal_grounding",
        video="a.mp4",
        query="the <dog> jumps",
        duration=duration,
        target=target or ((5, 15),),
    )


def test_prompts_and_gold() -> None:
    assert TASK.prompt(sample(), "direct") == (
        'When does this happen: "the <dog> jumps"? Answer in seconds as <answer>start to end</answer>.'
    )
    assert "<think>" in TASK.prompt(sample(), "think") and "<think>" not in TASK.prompt(sample(), "direct")
    assert TASK.gold(sample((3, 7.5)), "direct") == "<answer>3.0 to 7.5</answer>"
    assert TASK.gold(sample((3, 7.5), (9, 10)), "direct") == "<answer>3.0 to 7.5, 9.0 to 10.0</answer>"


@pytest.mark.parametrize("target", [((5, 15),), ((0, 0.01),), ((3.333333, 7.126),), ((1, 2), (4, 19.999))])
def test_gold_earns_the_full_reward(target: tuple[tuple[float, float], ...]) -> None:
    TASK.validate(sample(*target))


def test_a_target_that_cannot_be_reached_is_an_error() -> None:
    nothing = sample().model_copy(update={"target": ((5.0, 5.0),)})
    with pytest.raises(InputError, match=r"id 'a'.*iou"):
        TASK.validate(nothing)


@pytest.mark.parametrize(
    ("text", "mode", "expected"),
    [
        ("<answer>2.0 to 10.0</answer>", "direct", {"format": 1, "iou": 5 / 13}),
        ("<answer>2.0 to 10.0</answer>", "think", {"format": 0, "iou": 5 / 13}),
        ("<think>x</think><answer>5 - 15</answer>", "think", {"format": 1, "iou": 1}),
        ("5 to 15", "direct", {"format": 0, "iou": 1}),
        ("<answer>10 to 2</answer>", "direct", {"format": 0, "iou": 0}),
        ("<answer>[]</answer>", "direct", {"format": 0, "iou": 0}),
        ("<think><answer>5 to 15</answer></think>", "think", {"format": 0, "iou": 0}),
    ],
)
def test_rewards(text: str, mode: str, expected: dict[str, float]) -> None:
    assert TASK.rewards(sample(), text, mode) == pytest.approx(expected)  # type: ignore[arg-type]


def test_the_published_sums_are_weights() -> None:
    assert TASK.default_weights == {"format": 1, "iou": 1}
    parts = TASK.rewards(sample((85, 139.5), duration=150), "<answer>75 to 127</answer>", "direct")
    total = sum(weight * (parts[name] or 0) for name, weight in {"format": 0.5, "iou": 0.5}.items())
    assert total == pytest.approx(0.8255813953, abs=1e-10)


def test_shaping_is_off_unless_asked_for() -> None:
    text = "<answer>2.0 to 10.0</answer>"
    options = RewardOptions(iou_threshold=0.5, length_bounds=(5, 10))
    assert TASK.rewards(sample(), text, "direct", options) == {"format": 1, "iou": 0, "length": 0}


def test_metrics_count_every_sample() -> None:
    samples = [sample(name=name) for name in "abcd"]
    texts = ["<answer>5 to 15</answer>", "<answer>2 to 10</answer>", "?", None]
    assert TASK.metrics(samples, texts) == pytest.approx(
        {"miou": (100 + 500 / 13) / 4, "r@0.3": 50, "r@0.5": 25, "r@0.7": 25, "unparsed": 50, "n": 4}
    )


def test_trivial_baselines() -> None:
    samples = [sample((0, 5), duration=10), sample((0, 10), duration=20), sample((9, 10), duration=10)]
    found = TASK.baselines(samples)
    assert found["whole_video"]["miou"] == pytest.approx(100 * (0.5 + 0.5 + 0.1) / 3)
    assert found["best_fixed_span"]["miou"] == pytest.approx(200 / 3)
    elsewhere = TASK.baselines(samples, fit_on=[sample((18, 20))])
    assert elsewhere["best_fixed_span"]["miou"] == pytest.approx(100 / 3)


def test_the_picture_holds_all_answers_and_escapes_names() -> None:
    picture = TASK.picture(sample(), {"<base>": ((1, 2),), "trained": None})
    assert picture.startswith("<svg") and picture.count("<rect") == 2
    assert "&lt;base&gt;" in picture and "no readable answer" in picture


def test_the_registry_finds_it() -> None:
    assert get_task("temporal_grounding") is TASK
