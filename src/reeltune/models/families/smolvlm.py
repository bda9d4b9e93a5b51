"""SmolVLM2: square frames, each after its time, pixel-shuffled to few tokens, under a Llama decoder (`text_model`).

Frames are stretched to the tower's square at once; transformers' video processor resizes them to a longest edge first
and to the square after that, which differs by what two interpolations blur.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from reeltune.models._transformers import SMOLVLM_CHAT_TEMPLATE
from reeltune.models.families.frames import FrameFamily
from reeltune.video.clip import Clip

UNITS = "zero one two three four five six seven eight nine ten eleven twelve"
TEENS = "thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"


class SmolVLM(FrameFamily):
    placeholder: ClassVar = "<video>"
    vision_tokens: ClassVar = ("<video>", "<image>", "<fake_token_around_image>", "<global-img>")
    # The published tokenizers' own template writes images alone; this one, transformers' for videos, knows both.
    chat_template: ClassVar = SMOLVLM_CHAT_TEMPLATE
    default_mean: ClassVar = (0.5, 0.5, 0.5)
    default_std: ClassVar = (0.5, 0.5, 0.5)

    @property
    def frame_tokens(self) -> int:
        return (self.side // self.patch // int(self.config.scale_factor)) ** 2

    def language_model(self, model: Any) -> Any:
        return model.model.text_model

    def vision_modules(self, model: Any) -> list[nn.Module]:
        return [model.model.vision_model, *self.projector(model)]

    def projector(self, model: Any) -> list[nn.Module]:
        return [model.model.connector]

    def image_features(self, model: Any, frames: Tensor) -> Tensor:
        return torch.cat(list(model.model.get_image_features(frames[:, None], return_dict=True).pooler_output))

    def stock_inputs(self, ids: Tensor, clip: Clip) -> dict[str, Tensor]:
        return {"pixel_values": self.patches(clip, ids.device)[None].repeat(len(ids), 1, 1, 1, 1)}

    def video_text(self, clip: Clip) -> str:
        """The text of transformers' SmolVLMProcessor: the number of frames in words, times in whole seconds."""
        hours, minutes, seconds = _clock(clip.duration)
        frame = f"<fake_token_around_image><global-img>{'<image>' * self.frame_tokens}<fake_token_around_image>"
        text = f"You are provided the following series of {in_words(len(clip.frames))} frames from a "
        text += f"{hours}:{minutes:02d}:{seconds:02d} [H:MM:SS] video.\n"
        for time in clip.timestamps.tolist():
            hours, minutes, seconds = _clock(time)
            text += f"\nFrame from {60 * hours + minutes:02d}:{seconds:02d}:{frame}"
        return text + "\n\n"


def _clock(seconds: float) -> tuple[int, int, int]:
    return int(seconds) // 3600, int(seconds) // 60 % 60, int(seconds) % 60


def in_words(number: int) -> str:
    """A number from 0 to 999,999 in English words.

    >>> in_words(8), in_words(64), in_words(110), in_words(2345)
    ('eight', 'sixty-four', 'one hundred and ten', 'two thousand, three hundred and forty-five')
    """
    if number < 20:
        return f"{UNITS} {TEENS}".split()[number]
    if number < 100:
        return TENS.split()[number // 10 - 2] + (f"-{in_words(number % 10)}" if number % 10 else "")
    if number < 1000:
        return f"{in_words(number // 100)} hundred" + (f" and {in_words(number % 100)}" if number % 100 else "")
    left = number % 1000
    tail = f"{' and ' if left < 100 else ', '}{in_words(left)}" if left else ""
    return f"{in_words(number // 1000)} thousand{tail}"
