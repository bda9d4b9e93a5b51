import pytest

from reeltune.tasks.grounded_qa import TASK, GroundedAnswer, GroundedQASample


def sample(*evidence: tuple[float, float]) -> GroundedQASample:
    return GroundedQASample(
        id="a",
        task="grounded_qa",
        video="a.mp4",
        question="Why?",
        options=("a dog", "a cat", "a bird"),
        duration=30,
        target="B",
        evidence=evidence or ((5, 15),),
    )


def test_prompt_and_gold() -> None:
    assert TASK.prompt(sample(), "direct").startswith("Why?\nA. a dog\nB. a cat\nC. a bird\n")
    gold = TASK.gold(sample((3, 7.5), (9, 10)), "direct")
    assert gold == "<answer>B</answer>\n<glue>[(3.0, 7.5), (9.0, 10.0)]</glue>"
    TASK.validate(sample((3, 7.5), (9, 10)))


@pytest.mark.parametrize(
    ("text", "value", "reason"),
    [
        ("<answer>B</answer><glue>[(5, 15)]</glue>", GroundedAnswer("B", ((5, 15),)), None),
        ("<answer>B</answer><glue>\n5 to 15\n</glue>", GroundedAnswer("B", ((5, 15),)), None),
        ("<answer>B</answer>", GroundedAnswer("B", None), "no <glue> block"),
        ("<answer>B</answer><glue>[(15, 5)]</glue>", GroundedAnswer("B", None), "reversed"),
        ("<answer>?</answer><glue>[(5, 15)]</glue>", GroundedAnswer(None, ((5, 15),)), "neither a letter"),
        ("", None, "no answer; no <glue> block"),
    ],
)
def test_each_part_is_read_alone(text: str, value: GroundedAnswer | None, reason: str | None) -> None:
    found = TASK.parse(sample(), text)
    assert found.value == value
    assert (found.reason is None) if reason is None else reason in (found.reason or "")


def test_rewards_are_format_accuracy_and_evidence() -> None:
    truth = sample((1, 5), (2, 2.5), (2, 4))
    text = "<answer>B</answer><glue>[(0, 3), (2, 4), (22, 25)]</glue>"
    assert TASK.rewards(truth, text, "direct") == pytest.approx({"format": 1, "accuracy": 1, "iou": 0.375})
    assert TASK.rewards(truth, "<answer>B</answer>", "direct") == {"format": 0, "accuracy": 1, "iou": 0}
    assert set(TASK.default_weights.values()) == {1.0}


def test_metrics() -> None:
    texts = [
        "<answer>B</answer><glue>[(10, 20)]</glue>",  # IoP .5: right and grounded
        "<answer>B</answer><glue>[(0, 30)]</glue>",  # IoP 1/3: right, not grounded
        "<answer>A</answer><glue>[(5, 15)]</glue>",  # grounded, not right
        None,
    ]
    found = TASK.metrics([sample()] * 4, texts)
    assert found["accuracy"] == 50
    assert found["miou"] == pytest.approx(100 * (5 / 15 + 10 / 30 + 1) / 4)
    assert found["iop"] == pytest.approx(100 * (0.5 + 1 / 3 + 1) / 4)
    assert found["acc@gqa"] == 25
    assert found["acc@iou"] == 0
    right = "<answer>B</answer><glue>[(5, 10)]</glue>"  # half of the true span
    assert TASK.metrics([sample()], [right])["acc@iou"] == 100
    assert found["unparsed"] == 25


def test_baselines() -> None:
    found = TASK.baselines([sample((20.9, 22.7), (23.8, 26))])
    assert found["whole_video"]["miou"] == pytest.approx(100 * 4 / 30)
    assert found["majority_letter"]["accuracy"] == 100
    assert found["random_option"]["accuracy"] == pytest.approx(100 / 3)


def test_the_picture_has_options_and_time_line() -> None:
    picture = TASK.picture(sample(), {"base": GroundedAnswer("A", None), "trained": None})
    assert "<svg" in picture and "◀ base" in picture and "no readable answer: trained" in picture
