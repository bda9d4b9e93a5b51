"""LLaVA-OneVision: square frames, each pooled to half its sides, and one token that ends the video; Qwen2 decoder."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from reeltune.models.families.frames import FrameFamily
from reeltune.models.types import VideoFeatures
from reeltune.video.clip import Clip


class LlavaOnevision(FrameFamily):
    placeholder: ClassVar = "<video>"
    vision_tokens: ClassVar = ("<image>", "<video>")
    default_mean: ClassVar = (0.5, 0.5, 0.5)
    default_std: ClassVar = (0.5, 0.5, 0.5)

    @property
    def frame_tokens(self) -> int:
        side = self.side // self.patch
        return (-(-side // 2)) ** 2

    @property
    def placeholder_id(self) -> int:
        token_id: int = self.config.video_token_id
        return token_id

    def encode(self, model: Any, clips: Sequence[Clip]) -> list[VideoFeatures]:
        """Clip by clip: the token that ends a video is made with it."""
        device = next(model.parameters()).device
        frames = [self.patches(clip, device).to(model.dtype)[None] for clip in clips]
        found = [model.model.get_video_features(each, return_dict=True).pooler_output for each in frames]
        return [VideoFeatures(torch.flatten(each, 0, 1)) for each in found]

    def stock_inputs(self, ids: Tensor, clip: Clip) -> dict[str, Tensor]:
        return {"pixel_values_videos": self.patches(clip, ids.device)[None].repeat(len(ids), 1, 1, 1, 1)}

    def video_text(self, clip: Clip) -> str:
        return self.placeholder * (len(clip.frames) * self.frame_tokens + 1)
