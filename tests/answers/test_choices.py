import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reeltune.answers.choices import LETTERS, read_label, read_letter
from reeltune.answers.final_answer import Block

OPTIONS = ("a dog", "share with the girl", "unwrap it", "A cat")


@pytest.mark.parametrize(
    "text",
    [
        "B",
        "b",
        "(B)",
        "[b]",
        "B.",
        "B)",
        "**B**",
        "'B'",
        "\\boxed{B}",
        "B. share with the girl",
        "(B) share with the girl",
        "B share with the girl",
        "B: share",
        "B - because",
        "share with the girl",
        " Share  with the girl. ",
        "Option B",
        "The answer is B",
        "The correct answer is (B) share with the girl.",
        "Best answer: B",
        "Answer: B\nExplanation: A is wrong",
        "the answer is share with the girl",
        "I think (B) is right because of her",
    ],
)
def test_forms_of_b(text: str) -> None:
    assert read_letter(Block(text, True), OPTIONS) == ("B", None)


@pytest.mark.parametrize(
    ("text", "letter"), [("a", "A"), ("A dog", "A"), ("a cat", "D"), ("Best answer: A", "A"), ("d.", "D")]
)
def test_an_article_is_no_letter(text: str, letter: str) -> None:
    assert read_letter(Block(text, True), OPTIONS) == (letter, None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no answer"),
        ("A man walks", "neither a letter"),
        ("no idea", "neither a letter"),
        ("answer", "neither a letter"),
        ("A and B", "several"),
        ("A, B", "several"),
        ("(A) or (B)", "several"),
        ("A. or (B)", "several"),
        ("E", "letter E, but the last option is D"),
        ("C. a dog", "the text of another option"),
    ],
)
def test_what_cannot_be_read_has_a_reason(text: str, reason: str) -> None:
    letter, why = read_letter(Block(text, True), OPTIONS)
    assert letter is None and reason in (why or "")


def test_options_that_are_letters() -> None:
    assert read_letter(Block("B", True), ("C", "A", "B")) == ("B", None)
    assert read_letter(Block("E", True), ("E", "F")) == ("A", None)


@settings(deadline=None)  # a busy machine; test_linear_time.py looks at the time
@given(st.text(max_size=80), st.lists(st.text(min_size=1), min_size=2, max_size=26), st.booleans())
def test_any_text_is_read_or_has_a_reason(text: str, options: list[str], tagged: bool) -> None:
    letter, reason = read_letter(Block(text, tagged), options)
    assert (letter is None) == (reason is not None)
    assert letter is None or letter in LETTERS[: len(options)]


@given(st.integers(0, 3), st.sampled_from(["{}", "({})", "{}.", "{}. {text}", "({}) {text}", "answer: {}"]))
def test_every_letter_in_every_form(index: int, form: str) -> None:
    text = form.format(LETTERS[index], text=OPTIONS[index])
    assert read_letter(Block(text, True), OPTIONS) == (LETTERS[index], None)


@pytest.mark.parametrize(
    "text",
    [
        "at first happy, at the end sad",
        "He looks happy at first but sad at the end.",
        "initially happy, finally sad",
        "At first he is happy, at the end sad.",
    ],
)
def test_a_course_is_no_correction(text: str) -> None:
    moods = ["happy", "sad", "angry"]
    assert read_label(Block(text, True), moods)[0] is None and read_letter(Block(text, True), moods)[0] is None


def test_a_correction_is_no_course() -> None:
    moods = ["happy", "sad", "angry"]
    for text in ("At first I thought happy, at the end it is sad.", "At first glance happy, but finally sad."):
        assert read_label(Block(text, True), moods)[0] == "sad", text


def test_a_text_that_goes_on_like_a_longer_option_is_not_the_shorter_one() -> None:
    options = ["He opens the door and leaves", "He opens the door", "He sits"]
    told = {"He opens the door and sits": None, "He opens the door and leaves": "A", "He opens the door.": "B"}
    told |= {"He opens the door in the video": "B", "The answer is: he opens the door": "B", "the man sits": None}
    assert {text: read_letter(Block(text, True), options)[0] for text in told} == told


ACTIONS = ("The boy sits down", "The boy stands up", "The boy waves", "The boy runs")


@pytest.mark.parametrize(
    ("text", "options", "letter"),
    [
        ("He stands up.", ACTIONS, "B"),
        ("She stands up.", ACTIONS, None),
        ("The boy doesn't wave; he runs.", ACTIONS, "D"),
        ("The boy sits down, waves, and then leaves.", ACTIONS, None),
        ("The second option", ACTIONS, "B"),
        ("The last action is D.", ACTIONS, "D"),
        ("The distractor here is D.", ACTIONS, None),
        ("D?", ACTIONS, None),
        ("The boy waves?", ACTIONS, None),
        ("light blue", ("Blue", "Dark blue"), None),
        ("The car is dark blue.", ("Blue", "Dark blue"), "B"),
        ("4", ("Two", "Three", "Four"), "C"),
        ("There are four.", ("2", "3", "4"), "C"),
        ("1", ("One", "Two"), "A"),
        ("12 or 15 years", ("12 years", "15 years"), None),
    ],
)
def test_options_in_other_words(text: str, options: tuple[str, ...], letter: str | None) -> None:
    assert read_letter(Block(text, False), options)[0] == letter


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("non-negative", ("positive", "negative")),
        ("He stops running.", ("walking", "running")),
        ("faster than walking", ("walking", "running")),
        ("The scene is snowy, and the mood is sunny.", ("snowy", "sunny")),
        ("It would be happy if she smiled.", ("happy", "sad")),
        ("at least medium", ("low", "medium", "high")),
    ],
)
def test_what_is_no_label(text: str, labels: tuple[str, ...]) -> None:
    assert read_label(Block(text, False), labels)[0] is None
