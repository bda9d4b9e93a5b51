"""SmolVLM2: square frames, each after its time, pixel-shuffled to few tokens, under a Llama decoder (`text_model`).

An image is enlarged, cut into tiles of the tower's side, and shown as a whole after them. A frame is resized twice, as
transformers' video processor does it: to the longest edge of its file, and to the tower's square.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from reeltune.answers.spoken_numbers import TENS, UNITS
from reeltune.models._transformers import SMOLVLM_CHAT_TEMPLATE
from reeltune.models.families.frames import FrameFamily
from reeltune.models.families.tiles import LONGEST_SIDE, cut_to_grid, enlarged_size, whole_tiles
from reeltune.video.clip import Clip
from reeltune.video.resize import FrameSize, resize_lanczos
from reeltune.video.sampling import PixelBudget

# Sides of the tower in an image's longer side, where no processor file says: the processor's own.
ENLARGED = 4


class SmolVLM(FrameFamily):
    """A video is square frames of `frame_tokens` tokens, each after its time; an image is tiles and then its whole."""

    placeholder: ClassVar = "<video>"
    image_placeholder: ClassVar = "<image>"
    vision_tokens: ClassVar = ("<video>", "<image>", "<fake_token_around_image>", "<global-img>")
    # The published tokenizers' own template writes images alone; this one, transformers' for videos, knows both.
    chat_template: ClassVar = SMOLVLM_CHAT_TEMPLATE
    default_mean: ClassVar = (0.5, 0.5, 0.5)
    default_std: ClassVar = (0.5, 0.5, 0.5)

    def __init__(self, config: Any, processor: Mapping[str, Any]) -> None:
        super().__init__(config, processor)
        sampling = processor.get("video_sampling") or {}
        size = sampling.get("video_size") or processor.get("size") or {}
        longest = min(int(size.get("longest_edge") or self.side), LONGEST_SIDE)
        self.frame_size = FrameSize(self.side, self.side, longest=longest)

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

    def stock_inputs(self, ids: Tensor, media: Sequence[Clip]) -> dict[str, Tensor]:
        return {name: frames.unflatten(0, (len(ids), -1)) for name, frames in super().stock_inputs(ids, media).items()}

    def video_text(self, clip: Clip) -> str:
        """The text of transformers' SmolVLMProcessor: the number of frames in words, times in whole seconds."""
        hours, minutes, seconds = _clock(clip.duration)
        frame = self._whole
        text = f"You are provided the following series of {in_words(len(clip.frames))} frames from a "
        text += f"{hours}:{minutes:02d}:{seconds:02d} [H:MM:SS] video.\n"
        for time in clip.timestamps.tolist():
            hours, minutes, seconds = _clock(time)
            text += f"\nFrame from {60 * hours + minutes:02d}:{seconds:02d}:{frame}"
        return text + "\n\n"

    @property
    def _whole(self) -> str:
        """One frame, or an image as a whole."""
        return f"<fake_token_around_image><global-img>{'<image>' * self.frame_tokens}<fake_token_around_image>"

    def image_text(self, clip: Clip) -> str:
        """The tiles of an image by row and column, then its whole."""
        assert clip.size is not None
        if len(clip.frames) == 1:
            return self._whole
        rows, columns = self._grid(*clip.size)
        tile = "<image>" * self.frame_tokens
        lines = (
            "".join(f"<fake_token_around_image><row_{row}_col_{column}>{tile}" for column in range(1, columns + 1))
            + "\n"
            for row in range(1, rows + 1)
        )
        return "".join(lines) + "\n" + self._whole

    def image_frames(self, image: np.ndarray, pixels: PixelBudget | FrameSize, *, alone: bool) -> np.ndarray:
        """Tiles and the whole as transformers' processor makes them, by the sizes in its file."""
        image = resize_lanczos(image, *enlarged_size(image.shape[0], image.shape[1], self._longest))
        if not self.image_settings.get("do_image_splitting", True):
            return resize_lanczos(image, self.side, self.side)[None]
        rows, columns = whole_tiles(image.shape[0], image.shape[1], self.side)
        image = resize_lanczos(image, rows * self.side, columns * self.side)
        return cut_to_grid(image, rows, columns, self.side, resize_lanczos)

    def _grid(self, height: int, width: int) -> tuple[int, int]:
        return whole_tiles(*enlarged_size(height, width, self._longest), self.side)

    @property
    def _longest(self) -> int:
        """The longer side of an image before it is cut."""
        return int((self.image_settings.get("size") or {}).get("longest_edge") or ENLARGED * self.side)


def _clock(seconds: float) -> tuple[int, int, int]:
    return int(seconds) // 3600, int(seconds) // 60 % 60, int(seconds) % 60


def in_words(number: int) -> str:
    """A number from 0 to 999,999 in English words.

    >>> in_words(8), in_words(64), in_words(110), in_words(2345)
    ('eight', 'sixty-four', 'one hundred and ten', 'two thousand, three hundred and forty-five')
    """
    if number < 20:
        return UNITS[number]
    if number < 100:
        return TENS[number // 10 - 2] + (f"-{in_words(number % 10)}" if number % 10 else "")
    if number < 1000:
        return f"{in_words(number // 100)} hundred" + (f" and {in_words(number % 100)}" if number % 100 else "")
    left = number % 1000
    tail = f"{' and ' if left < 100 else ', '}{in_words(left)}" if left else ""
    return f"{in_words(number // 1000)} thousand{tail}"
