import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltune.answers.final_answer import Block
from reeltune.tasks.choices import read_label
from reeltune.tasks.classification import TASK, ClassificationSample

LABELS = ("low quality", "high quality")


def sample(target: str = "low quality") -> ClassificationSample:
    return ClassificationSample(
        id="a", task="classification", video="a.mp4", question="How is it?", labels=LABELS, target=target
    )


def test_prompt_and_gold() -> None:
    assert TASK.prompt(sample(), "direct") == (
        "How is it? Choose one: low quality, high quality. Answer as <answer>choice</answer>."
    )
    assert TASK.gold(sample(), "direct") == "<answer>low quality</answer>"
    TASK.validate(sample())


def test_wrong_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="one of the labels"):
        sample("Low Quality")
    with pytest.raises(ValueError, match="two labels are identical"):
        ClassificationSample(**{**sample().model_dump(), "labels": ("low quality", "Low quality")})


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("low quality", "low quality"),
        ("**Low Quality.**", "low quality"),
        ("It is of high quality.", "high quality"),
        ("The label: high  quality", "high quality"),
    ],
)
def test_labels_are_read(text: str, label: str) -> None:
    assert read_label(Block(text, True), LABELS) == (label, None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no answer"),
        ("quality", "no label"),
        ("low quality or high quality", "several"),
        ("not high quality", "denied"),
        ("yellow quality", "no label"),
    ],
)
def test_what_cannot_be_read_has_a_reason(text: str, reason: str) -> None:
    label, why = read_label(Block(text, True), LABELS)
    assert label is None and reason in (why or "")


def test_a_label_inside_another() -> None:
    assert read_label(Block("it is very good", True), ("good", "very good"))[0] == "very good"


@given(st.text(max_size=50), st.lists(st.text(min_size=1), min_size=2))
def test_any_text_is_read_or_has_a_reason(text: str, labels: list[str]) -> None:
    label, reason = read_label(Block(text, True), labels)
    assert (label is None) == (reason is not None)


def test_metrics_and_baselines() -> None:
    samples = [sample(), sample(), sample("high quality")]
    assert TASK.metrics(samples, ["low quality"] * 3)["accuracy"] == pytest.approx(200 / 3)
    found = TASK.baselines(samples)
    assert found["majority_label"]["accuracy"] == pytest.approx(200 / 3)
    assert found["random_label"]["accuracy"] == 50
    assert TASK.type_of(samples[2]) == "high quality"
