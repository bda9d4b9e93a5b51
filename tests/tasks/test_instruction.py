from reeltune.tasks.instruction import TASK, InstructionSample


def sample(response: str = "A red ball.") -> InstructionSample:
    return InstructionSample(id="a", task="instruction", video="a.mp4", instruction="What is shown?", response=response)


def test_direct_is_bare() -> None:
    assert TASK.prompt(sample(), "direct") == "What is shown?"
    assert TASK.gold(sample(), "direct") == "A red ball."
    assert TASK.rewards(sample(), "a red ball", "direct") == {"format": 1, "exact": 1}
    assert TASK.rewards(sample(), " ", "direct") == {"format": 0, "exact": 0}


def test_gold_earns_the_full_reward() -> None:
    for response in ("A red ball.", "?", "two\nlines", "1 < 2"):
        TASK.validate(sample(response))


def test_metrics_and_baseline() -> None:
    samples = [sample(), sample("yes"), sample("yes")]
    assert TASK.metrics(samples, ["a red  ball", "no", None])["accuracy"] == 100 / 3
    assert TASK.baselines(samples)["majority_response"]["accuracy"] == 200 / 3
