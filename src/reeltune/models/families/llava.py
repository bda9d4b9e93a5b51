"""LLaVA: one block of placeholders per frame, no time, under a Llama decoder.

Each frame is padded to a square with the mean color and resized to the tower's side, as LLaVA-1.5 was trained
(arXiv 2310.03744; transformers' processor with `do_pad`); nothing is cropped, so boxes and edges stay in view.
"""

from typing import ClassVar

from reeltune.models.families.frames import FrameFamily
from reeltune.video.clip import Clip


class Llava(FrameFamily):
    """A video is frames, each a padded square of `frame_tokens` tokens; images likewise. No time reaches the model."""

    content_type: ClassVar = "image"
    placeholder: ClassVar = "<image>"
    image_placeholder: ClassVar = "<image>"
    vision_tokens: ClassVar = ("<image>",)
    pad: ClassVar = True

    @property
    def frame_tokens(self) -> int:
        class_token = 0 if self.config.vision_feature_select_strategy == "default" else 1
        return (self.side // self.patch) ** 2 + class_token

    def video_text(self, clip: Clip) -> str:
        return self.placeholder * (len(clip.frames) * self.frame_tokens)

    def image_text(self, clip: Clip) -> str:
        return self.video_text(clip)
