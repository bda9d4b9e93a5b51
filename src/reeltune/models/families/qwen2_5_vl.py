"""Qwen2-VL and Qwen2.5-VL: one block of placeholders; Qwen2.5-VL's time positions run in real seconds."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from reeltune.models.families.base import Family
from reeltune.video.clip import Clip

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class Qwen2VL(Family):
    model_types: ClassVar = ("qwen2_vl",)
    default_mean: ClassVar = CLIP_MEAN
    default_std: ClassVar = CLIP_STD

    def video_text(self, clip: Clip) -> str:
        return "<|video_pad|>" * self.vision_tokens(self.grid(clip))

    def position_ids(self, model: nn.Module, input_ids: Tensor, clip: Clip) -> Tensor:
        return self._rope_index(model, input_ids, clip)


class Qwen25VL(Qwen2VL):
    model_types: ClassVar = ("qwen2_5_vl",)

    def position_ids(self, model: nn.Module, input_ids: Tensor, clip: Clip) -> Tensor:
        # The processors' rule: seconds per time patch = temporal patch / sample fps, sample fps = T / duration.
        seconds = self.temporal_patch * clip.duration / len(clip.frames)
        return self._rope_index(model, input_ids, clip, second_per_grid_ts=torch.tensor([seconds]))
