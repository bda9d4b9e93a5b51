"""LLaVA-OneVision: square frames, each pooled to half its sides, and one token that ends the video; Qwen2 decoder.

The only image of a prompt is seen whole and in tiles ("anyres", LLaVA-NeXT), its rows ended by a token each; of several
images each is padded to a square and seen once.
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from reeltune.models.families.frames import FrameFamily
from reeltune.models.families.tiles import best_resolution, on_canvas, tiles
from reeltune.models.types import VideoFeatures
from reeltune.video.clip import Clip
from reeltune.video.resize import FrameSize, pad_to_square, resize_frame
from reeltune.video.sampling import PixelBudget

# The model's own: a canvas a little above its most tokens is left as it is.
SHRINK_ABOVE = 1.1


class LlavaOnevision(FrameFamily):
    """A video is frames pooled to half their sides and one token at its end; a single image is tiles and its whole."""

    placeholder: ClassVar = "<video>"
    image_placeholder: ClassVar = "<image>"
    vision_tokens: ClassVar = ("<image>", "<video>")
    default_mean: ClassVar = (0.5, 0.5, 0.5)
    default_std: ClassVar = (0.5, 0.5, 0.5)
    placeholder_key: ClassVar = "video_token_id"

    @property
    def frame_tokens(self) -> int:
        side = self.side // self.patch
        return (-(-side // 2)) ** 2

    def encode(self, model: Any, clips: Sequence[Clip]) -> list[VideoFeatures]:
        """One by one: the token that ends a video is made with it, and images go by their sizes."""
        return [self._image(model, clip) if clip.is_image else self._video(model, clip) for clip in clips]

    def _video(self, model: Any, clip: Clip) -> VideoFeatures:
        frames = self.patches(clip, next(model.parameters()).device).to(model.dtype)[None]
        return VideoFeatures(
            torch.flatten(model.model.get_video_features(frames, return_dict=True).pooler_output, 0, 1)
        )

    def _image(self, model: Any, clip: Clip) -> VideoFeatures:
        device = next(model.parameters()).device
        found = model.model.get_image_features(
            self.patches(clip, device).to(model.dtype)[None],
            torch.tensor([clip.size], device=device),
            vision_aspect_ratio=self.aspect,
            batch_num_images=torch.tensor([1 if len(clip.frames) > 1 else 2], device=device),
            return_dict=True,
        )
        return VideoFeatures(found.pooler_output[0])

    def stock_inputs(self, ids: Tensor, media: Sequence[Clip]) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        rows, device = len(ids), ids.device
        if videos := [self.patches(clip, device) for clip in media if not clip.is_image]:
            found["pixel_values_videos"] = torch.stack(videos).repeat(rows, 1, 1, 1, 1)
        if images := [clip for clip in media if clip.is_image]:
            found["pixel_values"] = torch.stack([self.patches(clip, device) for clip in images]).repeat(
                rows, 1, 1, 1, 1
            )
            found["image_sizes"] = torch.tensor([clip.size for clip in images] * rows, device=device)
            found["batch_num_images"] = torch.tensor([len(images)] * rows, device=device)
        return found

    def video_text(self, clip: Clip) -> str:
        return self.placeholder * (len(clip.frames) * self.frame_tokens + 1)

    def image_text(self, clip: Clip) -> str:
        return self.image_placeholder * self._image_tokens(clip)

    def image_frames(self, image: np.ndarray, pixels: PixelBudget | FrameSize, *, alone: bool) -> np.ndarray:
        if not alone:
            fill = tuple(int(value * 255) for value in self.mean)
            return resize_frame(pad_to_square(image, fill), self.side, self.side)[None]
        canvas = best_resolution(image.shape[0], image.shape[1], self.config.image_grid_pinpoints)
        pieces = tiles(on_canvas(image, canvas), canvas[0] // self.side, canvas[1] // self.side, self.side)
        return np.stack([resize_frame(image, self.side, self.side), *pieces])

    @property
    def aspect(self) -> str:
        return str(getattr(self.config, "vision_aspect_ratio", "anyres_max_9"))

    def _image_tokens(self, clip: Clip) -> int:
        """What the model makes of the pieces: see its `pack_image_features`."""
        side = self.side // self.patch
        if len(clip.frames) == 1:
            return side**2 + 1
        assert clip.size is not None
        canvas = best_resolution(*clip.size, self.config.image_grid_pinpoints)
        rows, columns = self._unpadded(clip.size, canvas[0] // self.side * side, canvas[1] // self.side * side)
        ratio = math.sqrt(rows * columns / (int(self.aspect.removeprefix("anyres_max_")) * side**2))
        if ratio > SHRINK_ABOVE:
            rows, columns = int(rows // ratio), int(columns // ratio)
        return side**2 + rows * (columns + 1)

    @staticmethod
    def _unpadded(size: tuple[int, int], rows: int, columns: int) -> tuple[int, int]:
        """Of a canvas of rows x columns tokens those that the image covers."""
        height, width = size
        if width / height > columns / rows:
            return rows - 2 * ((rows - int(round(height * (columns / width), 7))) // 2), columns
        return rows, columns - 2 * ((columns - int(round(width * (rows / height), 7))) // 2)
