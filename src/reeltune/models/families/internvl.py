"""InternVL3 and InternVL3.5: each frame stretched to the tower's side, named by its number, under a Qwen decoder."""

from typing import ClassVar

from reeltune.models.families.frames import FrameFamily
from reeltune.video.clip import Clip


class InternVL(FrameFamily):
    placeholder: ClassVar = "<video>"
    vision_tokens: ClassVar = ("<video>", "<img>", "</img>", "<IMG_CONTEXT>")

    @property
    def frame_tokens(self) -> int:
        tokens: int = self.config.image_seq_length
        return tokens

    def video_text(self, clip: Clip) -> str:
        """The text of transformers' InternVLProcessor."""
        frame = f"<img>{'<IMG_CONTEXT>' * self.frame_tokens}</img>"
        return "\n".join(f"Frame{number + 1}: {frame}" for number in range(len(clip.frames)))
