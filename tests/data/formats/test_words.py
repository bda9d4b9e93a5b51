"""The words of conversations: spans, questions for a time, listed options."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reeltune.data.formats._choices import in_order, listed_options
from reeltune.data.formats.conversations import asks_for_time, written_spans
from reeltune.tasks.spans import span_text

times = st.floats(0, 5000).map(lambda value: round(value, 2))


@given(st.lists(st.tuples(times, times).map(sorted).filter(lambda s: s[1] > s[0] + 0.05), min_size=1, max_size=4))
def test_spans_are_read_as_tasks_write_them(spans: list[list[float]]) -> None:
    unique = tuple(dict.fromkeys((start, end) for start, end in spans))
    assert written_spans(", ".join(span_text(span) for span in unique)) == unique


@given(st.text("0123456789 to-:.,[]()sandw", max_size=60))
@example("1 to 2 s, " * 2000 + "x")
@example("0 " * 3000)
def test_no_text_breaks_the_reader_of_spans(text: str) -> None:
    for start, end in written_spans(text) or ():
        assert 0 <= start <= end


@pytest.mark.parametrize("text", ["2", "2 to 5 dogs", "about a dog from 2 to 5", "two to five", "", "2 5", "5 to 2"])
def test_other_answers_are_no_spans(text: str) -> None:
    assert written_spans(text) is None


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("When?", True),
        ("In which part of the video does he sit?", True),
        ("Give the start and end times of: a dog runs.", True),
        ("At what time does it rain?", True),
        ("What does he hold when he sits?", False),
        ("How long does it rain, and when?", False),
        ("What is the score?", False),
    ],
)
def test_questions_for_a_time(question: str, asked: bool) -> None:
    assert asks_for_time(question) is asked


words = st.text("abc xyz", min_size=1, max_size=8).filter(str.strip).map(lambda text: " ".join(text.split()))


@given(words, st.lists(words, min_size=2, max_size=26), st.sampled_from(["{}. ", "({}) ", "{}) ", "{}: "]))
def test_listed_options_are_read_back(question: str, options: list[str], mark: str) -> None:
    lines = [mark.format(chr(65 + at)) + option for at, option in enumerate(options)]
    listed = listed_options("\n".join([question, "", *lines, "Say which."]))
    assert listed is not None
    assert (listed.question, listed.options, listed.rest) == (question, options, "Say which.")
    assert in_order(lines) and not in_order(lines[::-1])


@pytest.mark.parametrize("text", ["What?", "A. x\nB. y", "What?\nA. x", "What?\nB. x\nC. y", "What? A. x B. y"])
def test_other_questions_list_no_options(text: str) -> None:
    assert listed_options(text) is None
