"""The network and the losses of the default recipe: LANTNet made fully convolutional (our choice of sizes).

The published network decides 7 x 7 patches one by one; this one gives every pixel of an image its decision from the
same 7 x 7 pixels in one pass. Layer attention works pixel by pixel, its similarities scaled as in transformers:
unscaled, as published, they end in a hard choice of one layer.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LAYERS = 3
"""3 x 3 convolutions, so pixels of context to every side."""


@dataclass(frozen=True)
class NetworkStage:
    """width: channels of a layer. attention: "scaled", "published" (unscaled), or "none" (the last layer alone)."""

    width: int = 16
    attention: Literal["scaled", "published", "none"] = "scaled"

    def build(self, channels: int) -> nn.Module:
        return PixelLANTNet(channels, self.width, self.attention)


@dataclass(frozen=True)
class LossStage:
    """cross_entropy: its share; the rest is the mean absolute error, which wrong labels cannot steer.
    .1 is the published noise-tolerant loss, 1 plain cross-entropy."""

    cross_entropy: float = 0.1

    def __call__(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Mean over the pixels (B, H, W) by weight; a batch without weight costs nothing. Targets lie in 0..1."""
        total = weight.sum().clamp_min(1)
        entropy = F.binary_cross_entropy_with_logits(logits, target, weight, reduction="sum") / total
        if self.cross_entropy >= 1:
            return entropy
        probability = logits.sigmoid()
        wrong = target * (1 - probability) + (1 - target) * probability
        return self.cross_entropy * entropy + (1 - self.cross_entropy) * (2 * wrong * weight).sum() / total


class PixelLANTNet(nn.Module):
    """(B, C, H, W) normalised dates -> (B, 1, H - 6, W - 6) logits of change."""

    def __init__(self, channels: int, width: int, attention: str) -> None:
        super().__init__()
        sizes = [(channels, 1), *[(width, 3)] * LAYERS]
        self.blocks = nn.ModuleList(_block(inputs, width, size) for inputs, size in sizes)
        self.attention = attention
        self.weight = nn.Parameter(torch.ones(len(sizes)))
        self.head = nn.Conv2d(width if attention == "none" else len(sizes) * width, 1, 1)
        self.scale = width**0.5 if attention == "scaled" else 1.0

    def forward(self, images: Tensor) -> Tensor:
        features, layers = images, []
        for block in self.blocks:
            features = block(features)
            layers.append(features)
        if self.attention != "none":
            features = self._attended([_middle(layer, features) for layer in layers])
        logits: Tensor = self.head(features)
        return logits

    def _attended(self, layers: list[Tensor]) -> Tensor:
        """Layer attention of the paper (section II-B) at every pixel: softmax(rowmax(S) - S) R + G."""
        group = torch.stack(layers, dim=1)
        weighted = self.weight[:, None, None, None] * group
        similar = (weighted[:, :, None] * weighted[:, None]).sum(dim=3) / self.scale
        attention = (similar.amax(dim=2, keepdim=True) - similar).softmax(dim=2)
        mixed = (attention[:, :, :, None] * weighted[:, None]).sum(dim=2) + group
        return mixed.flatten(1, 2)


class Ensemble(nn.Module):
    """The mean of the logits of several networks, each less its own offset."""

    def __init__(self, members: list[nn.Module], offsets: list[float]) -> None:
        super().__init__()
        self.members, self.offsets = nn.ModuleList(members), offsets

    def forward(self, images: Tensor) -> Tensor:
        logits = [member(images) - offset for member, offset in zip(self.members, self.offsets, strict=True)]
        return torch.stack(logits).mean(dim=0)


def _middle(layer: Tensor, like: Tensor) -> Tensor:
    edge = (layer.shape[-1] - like.shape[-1]) // 2
    return layer[..., edge : layer.shape[-2] - edge, edge : layer.shape[-1] - edge]


def _block(inputs: int, outputs: int, size: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
