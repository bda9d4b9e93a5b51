import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltune.answers.final_answer import Block, answer_text, has_format, outside_thinking, wrap


@pytest.mark.parametrize(
    ("text", "think", "direct"),
    [
        ("<think>a</think><answer>b</answer>", True, False),
        ("<think>a</think>\n<answer>b</answer>\n", True, False),
        ("<answer>b</answer>", False, True),
        (" <answer>b < c</answer> ", False, True),
        ("x<answer>b</answer>", False, False),
        ("<answer>b</answer>x", False, False),
        ("<think>a</think>x<answer>b</answer>", False, False),
        ("<answer>b</answer><think>a</think>", False, False),
        ("<think>a</think><answer>b</answer><answer>c</answer>", False, False),
        ("<think>a<answer>c</answer></think><answer>b</answer>", False, False),
        ("<think></think><answer>b</answer>", False, False),
        ("<answer> </answer>", False, False),
        ("<answer>b", False, False),
        ("<Answer>b</Answer>", False, False),
        ("<answer>b</answer><glue>c</glue>", False, False),
        ("", False, False),
    ],
)
def test_format_is_strict(text: str, think: bool, direct: bool) -> None:
    assert has_format(text, "think") is think
    assert has_format(text, "direct") is direct


def test_further_blocks_are_asked_for_in_order() -> None:
    assert has_format("<answer>A</answer>\n<glue>[(1, 2)]</glue>", "direct", ["glue"])
    assert not has_format("<answer>A</answer>", "direct", ["glue"])
    assert not has_format("<glue>[(1, 2)]</glue><answer>A</answer>", "direct", ["glue"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<answer>a</answer>", Block("a", True)),
        ("<answer>a</answer> or <answer> b </answer>", Block("b", True)),
        ("<think><answer>a</answer></think> so b", Block("so b", False)),
        ("<think><answer>a</answer></think><answer>b</answer>", Block("b", True)),
        ("<answer>b</answer><think><answer>a</answer></think>", Block("b", True)),
        ("the prompt opened it <answer>a</answer></think><answer>b</answer>", Block("b", True)),
        ("<think>cut off <answer>a</answer>", Block("", False)),
        ("<answer>stopped by a stop string", Block("stopped by a stop string", True)),
        ("<answer>a</answer> <answer>cut", Block("a", True)),
        ("<answer>x<answer>a</answer>", Block("a", True)),
        ("<ANSWER>a</ANSWER>", Block("a", True)),
        ("plain", Block("plain", False)),
        ("", Block("", False)),
    ],
)
def test_the_last_block_outside_the_thinking_is_read(text: str, found: Block) -> None:
    assert answer_text(text) == found


def test_another_tag_is_read_alike() -> None:
    assert answer_text("<answer>A</answer><glue>\n[(1, 2)]</glue>", "glue") == Block("[(1, 2)]", True)


@given(st.text(), st.text(), st.sampled_from(["think", "direct"]))
def test_what_is_wrapped_is_read_back(answer: str, thought: str, mode: str) -> None:
    answer, thought = (text.replace("<", "").strip() or "x" for text in (answer, thought))
    text = wrap(answer, mode, thought)  # type: ignore[arg-type]
    assert has_format(text, mode)  # type: ignore[arg-type]
    assert answer_text(text) == Block(answer, True)


TAGS = st.sampled_from(["<think>", "</think>", "<answer>", "</answer>", "<glue>", "</glue>", "a", " ", "<"])


@given(st.lists(TAGS).map("".join))
def test_any_mix_of_tags_has_an_outside_without_thinking(text: str) -> None:
    visible = outside_thinking(text)
    assert "</think>" not in visible
    if "</think>" not in text:
        assert text.startswith(visible)


def test_reading_time_grows_with_length_only() -> None:
    for tag in ("<think>", "</think>", "<answer>", "</answer>"):
        text = tag * 20_000
        answer_text(text)
        assert not has_format(text, "think")
