"""What a number is, and what only looks like one."""

import pytest

from reeltune.answers.final_answer import Block
from reeltune.answers.numbers import read_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("half a meter", 0.5),
        ("three quarters", 0.75),
        ("three and a half meters", 3.5),
        ("3 and a half meters", 3.5),
        ("2 million", 2_000_000.0),
        ("14 = 12 + 2", 14.0),
        ("In 1999, 5 boats came in.", 5.0),
        ("Out of 10 balls, 4 go in.", 4.0),
        ("It is a 4K video with 3 people.", 3.0),
        ("At 0:08, 5 balloons are in the air.", 5.0),
        ("2 cats lie on the 3-seat sofa.", 2.0),
        ("3 red and 4 blue, so he holds 7", 7.0),
        ("第一次3个，第二次4个，共7个。", 7.0),
    ],
)
def test_the_number_that_is_meant(text: str, value: float) -> None:
    assert read_number(Block(text, tagged=False)) == (value, None)


@pytest.mark.parametrize(
    "text",
    [
        "5 more than before",
        "five chairs and one table",
        "a cat and two kittens",
        "once or twice",
        "15±1",
        "10k",
        "3²",
        "12 + 2",
        "Each of the 9 windows has 2 panes.",
        "8 at the very most",
        "8个以上",
    ],
)
def test_what_is_no_number(text: str) -> None:
    assert read_number(Block(text, tagged=False))[0] is None
