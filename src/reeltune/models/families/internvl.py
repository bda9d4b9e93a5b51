"""InternVL3 and InternVL3.5: each frame stretched to the tower's side, named by its number, under a Qwen decoder.

An image is cut into the grid of tiles nearest to its shape, and its whole comes last.
"""

from typing import ClassVar

import numpy as np

from reeltune.models.families.frames import FrameFamily
from reeltune.models.families.tiles import closest_grid, cut_to_grid
from reeltune.video.clip import Clip
from reeltune.video.resize import FrameSize
from reeltune.video.sampling import PixelBudget

LEAST_TILES, MOST_TILES = 1, 12


class InternVL(FrameFamily):
    """A video is frames of `frame_tokens` tokens, each after its number; an image is tiles and then its whole."""

    placeholder: ClassVar = "<video>"
    image_placeholder: ClassVar = "<IMG_CONTEXT>"
    vision_tokens: ClassVar = ("<video>", "<img>", "</img>", "<IMG_CONTEXT>")

    @property
    def frame_tokens(self) -> int:
        tokens: int = self.config.image_seq_length
        return tokens

    def video_text(self, clip: Clip) -> str:
        """The text of transformers' InternVLProcessor."""
        frame = f"<img>{'<IMG_CONTEXT>' * self.frame_tokens}</img>"
        return "\n".join(f"Frame{number + 1}: {frame}" for number in range(len(clip.frames)))

    def image_text(self, clip: Clip) -> str:
        return f"<img>{'<IMG_CONTEXT>' * (self.frame_tokens * len(clip.frames))}</img>"

    def image_frames(self, image: np.ndarray, pixels: PixelBudget | FrameSize, *, alone: bool) -> np.ndarray:
        """As InternVLProcessor cuts images, whatever `crop_to_patches` its image processor's file has."""
        least = int(self.image_settings.get("min_patches") or LEAST_TILES)
        most = int(self.image_settings.get("max_patches") or MOST_TILES)
        rows, columns = closest_grid(image.shape[0], image.shape[1], self.side, least, most)
        return cut_to_grid(image, rows, columns, self.side)
