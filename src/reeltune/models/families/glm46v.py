"""GLM-4.6V: patches of two frames, each frame pair between marks and followed by its time as text.

One token stands for vision in videos and in images; what is a video is told by the marks around it.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from reeltune.models.families.frames import CLIP_MEAN, CLIP_STD
from reeltune.models.families.patches import PatchFamily
from reeltune.video.clip import Clip

BEGIN_VIDEO, END_VIDEO = "<|begin_of_video|>", "<|end_of_video|>"


class GLM46V(PatchFamily):
    """The Qwen families' layout with a tower that sees one frame pair at a time; it takes images between marks too."""

    # vLLM's handling of its times is not known to us.
    served_times: ClassVar[Literal["text", "positions"] | None] = None
    # With the marks, which the template writes around it: what stands for a video can be told from an image by them.
    placeholder: ClassVar = f"{BEGIN_VIDEO}<|video|>{END_VIDEO}"
    image_placeholder: ClassVar = "<|image|>"
    placeholder_key: ClassVar = "image_token_id"
    vision_tokens: ClassVar = (
        BEGIN_VIDEO, END_VIDEO, "<|begin_of_image|>", "<|end_of_image|>", "<|image|>", "<|video|>",
    )  # fmt: skip
    default_mean: ClassVar = CLIP_MEAN
    default_std: ClassVar = CLIP_STD

    def projector(self, model: Any) -> list[nn.Module]:
        return [model.model.visual.downsample, model.model.visual.merger]

    def video_text(self, clip: Clip) -> str:
        """Each frame pair and the time of its first frame, as transformers' Glm46VProcessor writes them."""
        _, rows, columns = self.token_grid(clip)
        frame = f"<|begin_of_image|>{self.image_placeholder * (rows * columns)}<|end_of_image|>"
        times = clip.timestamps[:: self.temporal_patch].tolist()
        return BEGIN_VIDEO + "".join(f"{frame}{seconds:.1f} seconds" for seconds in times) + END_VIDEO

    def image_text(self, clip: Clip) -> str:
        _, rows, columns = self.token_grid(clip)
        return self.image_placeholder * (rows * columns)

    def time_positions(self, clip: Clip) -> list[int]:
        """Each frame pair is a grid of one moment between texts: time is in the text, not in the positions."""
        return [0] * self.grid(clip)[0]

    def stock_inputs(self, ids: Tensor, media: Sequence[Clip]) -> dict[str, Tensor]:
        """Vision tokens of videos are of type 2, those of images of type 1: videos and images have one token."""
        kinds = [1 if clip.is_image else 2 for clip in media for _ in range(self._tokens(clip))]
        row = torch.zeros_like(ids)
        is_vision = self.is_vision(ids)
        row[is_vision] = torch.tensor(kinds * len(ids), dtype=ids.dtype, device=ids.device)
        return super().stock_inputs(ids, media) | {"mm_token_type_ids": row.int()}

    def _tokens(self, clip: Clip) -> int:
        time, rows, columns = self.token_grid(clip)
        return time * rows * columns
