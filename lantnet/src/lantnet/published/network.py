"""The published network: a layer attention network on 7 x 7 patches (arXiv 2208.04481, section II-B)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

PATCH = 7
RADIUS = PATCH // 2
CHANNELS = 3
"""Image 1, image 2, difference image."""


class LayerAttention(nn.Module):
    """Mixes the outputs of several layers by how little they resemble each other (paper, section II-B).

    (B, layers, C, H, W) -> (B, layers * C, H, W). With G the flattened layers and R = diag(weight) G,
    the similarity is S = R R^T, the attention softmax(rowmax(S) - S), and the output attention R + G.
    S is not scaled, as published, so the softmax is close to a hard choice of the least similar layer.
    """

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(layers))

    def forward(self, layers: Tensor) -> Tensor:
        group = layers.flatten(2)
        weighted = self.weight[:, None] * group
        similarity = weighted @ weighted.transpose(1, 2)
        attention = (similarity.amax(dim=-1, keepdim=True) - similarity).softmax(dim=-1)
        mixed = attention @ weighted + group
        return mixed.view(layers.shape).flatten(1, 2)


class LANTNet(nn.Module):
    """(B, 3, 7, 7) patches, values 0..255 and nepers as they are -> (B, 2) logits: unchanged, changed.

    24,944 parameters. Source: arXiv 2208.04481, section II-B, sizes from the authors' code.
    """

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            [_block(CHANNELS, 8, 1, bias=False), _block(8, 16, 3), _block(16, 32, 3), _block(32, 32, 3)]
        )
        self.widen = nn.ModuleList([_block(width, 32, 1, bias=False) for width in (8, 16, 32, 32)])
        self.attention = LayerAttention(len(self.blocks))
        self.merge = _block(4 * 32, 4, 3)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(4 * PATCH * PATCH, 10), nn.Linear(10, 2))

    def forward(self, patches: Tensor) -> Tensor:
        layers = []
        features = patches
        for block, widen in zip(self.blocks, self.widen, strict=True):
            features = block(features)
            layers.append(widen(features))
        logits: Tensor = self.head(self.merge(self.attention(torch.stack(layers, dim=1))))
        return logits


class PatchByPatch(nn.Module):
    """A network of 7 x 7 patches on images: (B, C, H, W) -> (B, 1, H - 6, W - 6) logits of change."""

    def __init__(self, network: LANTNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        around = images.unfold(2, PATCH, 1).unfold(3, PATCH, 1)
        batch, channels, height, width = around.shape[:4]
        patches = around.permute(0, 2, 3, 1, 4, 5).reshape(-1, channels, PATCH, PATCH)
        logits: Tensor = self.network(patches)
        return (logits[:, 1] - logits[:, 0]).view(batch, 1, height, width)


@dataclass(frozen=True)
class PatchNetwork:
    """The published network as a stage of a recipe."""

    pixels_at_once: int = 4096
    """Per forward pass: 4096 x 7 x 7 x 128 channels are 100 MB."""

    def build(self, channels: int) -> nn.Module:
        if channels != CHANNELS:
            raise ValueError(f"the published network sees {CHANNELS} channels, not {channels}")
        return PatchByPatch(LANTNet())


def _block(inputs: int, outputs: int, size: int, *, bias: bool = True) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=bias)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())
