"""SmolVLM2's text is that of transformers' processor: times in seconds, the number of frames in words."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from tests.models.families.generated import SIDE, build, class_of

from reeltune.models.families.smolvlm import in_words
from reeltune.models.policy import load_policy

WORDS = {
    0: "zero", 7: "seven", 12: "twelve", 20: "twenty", 64: "sixty-four", 100: "one hundred", 101: "one hundred and one",
    119: "one hundred and nineteen", 990: "nine hundred and ninety", 1000: "one thousand",
    1024: "one thousand and twenty-four", 2345: "two thousand, three hundred and forty-five",
}  # fmt: skip


def test_numbers_in_words() -> None:
    assert {number: in_words(number) for number in WORDS} == WORDS


@pytest.mark.skipif(importlib.util.find_spec("num2words") is None, reason="num2words says it beside ours")
def test_numbers_are_those_that_the_processor_writes() -> None:
    from num2words import num2words

    assert [in_words(number) for number in range(2500)] == [num2words(number) for number in range(2500)]


def test_frames_carry_their_times(clip_of: Any, tmp_path: Path) -> None:
    policy = load_policy(build(tmp_path / "model", "smolvlm", class_of("smolvlm")))
    text = policy.family.video_text(clip_of(3, SIDE, fps=1 / 65))
    assert text.startswith("You are provided the following series of three frames from a 0:03:15 [H:MM:SS] video.\n\nF")
    assert "\nFrame from 01:05:<fake_token_around_image><global-img><image>" in text
    # Its own template, in the published form, writes images alone; ours is used, whatever the tokenizer has.
    policy.tokenizer.chat_template = "{{ 'nothing' }}"
    prompt = policy.prompt("When?", clip_of(2, SIDE))
    assert prompt.text == "<|im_start|>User: <video>When?<end_of_utterance>\nAssistant:"
