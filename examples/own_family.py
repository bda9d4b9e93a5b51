"""A model family of your own, in a file of your own: SmolVLM2, whose decoder stands under `text_model`.

    reeltune train recipe.yaml model.path=SmolVLM2-500M-Video-Instruct model.family=examples/own_family.py:SmolVLM

A family says where the parts of the model stand, what text stands for a video, and what its tower takes. Positions,
packing, rollouts and the check against the stock model come with it: `load_policy` compares a few tokens with the stock
forward pass whenever it opens the model. Frame text as in transformers' SmolVLMProcessor, but for the number of frames,
which that writes in words (`num2words`); frames are stretched to the
tower's square, as its video processor does in the end (it shrinks large frames to a longest edge first; left out here).
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from reeltune.models.families.frames import FrameFamily
from reeltune.video.clip import Clip


class SmolVLM(FrameFamily):
    placeholder: ClassVar = "<video>"
    vision_tokens: ClassVar = ("<video>", "<image>", "<fake_token_around_image>", "<global-img>")
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
        hours, minutes, seconds = _clock(clip.duration)
        frame = f"<fake_token_around_image><global-img>{'<image>' * self.frame_tokens}<fake_token_around_image>"
        text = f"You are provided the following series of {len(clip.frames)} frames from a "
        text += f"{hours}:{minutes:02d}:{seconds:02d} [H:MM:SS] video.\n"
        for time in clip.timestamps.tolist():
            hours, minutes, seconds = _clock(time)
            text += f"\nFrame from {60 * hours + minutes:02d}:{seconds:02d}:{frame}"
        return text + "\n\n"


def _clock(seconds: float) -> tuple[int, int, int]:
    return int(seconds) // 3600, int(seconds) // 60 % 60, int(seconds) % 60
