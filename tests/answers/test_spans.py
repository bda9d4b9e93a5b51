import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltune.answers.final_answer import Block
from reeltune.answers.spans import read_spans
from reeltune.answers.times import read_time


def read(text: str, tagged: bool = True) -> object:
    return read_spans(Block(text, tagged))[0]


@pytest.mark.parametrize(
    "text",
    [
        "5.00-15.00",
        "5s to 15s",
        "00:05 to 00:15",
        "5 to 15",
        "5 - 15",
        "5 -15",
        "5–15",
        "5 → 15",
        "from 5 to 15",
        "from second 5 to second 15",
        "between 5 and 15 seconds",
        "5 seconds until 15 seconds",
        "It starts at 5s and ends at 15s.",
        "Start time: 5 seconds, End time: 15 seconds",
        "start: 5, end: 15",
        '{"start_time": 5, "end_time": 15}',
        '{"start_time": "5", "end_time": "15"}',
        '```json\n{"start_time": 5.0,\n "end_time": 15.0}\n```',
        "{'start': 5, 'end': 15}",
        "[5, 15]",
        "[[5, 15]]",
        "[(5, 15)]",
        "<5.00> <15.00>",
        "<5> <15> Because he runs.",
        "(5.0s, 15.0s)",
        "[00:05, 00:15]",
        "5, 15",
        "5 15",
        "- 5 to 15",
        "**5.0 to 15.0**",
        "5.0 to 15.0.",
        "5.0to15.0",
        "5.0 - 15.0 seconds (10 seconds)",
        "0:00:05 - 0:00:15",
    ],
)
def test_forms_of_5_to_15(text: str) -> None:
    assert read(text) == ((5.0, 15.0),)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("[(0, 3), (2, 4), (22, 25)]", ((0, 3), (2, 4), (22, 25))),
        ("\n[(0, 3)]", ((0, 3),)),
        ("3.0 to 7.5, 9.0 to 10.0", ((3, 7.5), (9, 10))),
        ("3 to 7 and 9 to 10", ((3, 7), (9, 10))),
        ("[{'start_time': 1, 'end_time': 2}, {'start_time': 4, 'end_time': 6}]", ((1, 2), (4, 6))),
        ("3 to 7, that is 3 to 7", ((3, 7),)),
        ("1m30s to 2m", ((90, 120),)),
        ("1 minute 30 seconds to 2 minutes", ((90, 120),)),
        ("1:30 to 2:05.5", ((90, 125.5),)),
        ("1:02:03 - 1:02:09", ((3723, 3729),)),
        (".5 to 1.25", ((0.5, 1.25),)),
        ("7 to 7", ((7, 7),)),
    ],
)
def test_other_forms(text: str, spans: object) -> None:
    assert read(text) == spans


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("10 to 2", "reversed"),
        ("[(1, 2), (10, 2)]", "reversed"),
        ("-5 to 10", "negative"),
        ("5 to -10", "negative"),
        ("1e999 to 3", "finite"),
        ("nan to 3", "finite"),
        ("0 to inf", "finite"),
        ("1:75 to 2:30", "finite"),
        ("", "no answer"),
        ("5.0 to", "no start and end"),
        ("12", "no start and end"),
        ("1 2 3", "no start and end"),
        ("never", "no start and end"),
        ("1 to 2" * 5000, "characters"),
    ],
)
def test_unreadable_answers_have_a_reason(text: str, reason: str) -> None:
    spans, why = read_spans(Block(text, True))
    assert spans is None and reason in (why or "")


def test_prose_needs_a_range() -> None:
    assert read("I saw 3 dogs and then 5 more", tagged=False) is None
    assert read("5, 15", tagged=False) is None
    assert read("It happens from 5 to 15 seconds.", tagged=False) == ((5.0, 15.0),)
    assert read("It starts at 3s and ends at 10s.", tagged=False) == ((3.0, 10.0),)


TIME = st.integers(0, 359_999).map(lambda hundredths: hundredths / 100)
WRITTEN = {
    "seconds": lambda x: f"{x:.2f}",
    "unit": lambda x: f"{x:.2f}s",
    "clock": lambda x: f"{int(x // 60):02d}:{x % 60:05.2f}",
}


@given(TIME, TIME, st.sampled_from(sorted(WRITTEN)), st.sampled_from([" to ", " - ", "-", " and "]))
def test_every_written_span_is_read_back(a: float, b: float, form: str, joint: str) -> None:
    start, end = sorted((a, b))
    text = WRITTEN[form](start) + joint + WRITTEN[form](end)
    found = read(text)
    assert found is not None
    assert found[0] == pytest.approx((start, end), abs=1e-6)  # type: ignore[index]


@given(st.text(alphabet="0123456789.:-,[](){}'\" senodtfrmaux<>/\n∞½٣", max_size=60), st.booleans())
def test_any_text_is_read_or_has_a_reason(text: str, tagged: bool) -> None:
    spans, reason = read_spans(Block(text, tagged))
    assert (spans is None) == (reason is not None)
    assert all(0 <= start <= end < float("inf") for start, end in spans or ())


def test_one_time() -> None:
    assert read_time("1:02:03.5") == 3723.5
    assert read_time("90 seconds") == 90


@pytest.mark.parametrize(
    "text",
    [
        "After the man sits down (3 to 5), the woman dances.",
        "The dog runs from 3 to 5 before the event.",
        "from 3 to 5, just before the described action",
        "The event follows the segment 3 to 5.",
        "It is not clear; the man walks from 3 to 5.",
    ],
)
def test_the_span_of_another_event_is_no_answer(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "After the man sits down, the woman dances from 8 to 12.",
        "After the man sits down (3 to 5), the woman dances from 8 to 12.",
        "Before the end, from 8 to 12.",
        "The event happens from 8 to 12, before the dog barks.",
    ],
)
def test_the_span_of_the_event_beside_another_one_is(text: str) -> None:
    assert read(text) == ((8, 12),)


@pytest.mark.parametrize(
    "text",
    [
        "The intro runs from 5 to 15 seconds.",
        "The intro lasts 5 to 15",
        "The outro starts at 5 and ends at 15 seconds.",
        "The event is preceded by the waiting (5-15).",
        "Levels 5 to 15",
        "rated 5 to 15",
        "It took him 5 to 15 minutes.",
        "0-5 he waits, 5-15 he eats, 15-20 he leaves. The parts: 0-5, 5-15, 15-20",
        "21 (or 22) to 35",
        "from 5 to 15 by the clock",
    ],
)
def test_the_time_of_something_else_or_no_time_is_no_span(text: str) -> None:
    assert read(text, tagged=False) is None


@pytest.mark.parametrize(
    "text",
    [
        "The video runs from 0 to 30 seconds, the event from 5 to 15 seconds.",
        "The intro starts at 0 and ends at 4 seconds. He runs from 5 to 15 seconds.",
        "The event (5-15) is preceded by the waiting (0-5).",
        "5 s (start), 15 s (end)",
        "from the 5th to the 15th second",
        "5 to 15 s, which corresponds to frames 50 to 150",
        "5.0 to 15.0 (rounded: 5 to 16)",
        "5秒开始，15秒结束",
    ],
)
def test_the_span_beside_that_of_something_else(text: str) -> None:
    assert read(text, tagged=False) == ((5.0, 15.0),)
