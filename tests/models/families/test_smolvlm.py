"""SmolVLM2's frames and text are those of transformers' processor: sizes, times, the number of frames in words."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from tests.models.families.generated import SIDE, build, class_of
from tests.models.families.shown import pattern

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


@pytest.mark.parametrize(
    ("written", "wide"),
    [
        ({}, (SIDE, 32)),
        ({"size": {"longest_edge": 90}}, (90, 50)),
        ({"size": {"longest_edge": 4 * SIDE}, "video_sampling": {"video_size": {"longest_edge": SIDE}}}, (SIDE, 32)),
    ],
)
def test_frames_of_any_shape_are_resized_as_its_video_processor_does(
    written: dict[str, Any], wide: tuple[int, int], tmp_path: Path
) -> None:
    """In two steps with Lanczos' filter, which PIL and torchvision round to another gray level here and there."""
    directory = build(tmp_path / "model", "smolvlm", class_of("smolvlm"))
    (directory / "preprocessor_config.json").write_text(json.dumps(written))
    size = load_policy(directory).family.frame_size
    assert size is not None
    for frame, first in ((pattern(1, 90, 160)[0], wide), (pattern(1, 160, 90)[0], wide[::-1])):
        found = size.resize(frame)
        middle = np.array(Image.fromarray(frame).resize(first, Image.Resampling.LANCZOS))
        assert np.array_equal(found, np.array(Image.fromarray(middle).resize((SIDE, SIDE), Image.Resampling.LANCZOS)))
        if importlib.util.find_spec("torchvision") is not None:
            processor = transformers.SmolVLMVideoProcessor(
                size={"longest_edge": max(first)}, max_image_size={"longest_edge": SIDE}, do_normalize=False
            )
            video = torch.from_numpy(frame).permute(2, 0, 1)[None]
            theirs = processor([video], return_tensors="pt")["pixel_values"][0, 0].permute(1, 2, 0).numpy() * 255
            assert np.abs(theirs - found).max() <= 2.01 and np.abs(theirs - found).mean() < 0.2


def test_frames_carry_their_times(clip_of: Any, tmp_path: Path) -> None:
    policy = load_policy(build(tmp_path / "model", "smolvlm", class_of("smolvlm")))
    text = policy.family.video_text(clip_of(3, SIDE, fps=1 / 65))
    assert text.startswith("You are provided the following series of three frames from a 0:03:15 [H:MM:SS] video.\n\nF")
    assert "\nFrame from 01:05:<fake_token_around_image><global-img><image>" in text
    # Its own template, in the published form, writes images alone; ours is used, whatever the tokenizer has.
    policy.tokenizer.chat_template = "{{ 'nothing' }}"
    prompt = policy.prompt("When?", clip_of(2, SIDE))
    assert prompt.text == "<|im_start|>User: <video>When?<end_of_utterance>\nAssistant:"
