import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltune.judges.questions import BadReply, Entailment, Extraction, Grading, Question, Rating, Reading

TWO = Entailment("text", ("a", "b"))


@pytest.mark.parametrize(
    "reply",
    [
        '{"labels": ["entailment", "neutral"]}',
        '["entailment", "neutral"]',
        '```json\n{"labels": ["Entailment", " neutral "]}\n```',
        '<think>first... </think>\n["entailment", "neutral"]',
        # The published AutoDQ script's shape.
        '{"events": [{"event": "a", "relationship": "entailment", "reason": "so"},'
        ' {"event": "b", "relationship": "neutral"}]}',
        "[{'event': 'a', 'relationship': 'entailment'}, {'event': 'b', 'relationship': 'neutral'}]",
    ],
)
def test_labels(reply: str) -> None:
    assert TWO.read(reply) == ("entailment", "neutral")


@pytest.mark.parametrize("reply", ['["a"]', "{}", '{"labels": "entailment, neutral"}', '[["entailment"], "neutral"]'])
def test_labels_of_the_wrong_form(reply: str) -> None:
    with pytest.raises(BadReply):
        TWO.read(reply)


def test_events() -> None:
    assert Extraction("t").read('{"events": [" A man runs. ", "He falls."]}') == ("A man runs.", "He falls.")
    assert Extraction("t").read("[]") == ()
    assert Extraction("t", "objects").read('{"objects": ["There is a dog."]}') == ("There is a dog.",)
    for reply in ('{"events": [1]}', '{"other": ["a"]}', '{"events": "a"}', '[""]', "none"):
        with pytest.raises(BadReply):
            Extraction("t").read(reply)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("{'pred': 'yes', 'score': 4}", Rating(True, 4.0)),
        ('{"pred": "No", "score": 0}', Rating(False, 0.0)),
        ('{"pred": "yes", "score": 4.8}', Rating(True, 4.8)),
    ],
)
def test_ratings(reply: str, expected: Rating) -> None:
    assert Grading("q", "r", "a").read(reply) == expected


@pytest.mark.parametrize(
    "reply",
    ['{"pred": "yes"}', '{"pred": "yes", "score": 6}', '{"pred": "yes", "score": true}', '{"pred": 1, "score": 1}',
     '{"pred": "perhaps", "score": 2}', "yes 4", "[]"],
)  # fmt: skip
def test_ratings_of_the_wrong_form(reply: str) -> None:
    with pytest.raises(BadReply):
        Grading("q", "r", "a").read(reply)


def test_a_reading_is_any_text_but_none() -> None:
    assert Reading("c", "q").read("<think>x</think> a dog ") == "a dog"
    with pytest.raises(BadReply):
        Reading("c", "q").read("<think>x</think>  ")


@given(st.text() | st.text(alphabet="{}[]\",:abc0123456789\\-('e "))
def test_no_reply_breaks_a_reader(reply: str) -> None:
    questions: list[Question[object]] = [TWO, Extraction("t"), Reading("c", "q"), Grading("q", "r", "a")]
    for question in questions:
        with contextlib.suppress(BadReply):
            question.read(reply)
