import pytest

from reeltune.tasks.multiple_choice import TASK, MultipleChoiceSample


def sample(target: str = "B", count: int = 4, name: str = "a") -> MultipleChoiceSample:
    options = ("a dog", "a cat", "a bird", "a fish", "a cow")[:count]
    return MultipleChoiceSample(
        id=name, task="multiple_choice", video="a.mp4", question="What is it?", options=options, target=target
    )


def test_prompts_and_gold() -> None:
    assert TASK.prompt(sample(count=2), "direct") == (
        "What is it?\nA. a dog\nB. a cat\nAnswer with the letter as <answer>letter</answer>."
    )
    assert TASK.gold(sample(), "direct") == "<answer>B</answer>"
    assert "<think>" in TASK.prompt(sample(), "think")


@pytest.mark.parametrize("target", "ABCD")
def test_gold_earns_the_full_reward(target: str) -> None:
    TASK.validate(sample(target))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<answer>B</answer>", (1, 1)),
        ("<answer>a cat</answer>", (1, 1)),
        ("(B)", (0, 1)),
        ("<answer>A</answer>", (1, 0)),
        ("<answer></answer>", (0, 0)),
        ("", (0, 0)),
    ],
)
def test_rewards(text: str, expected: tuple[float, float]) -> None:
    found = TASK.rewards(sample(), text, "direct")
    assert (found["format"], found["accuracy"]) == expected


def test_metrics_and_baselines() -> None:
    samples = [sample("B"), sample("B", count=5), sample("A", count=2), sample("C")]
    texts = ["<answer>B</answer>", "A", None, "both B and C"]
    assert TASK.metrics(samples, texts) == {"accuracy": 25, "unparsed": 50, "n": 4}
    found = TASK.baselines(samples)
    assert found["majority_letter"] == {"accuracy": 50}
    assert found["random_option"]["accuracy"] == pytest.approx(100 * (1 / 4 + 1 / 5 + 1 / 2 + 1 / 4) / 4)
    assert TASK.baselines(samples, fit_on=[sample("C")])["majority_letter"] == {"accuracy": 25}


def test_the_picture_marks_right_and_wrong() -> None:
    picture = TASK.picture(sample(), {"base": "A", "trained": "B", "other": None})
    assert '<span class="wrong">◀ base' in picture and '<span class="right">◀ trained' in picture
    assert "no readable answer: other" in picture
