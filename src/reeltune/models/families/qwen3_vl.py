"""Qwen3-VL: each time patch is preceded by its time as text; deepstack features enter the early layers."""

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from reeltune.models.families.patches import PatchFamily
from reeltune.models.types import VideoFeatures
from reeltune.video.clip import Clip


class Qwen3VL(PatchFamily):
    """Patches of two frames at a time, each after its time; `deepstack` [N, H] features enter the first layers too."""

    served_times: ClassVar = "text"
    default_mean: ClassVar = (0.5, 0.5, 0.5)
    default_std: ClassVar = (0.5, 0.5, 0.5)

    @property
    def deepstack_layers(self) -> int:
        return len(self.config.vision_config.deepstack_visual_indexes)

    def video_text(self, clip: Clip) -> str:
        """The form of transformers >= 5.17, which keeps the template's outer vision tokens around it."""
        _, rows, columns = self.token_grid(clip)
        pads = self.placeholder * (rows * columns)
        return "".join(
            f"<{seconds:.1f} seconds><|vision_start|>{pads}<|vision_end|>" for seconds in self.patch_times(clip)
        )

    def patch_times(self, clip: Clip) -> list[float]:
        """The middle of each time patch in seconds: the mean of its first and last frame's time stamps."""
        times = np.asarray(clip.timestamps, dtype=np.float64)
        if missing := -len(times) % self.temporal_patch:
            times = np.concatenate([times, np.repeat(times[-1:], missing)])
        pairs = times.reshape(-1, self.temporal_patch)
        return [(float(first) + float(last)) / 2 for first, last in zip(pairs[:, 0], pairs[:, -1], strict=True)]

    def served_fields(self, clip: Clip) -> dict[str, Any]:
        return super().served_fields(clip) | {"timestamps": self.patch_times(clip)}

    def time_positions(self, clip: Clip) -> list[int]:
        """Each time patch is a grid of one moment between texts: time is in the text, not in the positions."""
        return [0] * self.grid(clip)[0]

    def language_inputs(self, is_vision: Tensor, features: list[VideoFeatures]) -> dict[str, Any]:
        layers = zip(*(each.deepstack for each in features), strict=True)
        return {
            "visual_pos_masks": is_vision,
            "deepstack_visual_embeds": [torch.cat(layer) for layer in layers],
        }
