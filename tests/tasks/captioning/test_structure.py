import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltune.tasks.captioning.structure import Subject, is_well_formed, read_structure, thinking_of, write_structure

WOMAN = Subject(name="woman", attributes=("young", "in a red coat"), actions=("opens the door",))
CIRCLE = Subject(name="red circle", attributes=("red",))


def test_what_is_written_is_read_back() -> None:
    text = write_structure([WOMAN, CIRCLE])
    assert text == "woman | young; in a red coat | opens the door\nred circle | red | -"
    assert read_structure(text) == ((WOMAN, CIRCLE), ())
    assert is_well_formed(text)


WORDS = st.text(alphabet="abc xyz,'<>|;\n", min_size=1, max_size=12).filter(lambda text: text.strip("|;<>\n, "))


@given(st.lists(st.builds(Subject, name=WORDS, attributes=st.lists(WORDS), actions=st.lists(WORDS, min_size=1))))
def test_marks_of_the_form_inside_a_text_do_no_harm(subjects: list[Subject]) -> None:
    found = read_structure(write_structure(subjects))
    assert found.off_form == ()
    assert [len(s.items) for s in found.subjects] == [len(s.items) for s in subjects]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("- dog | brown | runs", Subject(name="dog", attributes=("brown",), actions=("runs",))),
        ("2. dog |  | runs ; barks;", Subject(name="dog", actions=("runs", "barks"))),
        ("dog | brown", Subject(name="dog", attributes=("brown",))),
        ("dog | - | -", Subject(name="dog")),
    ],
)
def test_lenient_reading(line: str, expected: Subject) -> None:
    assert read_structure(line) == ((expected,), ())


@pytest.mark.parametrize("line", ["a dog runs", "| brown | runs", "a | b | c | d"])
def test_lines_off_the_form(line: str) -> None:
    assert read_structure(line) == ((), (line,))


@pytest.mark.parametrize(
    "text",
    ["", "a dog runs", "dog | brown", "dog | - | -", "dog | brown | runs\nso it is", "dog | brown | runs | fast"],
)
def test_what_is_not_well_formed(text: str) -> None:
    assert not is_well_formed(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>a</think><answer>b</answer>", "a"),
        ("\n <THINK>a</Think> b", "a"),
        ("a</think> b", "a"),
        ("<think>a, cut off", "a, cut off"),
        ("<answer>b</answer>", ""),
    ],
)
def test_thinking(text: str, expected: str) -> None:
    assert thinking_of(text) == expected


@given(st.text(alphabet="ab|;-<>/thinkanswer\n "))
def test_no_text_breaks_a_reader(text: str) -> None:
    read_structure(text)
    is_well_formed(text)
    thinking_of(text)
