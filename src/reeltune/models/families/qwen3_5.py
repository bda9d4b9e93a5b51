"""Qwen3.5 and Qwen3.6: Qwen3-VL's pixels, time text and positions without deepstack, over a hybrid decoder."""

from typing import Any

from torch import Tensor

from reeltune.models.families.qwen3_vl import Qwen3VL
from reeltune.models.types import VideoFeatures


class Qwen35(Qwen3VL):
    @property
    def deepstack_layers(self) -> int:
        return 0

    def language_inputs(self, is_vision: Tensor, features: list[VideoFeatures]) -> dict[str, Any]:
        return {}
