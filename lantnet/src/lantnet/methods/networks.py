"""The network of the default recipe: LANTNet made fully convolutional (our choice of sizes).

The published network decides 7 x 7 patches one by one; this one gives every pixel of an image its decision from the
same 7 x 7 pixels in one pass. Layer attention works pixel by pixel, its similarities scaled as in transformers:
unscaled, as published, they end in a hard choice of one layer.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

LAYERS = 3
"""3 x 3 convolutions, so pixels of context to every side."""


@dataclass(frozen=True)
class PixelNetwork:
    """width: channels of a layer. attention: "scaled", "published" (unscaled), or "none" (the last layer alone)."""

    width: int = 16
    attention: Literal["scaled", "published", "none"] = "scaled"
    pixels_at_once: int = 32_768
    """Per forward pass: what lies between the layers then fits the processor's cache, which is 7 times faster."""

    def build(self, channels: int) -> nn.Module:
        return PixelLANTNet(channels, self.width, self.attention)


class PixelLANTNet(nn.Module):
    """(B, C, H, W) normalized dates -> (B, 1, H - 6, W - 6) logits of change."""

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
        """Layer attention of the paper (section II-B) at every pixel: softmax(rowmax(S) - S) R + G.

        Layer by layer, for a stack of all pairs would take most of the training's time."""
        weighted = [weight * layer for weight, layer in zip(self.weight, layers, strict=True)]
        mixed = []
        for own, layer in zip(weighted, layers, strict=True):
            similar = torch.cat([(own * other).sum(dim=1, keepdim=True) for other in weighted], dim=1) / self.scale
            attention = (similar.amax(dim=1, keepdim=True) - similar).softmax(dim=1)
            for number, other in enumerate(weighted):
                layer = layer + attention[:, number : number + 1] * other
            mixed.append(layer)
        return torch.cat(mixed, dim=1)


class Ensemble(nn.Module):
    """The mean of the logits of several networks, each less its own offset, divided by a temperature."""

    def __init__(self, members: list[nn.Module], offsets: list[float], temperature: float) -> None:
        super().__init__()
        self.members, self.offsets, self.temperature = nn.ModuleList(members), offsets, temperature

    def forward(self, images: Tensor) -> Tensor:
        logits = [member(images) - offset for member, offset in zip(self.members, self.offsets, strict=True)]
        return torch.stack(logits).mean(dim=0) / self.temperature


def _middle(layer: Tensor, like: Tensor) -> Tensor:
    edge = (layer.shape[-1] - like.shape[-1]) // 2
    return layer[..., edge : layer.shape[-2] - edge, edge : layer.shape[-1] - edge]


def _block(inputs: int, outputs: int, size: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
