"""A model family of your own, in a file of your own: LLaVA-NeXT-Video, whose frames are pooled before the projector.

    reeltune train recipe.yaml model.path=LLaVA-NeXT-Video-7B-hf model.family=examples/own_family.py:LlavaNextVideo

A family says where the parts of the model stand, what text stands for a video, and what its tower takes. Positions,
packing, rollouts and the check against the stock model come with it: `load_policy` compares a few tokens with the stock
forward pass whenever it opens the model. Frames are padded to the tower's square instead of cropped, so that nothing at
their edges is lost; transformers' processor crops.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from reeltune.models.families.frames import FrameFamily
from reeltune.models.types import VideoFeatures
from reeltune.video.clip import Clip


class LlavaNextVideo(FrameFamily):
    placeholder: ClassVar = "<video>"
    placeholder_key: ClassVar = "video_token_id"
    vision_tokens: ClassVar = ("<image>", "<video>")
    pad: ClassVar = True

    @property
    def frame_tokens(self) -> int:
        return (self.side // self.patch // self.config.spatial_pool_stride) ** 2

    def vision_modules(self, model: Any) -> list[nn.Module]:
        return [model.model.vision_tower, model.model.vision_resampler, *self.projector(model)]

    def encode(self, model: Any, clips: Sequence[Clip]) -> list[VideoFeatures]:
        frames = torch.cat([self.patches(clip, next(model.parameters()).device) for clip in clips]).to(model.dtype)
        found = model.model.get_video_features(frames[None], return_dict=True).pooler_output
        tokens = found.flatten(0, 1).split([len(clip.frames) * self.frame_tokens for clip in clips])
        return [VideoFeatures(each) for each in tokens]

    def stock_inputs(self, ids: Tensor, media: Sequence[Clip]) -> dict[str, Tensor]:
        videos = torch.stack([self.patches(clip, ids.device) for clip in media])
        return {"pixel_values_videos": videos.repeat(len(ids), 1, 1, 1, 1)}

    def video_text(self, clip: Clip) -> str:
        return self.placeholder * (len(clip.frames) * self.frame_tokens)
