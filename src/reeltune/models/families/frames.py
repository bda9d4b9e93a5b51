"""Families that see a video as images: a square frame is one block of placeholders, positions count 0..P-1."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from reeltune.models.families.base import Family
from reeltune.models.types import VideoFeatures
from reeltune.video.clip import Clip
from reeltune.video.resize import FrameSize
from reeltune.video.sampling import PixelBudget

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class FrameFamily(Family):
    """`frame_tokens` placeholders per frame; each frame is resized to the tower's side when it is read, and once.

    A derived class gives `frame_tokens`, `video_text` and what stands elsewhere than in LLaVA. With an
    `image_placeholder` it takes images: `image_frames` cuts them into pieces of the tower's side, `image_text` says so.
    """

    default_mean: ClassVar = CLIP_MEAN
    default_std: ClassVar = CLIP_STD
    placeholder_key: ClassVar = "image_token_id"
    # Pad frames to a square with the mean color before they are resized, else stretch them.
    pad: ClassVar[bool] = False

    def __init__(self, config: Any, processor: Mapping[str, Any]) -> None:
        super().__init__(config, processor)
        side, patch = config.vision_config.image_size, config.vision_config.patch_size
        self.side: int = side if isinstance(side, int) else side[0]
        self.patch: int = patch if isinstance(patch, int) else patch[0]
        # The color is rounded down, as transformers' processors do it.
        fill = tuple(int(value * 255) for value in self.mean) if self.pad else None
        self.frame_size = FrameSize(self.side, self.side, fill)

    @property
    def frame_tokens(self) -> int:
        """Vision tokens of one frame."""
        raise NotImplementedError

    def vision_modules(self, model: Any) -> list[nn.Module]:
        return [model.model.vision_tower, *self.projector(model)]

    def projector(self, model: Any) -> list[nn.Module]:
        return [model.model.multi_modal_projector]

    def grid(self, clip: Clip) -> tuple[int, int, int]:
        """Every frame becomes a square of the tower's side, whatever its own."""
        return len(clip.frames), self.side // self.patch, self.side // self.patch

    def patches(self, clip: Clip, device: torch.device) -> Tensor:
        """Normalized frames [T, 3, side, side], float32. Frames of another size, not from our reader, are resized."""
        assert self.frame_size is not None
        frames = np.stack([self.frame_size.resize(frame) for frame in clip.frames])
        mean = torch.tensor(self.mean, device=device)[:, None, None]
        std = torch.tensor(self.std, device=device)[:, None, None]
        return (torch.from_numpy(frames).to(device).permute(0, 3, 1, 2).float() / 255 - mean) / std

    def encode(self, model: Any, clips: Sequence[Clip]) -> list[VideoFeatures]:
        device = next(model.parameters()).device
        frames = torch.cat([self.patches(clip, device) for clip in clips])
        tokens = self.image_features(model, frames.to(model.dtype))
        parts = tokens.split([len(clip.frames) * self.frame_tokens for clip in clips])
        return [VideoFeatures(part) for part in parts]

    def image_features(self, model: Any, frames: Tensor) -> Tensor:
        """[T, 3, side, side] -> [T * frame tokens, H]."""
        features = model.model.get_image_features(frames, return_dict=True).pooler_output
        return torch.cat(list(features))

    def stock_inputs(self, ids: Tensor, media: Sequence[Clip]) -> dict[str, Tensor]:
        if not media:
            return {}
        frames = torch.cat([self.patches(clip, ids.device) for clip in media])
        return {"pixel_values": frames.repeat(len(ids), 1, 1, 1)}

    def image_frames(self, image: np.ndarray, pixels: PixelBudget | FrameSize, *, alone: bool) -> np.ndarray:
        """One piece, as a frame."""
        assert self.frame_size is not None
        return self.frame_size.resize(image)[None]

    def position_ids(self, ids: Tensor, media: Sequence[Clip]) -> Tensor:
        return torch.arange(len(ids)).expand(3, -1)

    def language_positions(self, positions: Tensor) -> Tensor:
        return positions[0]
