"""LLaVA: a video as images, one block of placeholders per frame, under a Llama decoder with plain positions.

Each frame is padded to a square with the mean colour and resized to the tower's side, as LLaVA-1.5 was trained;
nothing is cropped, so boxes and edges stay in view.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from reeltune.models.families.base import Family
from reeltune.models.families.qwen2_5_vl import CLIP_MEAN, CLIP_STD
from reeltune.models.types import VideoFeatures
from reeltune.video.clip import Clip


class Llava(Family):
    model_types: ClassVar = ("llava",)
    content_type: ClassVar = "image"
    placeholder: ClassVar = "<image>"
    default_mean: ClassVar = CLIP_MEAN
    default_std: ClassVar = CLIP_STD

    def __init__(self, config: Any, processor: Mapping[str, Any]) -> None:
        self.config = config
        self.patch = config.vision_config.patch_size
        self.side: int = config.vision_config.image_size
        self.merge = self.temporal_patch = 1
        self.mean = tuple(processor.get("image_mean") or self.default_mean)
        self.std = tuple(processor.get("image_std") or self.default_std)

    @property
    def placeholder_id(self) -> int:
        token_id: int = self.config.image_token_id
        return token_id

    def vision_modules(self, model: Any) -> list[nn.Module]:
        return [model.model.vision_tower, model.model.multi_modal_projector]

    def projector(self, model: Any) -> list[nn.Module]:
        return [model.model.multi_modal_projector]

    def language_positions(self, positions: Tensor) -> Tensor:
        return positions[0]

    def grid(self, clip: Clip) -> tuple[int, int, int]:
        """Every frame becomes a square of the tower's side, whatever its own."""
        return len(clip.frames), self.side // self.patch, self.side // self.patch

    def vision_tokens(self, grid: tuple[int, int, int]) -> int:
        class_token = 0 if self.config.vision_feature_select_strategy == "default" else 1
        return grid[0] * (grid[1] * grid[2] + class_token)

    def patches(self, clip: Clip, device: torch.device) -> Tensor:
        """Normalized frames [T, 3, side, side], float32."""
        mean = torch.tensor(self.mean, device=device)[:, None, None]
        std = torch.tensor(self.std, device=device)[:, None, None]
        frames = torch.from_numpy(clip.frames).to(device).permute(0, 3, 1, 2).float() / 255
        square = pad_to_square(frames - mean)
        resized = functional.interpolate(square, (self.side, self.side), mode="bicubic", antialias=True)
        return resized / std

    def encode(self, model: Any, clips: Sequence[Clip]) -> list[VideoFeatures]:
        device = next(model.parameters()).device
        frames = torch.cat([self.patches(clip, device) for clip in clips])
        features = model.model.get_image_features(frames.to(model.dtype), return_dict=True).pooler_output
        parts = torch.stack(list(features)).split([len(clip.frames) for clip in clips])
        return [VideoFeatures(part.flatten(0, 1)) for part in parts]

    def video_text(self, clip: Clip) -> str:
        return self.placeholder * self.vision_tokens(self.grid(clip))

    def position_ids(self, model: nn.Module, input_ids: Tensor, clip: Clip) -> Tensor:
        """0..P-1, the same in all three rows: a Llama decoder has one position axis."""
        return torch.arange(len(input_ids)).expand(3, -1)


def pad_to_square(frames: Tensor) -> Tensor:
    """[T, 3, H, W] -> [T, 3, S, S] with S = max(H, W), filled with 0 evenly on both sides of the shorter axis."""
    height, width = frames.shape[-2:]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    return functional.pad(frames, (left, side - width - left, top, side - height - top))
