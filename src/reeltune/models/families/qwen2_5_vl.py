"""Qwen2-VL and Qwen2.5-VL: one block of placeholders; Qwen2.5-VL's time positions run in real seconds."""

from typing import ClassVar

import numpy as np

from reeltune.models.families.frames import CLIP_MEAN, CLIP_STD
from reeltune.models.families.patches import PatchFamily, patch_seconds
from reeltune.video.clip import Clip


class Qwen2VL(PatchFamily):
    default_mean: ClassVar = CLIP_MEAN
    default_std: ClassVar = CLIP_STD

    def video_text(self, clip: Clip) -> str:
        time, rows, columns = self.token_grid(clip)
        return self.placeholder * (time * rows * columns)


class Qwen25VL(Qwen2VL):
    def time_positions(self, clip: Clip) -> list[int]:
        """trunc(seconds * tokens per second), truncated once, in float32 as the processors and vLLM compute it."""
        per_second = np.float32(self.config.vision_config.tokens_per_second)
        times: list[int] = np.trunc(patch_seconds(clip, self.temporal_patch) * per_second).astype(int).tolist()
        return times
