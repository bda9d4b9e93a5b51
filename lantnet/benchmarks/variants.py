"""Variants of LANTNet's default recipe, each with one part changed: what `accuracy.py ablation` compares."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from lantnet.methods import default, histograms, levels

SMALL, CYCLE, CROSS_ENTROPY = default.small_network, default.one_cycle, default.mean_cross_entropy
NORMALISED, PROBABILITY, CALIBRATION = (
    levels.Calibration.normalised,
    default.DefaultModel.probability,
    levels.Statistics.calibration,
)


def constant_rate(optimizer: Any, rate: float, steps: int) -> Any:
    return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0, total_iters=steps)


class AveragedWeights:
    """The learning-rate schedule, and at the last step the mean of the weights of the second half of the steps."""

    def __init__(self, optimizer: Any, rate: float, steps: int) -> None:
        self.inner = CYCLE(optimizer, rate, steps)
        self.weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        self.steps, self.done = steps, 0
        self.sums = [torch.zeros_like(weight) for weight in self.weights]

    def step(self) -> None:
        self.inner.step()
        self.done += 1
        if self.done > self.steps // 2:
            for total, weight in zip(self.sums, self.weights, strict=True):
                total += weight.detach()
        if self.done == self.steps:
            for total, weight in zip(self.sums, self.weights, strict=True):
                weight.data = total / (self.steps - self.steps // 2)


class WithLayerAttention(torch.nn.Module):
    """The small network with the published attention over its three layers, pixel by pixel.

    `scale` divides the similarities: 1 as published, the square root of the width as in transformers.
    """

    def __init__(self, channels: int, width: int, scale: float) -> None:
        super().__init__()
        plain = list(SMALL(channels, width))
        self.layers = torch.nn.ModuleList(torch.nn.Sequential(*plain[i : i + 3]) for i in (0, 3, 6))
        self.weight = torch.nn.Parameter(torch.ones(3))
        self.head = torch.nn.Conv2d(3 * width, 1, 1)
        self.scale = scale

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features, outputs = images, []
        for layer in self.layers:
            features = layer(features)
            outputs.append(features)
        edge = [(output.shape[-1] - features.shape[-1]) // 2 for output in outputs]
        group = torch.stack(
            [o[..., e : o.shape[-2] - e, e : o.shape[-1] - e] for o, e in zip(outputs, edge, strict=True)], dim=1
        )
        weighted = self.weight[:, None, None, None] * group
        similar = torch.einsum("bichw,bjchw->bijhw", weighted, weighted) / self.scale
        attention = (similar.amax(dim=2, keepdim=True) - similar).softmax(dim=2)
        mixed = torch.einsum("bijhw,bjchw->bichw", attention, weighted) + group
        return self.head(mixed.flatten(1, 2))


def soft_targets(difference: Any, threshold: float, margin: float) -> tuple[Any, Any]:
    share = np.clip((difference / threshold - 1) / (2 * margin) + 0.5, 0, 1).astype(np.float32)
    return share, np.ones_like(share)


def incoherent_label(difference: Any, threshold: float, margin: float) -> Any:
    """Without the wish that most of the neighbourhood be above the threshold."""
    labels = np.full(difference.shape, default.UNCERTAIN, dtype=np.uint8)
    labels[difference < threshold * (1 - margin)] = default.UNCHANGED
    labels[difference > threshold * (1 + margin)] = default.CHANGED
    return labels


def tolerant(logits: Any, target: Any, weight: Any) -> Any:
    """The published noise-tolerant loss."""
    probability = torch.sigmoid(logits)
    of_label = torch.where(target > 0.5, probability, 1 - probability)
    absolute = ((2 - 2 * of_label) * weight).sum() / weight.sum().clamp_min(1)
    return 0.1 * CROSS_ENTROPY(logits, target, weight) + 0.9 * absolute


def with_difference(calibration: Any, before: Any, after: Any) -> Any:
    difference = calibration.difference(before, after)
    return np.concatenate([NORMALISED(calibration, before, after), difference[None]])


def without_shift(statistics_: Any) -> Any:
    return replace(CALIBRATION(statistics_), shift=0.0)


def smoothed(model: Any, before: Any, after: Any) -> Any:
    return ndimage.gaussian_filter(PROBABILITY(model, before, after), 0.8, mode="nearest")


def voted(model: Any, before: Any, after: Any) -> Any:
    return ndimage.median_filter(PROBABILITY(model, before, after), 3, mode="nearest")


def drawn_with(share: float) -> Any:
    def draw(labelled: Any, wanted: dict[int, int], seed: int, width: int) -> Any:
        total = sum(wanted.values())
        counts = {default.UNCHANGED: total - round(share * total), default.CHANGED: round(share * total)}
        return DRAW(labelled, counts, seed, width)

    return draw


DRAW = default.draw
Patch = tuple[Any, str, Any]
VARIANTS: list[tuple[str, dict[str, Any], list[Patch]]] = [
    ("as it is, one network", {}, []),
    ("4 networks", {"members": 4}, []),
    ("inputs not normalised (0..255)", {}, [(levels.Calibration, "normalised", lambda c, a, b: np.stack([a, b]))]),
    ("difference image as a third input", {}, [(levels.Calibration, "normalised", with_difference)]),
    ("shift between the dates left in", {}, [(levels.Statistics, "calibration", without_shift)]),
    ("Otsu's threshold alone", {}, [(default, "change_level", lambda counts, noise: histograms.otsu(counts))]),
    ("labels without a majority", {}, [(default, "label", incoherent_label)]),
    ("uncertain pixels used (margin 0)", {"margin": 0.0}, []),
    ("margin .15", {"margin": 0.15}, []),
    ("margin .45", {"margin": 0.45}, []),
    ("soft labels", {}, [(default, "targets", soft_targets)]),
    ("a quarter of the crops on change", {}, [(default, "draw", drawn_with(0.25))]),
    ("no correction for scarce change", {"prior": 0.0}, []),
    ("half the correction taken", {"prior": 0.5}, []),
    ("constant learning rate", {}, [(default, "one_cycle", constant_rate)]),
    ("weight averaging", {}, [(default, "one_cycle", AveragedWeights)]),
    ("noise-tolerant loss", {}, [(default, "mean_cross_entropy", tolerant)]),
    ("layer attention as published", {}, [(default, "small_network", lambda c, w: WithLayerAttention(c, w, 1.0))]),
    ("layer attention, scaled", {}, [(default, "small_network", lambda c, w: WithLayerAttention(c, w, w**0.5))]),
    ("probability smoothed (Gaussian .8)", {}, [(default.DefaultModel, "probability", smoothed)]),
    ("probability by vote of 3 x 3", {}, [(default.DefaultModel, "probability", voted)]),
    ("300 steps", {"steps": 300}, []),
    ("8 channels", {"width": 8}, []),
]
