import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltune.errors import InputError
from reeltune.judges.events import EventsJudge
from reeltune.judges.rounds import ask_together
from reeltune.sample import to_sample
from reeltune.tasks import TASKS
from reeltune.tasks.base import Components, Mode, RewardOptions
from reeltune.tasks.captioning.options import CaptioningOptions, CaptionOptions
from reeltune.tasks.captioning.task import TASK, CaptioningSample, Description
from reeltune.toyworld.questions import caption
from reeltune.toyworld.world import draw_scene

EVENTS = ["The red circle appears.", "The red circle moves left.", "The blue square vanishes."]
SUBJECTS = [
    {"name": "red circle", "attributes": ["red", "circle"], "actions": ["appears", "moves left"]},
    {"name": "blue square", "attributes": ["blue", "square"], "actions": ["vanishes"]},
]


def sample_of(**fields: Any) -> CaptioningSample:
    row = {"id": "a", "task": "captioning", "video": "v.mp4", "caption": " ".join(EVENTS), "events": EVENTS,
           "subjects": SUBJECTS}  # fmt: skip
    sample = to_sample({**row, **fields}, {name: task.sample_type for name, task in TASKS.items()})
    assert isinstance(sample, CaptioningSample)
    return sample


def rows_of(
    sample: CaptioningSample, texts: list[str], mode: Mode, options: RewardOptions | None = None
) -> list[Components]:
    """Rules and the exact judge together."""
    [judged] = ask_together(EventsJudge(), [TASK.judge_group(sample, texts, options or RewardOptions())])
    return [TASK.rewards(sample, text, mode, options) | (row or {}) for text, row in zip(texts, judged, strict=True)]


SAMPLE = sample_of()
QUESTIONS = [{"question": "Who runs?", "answer": "a dog", "category": "object"}]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"subjects": None},
        {"events": []},
        {"events": None, "subjects": []},
        {"caption": None, "questions": QUESTIONS},
    ],
)
def test_the_gold_answer_earns_all(fields: dict[str, Any]) -> None:
    TASK.validate(sample_of(**fields))


def test_toyworld_gold_earns_all_from_the_exact_judge() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        fields = caption(draw_scene(rng, int(rng.integers(1, 4))), rng)
        assert fields is not None
        sample = sample_of(**fields)
        TASK.validate(sample)
        (row,) = rows_of(sample, [TASK.gold(sample, "structured")], "structured")
        assert row == {"format": 1.0, "think": 1.0, "caption": 1.0 if sample.events else None}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"caption": None}, "needs a reference"),
        ({"events": "The dog runs."}, r"field 'events'"),
        ({"events": [""]}, r"field 'events\[0\]'"),
        ({"subjects": [{"name": "dog", "atributes": []}]}, r"field 'subjects\[0\]\.atributes'"),
        ({"subjects": [{"attributes": []}]}, r"field 'subjects\[0\]\.name': missing"),
        ({"event": []}, "did you mean 'events'"),
    ],
)
def test_wrong_samples(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sample_of(**fields)


def test_parsing_keeps_thinking_and_caption_apart() -> None:
    text = "<think>\nred circle | red | appears\nhm\n</think>\n<answer>The red circle appears.</answer>"
    value = TASK.parse(SAMPLE, text).value
    assert isinstance(value, Description)
    assert value.caption == "The red circle appears."
    assert [s.name for s in value.subjects] == ["red circle"] and value.off_form == ("hm",)
    assert TASK.parse(SAMPLE, "<think>red circle | red | appears").value is None
    assert TASK.parse(SAMPLE, "just prose").value == Description("just prose")


def test_the_format_of_structured_thinking_is_strict() -> None:
    line = "red circle | red; circle | appears"
    good = f"<think>\n{line}\n</think>\n<answer>It appears.</answer>"
    assert TASK.format_reward(SAMPLE, good, "structured") == 1.0
    for bad in (
        good.replace("</think>", "so it is\n</think>"),
        good.replace(line, "I think"),
        good.replace("<answer>It appears.</answer>", "<answer></answer>"),
        "<answer>It appears.</answer>",
        good + " and more",
    ):
        assert TASK.format_reward(SAMPLE, bad, "structured") == 0.0
    assert TASK.format_reward(SAMPLE, good, "direct") == 0.0


def test_rewards_of_a_group() -> None:
    gold = TASK.gold(SAMPLE, "structured")
    half = "<think>\nred circle | red; circle | appears\n</think>\n<answer>The red circle appears.</answer>"
    group = [gold, half, "nothing to see here </think>", ""]
    rows = rows_of(SAMPLE, group, "structured")
    assert rows[0] == {"format": 1.0, "think": 1.0, "caption": 1.0}
    assert rows[1] == {"format": 1.0, "think": pytest.approx(2 * 3 / (3 + 7)), "caption": 0.5}
    assert rows[2] == rows[3] == {"format": 0.0, "think": 0.0, "caption": 0.0}
    linear = RewardOptions(own=CaptioningOptions(caption=CaptionOptions(measure="recall")))
    rows = rows_of(SAMPLE, group, "structured", linear)
    assert rows[1]["caption"] == pytest.approx(1 / 3)


def test_components_that_do_not_apply() -> None:
    gold = TASK.gold(SAMPLE, "direct")
    assert TASK.rewards(SAMPLE, gold, "direct") == {"format": 1.0, "think": None, "caption": None}
    no_events = sample_of(events=[])
    (row,) = rows_of(no_events, [TASK.gold(no_events, "structured")], "structured")
    assert row["caption"] is None


def test_metrics_without_a_judge_are_named_a_proxy() -> None:
    gold = TASK.gold(SAMPLE, "structured")
    found = TASK.metrics([SAMPLE, SAMPLE], [gold, None])
    assert found == {"lexical_proxy_recall": 50.0, "think_f1": 50.0, "unparsed": 50.0, "n": 2.0}
    assert "think_f1" not in TASK.metrics([sample_of(subjects=None)], ["a caption"])
    assert TASK.metrics([SAMPLE, sample_of(subjects=None)], [gold, gold])["think_f1"] == 100.0
    assert set(TASK.baselines([SAMPLE, SAMPLE])) == {"another_video"}
    assert TASK.baselines([SAMPLE])["another_video"]["think_f1"] == 0.0


def test_the_picture_marks_what_was_matched_and_missed() -> None:
    text = "<think>\nred circle | red; <b> | appears\ncat | - | sits\n</think>\n<answer>One & two.</answer>"
    html = TASK.picture(SAMPLE, {"trained": TASK.parse(SAMPLE, text).value, "base": None})
    for part in (
        '<span class="matched">red</span>',
        '<span class="matched">appears</span>',
        '<span class="missed">moves left</span>',
        '<span class="missed">vanishes</span>',
        '<span class="missed">blue square</span>',
        '<span class="extra">sits</span>',
        '<span class="extra">cat</span>',
        "&lt;b&gt;",
        "One &amp; two.",
        "base: no readable answer",
    ):
        assert part in html


@given(st.text(alphabet="ab|;<>/thinkanswer\n .") | st.text())
def test_no_text_breaks_rewards(text: str) -> None:
    for mode in TASK.modes:
        (row,) = rows_of(SAMPLE, [text], mode)
        assert all(value is None or 0.0 <= value <= 1.0 for value in row.values())


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys, reeltune.tasks.captioning.task, reeltune.judges;"
        "assert not {'torch', 'numpy', 'scipy', 'simplemma', 'urllib.request', 'http.client'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
