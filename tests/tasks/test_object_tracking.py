import pytest

from reeltune.answers.final_answer import Block, answer_text
from reeltune.tasks.base import RewardOptions
from reeltune.tasks.boxes import read_boxes
from reeltune.tasks.object_tracking import TASK, ObjectTrackingSample

BOX = (0.1, 0.1, 0.3, 0.3)


def sample(count: int = 8) -> ObjectTrackingSample:
    return ObjectTrackingSample(
        id="a",
        task="object_tracking",
        video="a.mp4",
        object="sloth",
        start_box=BOX,
        times=tuple(float(i) for i in range(count)),
        target=(BOX,) * count,
    )


def answer(*boxes: tuple[float, float, float, float]) -> str:
    return f"<answer>{[list(box) for box in boxes]}</answer>"


def test_prompt_and_gold() -> None:
    assert TASK.prompt(sample(2), "direct") == (
        'Track "sloth", which starts at [0.1, 0.1, 0.3, 0.3]. Where is it at 0.0, 1.0 seconds? '
        "Answer with one box per time as <answer>[[x0, y0, x1, y1], ...]</answer>."
    )
    assert TASK.gold(sample(1), "direct") == "<answer>[[0.1, 0.1, 0.3, 0.3]]</answer>"
    TASK.validate(sample())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start_box": (0.1, 0.1, 0.1, 0.3)}, "x1 must be greater than x0"),
        ({"start_box": (0.1, 0.1, 1.2, 0.3)}, "less than or equal to 1"),
        ({"times": (0.0, 0.0)}, "must increase"),
        ({"target": (BOX,)}, "1 boxes for 2 times"),
        ({"times": (), "target": ()}, "at least 1"),
    ],
)
def test_a_wrong_sample_is_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ObjectTrackingSample(**{**sample(2).model_dump(), **change})


@pytest.mark.parametrize(
    "text",
    [
        "[[0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1]]",
        "[(0.1,0.2,0.3,0.4),(0,0,1.0,1.)]",
        "0 s: [0.1 0.2 0.3 0.4]\n1 s: [0 0 1 1]",
        '```json\n[{"bbox_2d": [0.1, 0.2, 0.3, 0.4]}, {"bbox_2d": [0, 0, 1, 1]}]\n```',
    ],
)
def test_forms_of_two_boxes(text: str) -> None:
    assert read_boxes(Block(text, True), 2) == (((0.1, 0.2, 0.3, 0.4), (0, 0, 1, 1)), None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no answer"),
        ("[[0.1, 0.2, 0.3, 0.4]]", "1 boxes, but 2"),
        ("[0, 0, 1, 1] [0, 0, 1, 1] [0, 0, 1, 1]", "3 boxes, but 2"),
        ("[0, 0, 1e999, 1] [0, 0, 1, 1]", "not a finite number"),
        ("nothing", "0 boxes, but 2"),
    ],
)
def test_unreadable_boxes_have_a_reason(text: str, reason: str) -> None:
    boxes, why = read_boxes(Block(text, True), 2)
    assert boxes is None and reason in (why or "")


def test_rewards_are_format_and_mean_overlap() -> None:
    shifted = [(0.2, 0.1, 0.4, 0.3)] * 8
    assert TASK.rewards(sample(), answer(*shifted), "direct") == pytest.approx({"format": 1, "overlap": 1 / 3})
    one_wrong = [BOX] * 7 + [(0.6, 0.6, 0.8, 0.8)]
    assert TASK.rewards(sample(), answer(*one_wrong), "direct")["overlap"] == pytest.approx(0.875)
    assert TASK.rewards(sample(), "?", "direct") == {"format": 0, "overlap": 0}


def test_shaping() -> None:
    apart = answer(*[(0.4, 0.1, 0.6, 0.3)] * 8)
    found = TASK.rewards(sample(), apart, "direct", RewardOptions(generalized_iou=True))
    assert found["overlap"] == pytest.approx((1 - 0.2) / 2)  # the hull is 0.5 wide, 0.4 of it covered
    shifted = answer(*[(0.2, 0.1, 0.4, 0.3)] * 8)
    assert TASK.rewards(sample(), shifted, "direct", RewardOptions(iou_threshold=0.5))["overlap"] == 0


def test_metrics_and_baseline() -> None:
    texts = [answer(*[BOX] * 8), answer(*[(0.2, 0.1, 0.4, 0.3)] * 8), None]
    found = TASK.metrics([sample()] * 3, texts)
    assert found["mean_overlap"] == pytest.approx(100 * (1 + 1 / 3) / 3)
    assert found["success@0.5"] == found["success@0.7"] == pytest.approx(100 / 3)
    # Overlap 1 passes the thresholds 0 to .95, overlap 1/3 those from 0 to .3.
    assert found["success_auc"] == pytest.approx(100 * (20 + 7) / 21 / 3)
    assert found["unparsed"] == pytest.approx(100 / 3)
    assert TASK.baselines([sample()])["repeat_start_box"]["mean_overlap"] == 100


def test_the_picture_shows_every_time() -> None:
    picture = TASK.picture(sample(3), {"base": (BOX,) * 3, "other": None})
    assert picture.count("<title>truth</title>") == 3 and picture.count("<title>base</title>") == 3
    assert "no readable answer: other" in picture


def test_a_list_with_an_element_that_is_no_box_is_refused() -> None:
    """The others may be as many as were asked for: which second the broken one belongs to cannot be known."""
    good = "[0.5, 0.7, 0.8, 1.0]"
    for broken in ("[0.5, 0.7, 0.8 nothing, 0.8]", "[0.5, 0.7, 0.8]"):
        for text in (f"[{broken}, {good}, {good}]", f"[{good}, {broken}, {good}]", f"[{good}, {good}, {broken}]"):
            values, reason = read_boxes(answer_text(f"<answer>{text}</answer>"), 2)
            assert values is None and reason == "a list of boxes with an element that is no box", text
    assert read_boxes(answer_text(f"<answer>[{good}, {good}]</answer>"), 2)[0] == ((0.5, 0.7, 0.8, 1.0),) * 2
