"""The published network: a layer attention network on 7x7 patches, and its noise-tolerant loss."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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


def noise_tolerant_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """.1 * cross-entropy + .9 * mean absolute error of the probabilities (paper, section II-C).

    logits (B, 2), labels (B,) of 0 or 1; a scalar. A wrong label costs at most 2 in the second part,
    however sure the network is, so single wrong labels do not steer the training.
    """
    probability_of_label = logits.softmax(dim=1).gather(1, labels[:, None]).squeeze(1)
    return 0.1 * F.cross_entropy(logits, labels) + 0.9 * (2 - 2 * probability_of_label).mean()


def _block(inputs: int, outputs: int, size: int, *, bias: bool = True) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=bias)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())
