"""The published recipe (arXiv 2208.04481 with the constants of the authors' code), at any scene size."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lantnet.methods.histograms import BINS, histogram
from lantnet.methods.recipe import Context, Model, NoChange
from lantnet.methods.sampling import draw, gather
from lantnet.published.network import RADIUS, LANTNet, noise_tolerant_loss
from lantnet.published.prelabels import (
    CHANGED,
    UNCERTAIN,
    UNCHANGED,
    PreLabels,
    difference_image,
    hierarchical_clustering,
)
from lantnet.published.srad import RADIUS as SRAD_RADIUS
from lantnet.scene.scene import Scene, View
from lantnet.scene.windows import Window
from lantnet.types import Float32, Labels

HALO = 2 * SRAD_RADIUS
"""The difference image reads images that were smoothed, and is smoothed itself."""
NO_DATA = 255
ROWS_AT_ONCE = 4096
"""Patches a forward pass: 4096 x 7 x 7 x 128 channels are 100 MB."""


@dataclass(frozen=True)
class PaperRecipe:
    """Published constants. Where a scene has fewer sure pixels than asked for, all of them are taken
    (the authors' code stops with an error there)."""

    name: str = "paper"
    unchanged: int = 7000
    changed: int = 1000
    epochs: int = 60
    batch: int = 128
    learning_rate: float = 1e-3

    def learn(self, scene: Scene, context: Context) -> Model:
        counts = np.zeros(BINS, dtype=np.int64)
        for window, outer, view in context.walk(scene, HALO, "difference image"):
            counts += histogram(_core(difference_image(view.before, view.after), view, window, outer))
        record: dict[str, Any] = {"settings": asdict(self)}
        if np.count_nonzero(counts) < 2:
            return NoChange(record | {"notes": ["The difference image is constant: nothing stands out as changed."]})
        labels = hierarchical_clustering(counts)
        chosen = draw(self._labels(scene, context, labels, record), self._wanted(), context.seed, scene.width)
        index = np.concatenate([chosen[UNCHANGED], chosen[CHANGED]])
        record["samples"] = {"unchanged": len(chosen[UNCHANGED]), "changed": len(chosen[CHANGED])}
        if not len(chosen[UNCHANGED]) or not len(chosen[CHANGED]):
            return NoChange(
                record | {"notes": ["The clustering found no sure pixels of one class, so nothing can be learned."]}
            )
        stacks = (
            (window, outer, channels(view.before, view.after))
            for window, outer, view in context.walk(scene, HALO + RADIUS, "samples")
        )
        patches = torch.from_numpy(gather(stacks, index, RADIUS, scene.width, "constant"))
        targets = (torch.arange(len(index)) >= len(chosen[UNCHANGED])).long()
        return PaperModel(self._train(patches, targets, context), record)

    def _wanted(self) -> dict[int, int]:
        return {UNCHANGED: self.unchanged, CHANGED: self.changed}

    def _labels(
        self, scene: Scene, context: Context, labels: PreLabels, record: dict[str, Any]
    ) -> Iterator[tuple[Window, Labels]]:
        found = np.zeros(3, dtype=np.int64)
        for window, outer, view in context.walk(scene, HALO, "labels"):
            classes = labels.label(difference_image(view.before, view.after))
            classes[~view.valid] = NO_DATA
            classes = window.cut(classes, outer)
            found += np.bincount(classes.ravel(), minlength=256)[:3]
            yield window, classes
        record["pre_labels"] = {
            "unchanged": int(found[UNCHANGED]),
            "uncertain": int(found[UNCERTAIN]),
            "changed": int(found[CHANGED]),
            "thresholds": asdict(labels),
        }

    def _train(self, patches: Tensor, targets: Tensor, context: Context) -> LANTNet:
        batches = -(-len(patches) // self.batch)
        with (
            torch.random.fork_rng(devices=[]),
            context.steps(self.epochs * batches, "training") as step_done,
        ):
            torch.manual_seed(context.seed)
            network = LANTNet()
            optimizer = torch.optim.Adam(network.parameters(), self.learning_rate)
            for _ in range(self.epochs):
                for chosen in torch.randperm(len(patches)).split(self.batch):
                    optimizer.zero_grad()
                    noise_tolerant_loss(network(patches[chosen]), targets[chosen]).backward()
                    optimizer.step()
                    step_done()
        return network.eval()


@dataclass
class PaperModel:
    network: LANTNet
    record: dict[str, Any]
    halo: int = HALO + RADIUS
    shift: float = 0.0

    def probability(self, before: Float32, after: Float32) -> Float32:
        """Softmax of the network on the 7x7 patch of every pixel, zeros beyond the border (as published)."""
        padded = np.pad(channels(before, after), ((0, 0), (RADIUS, RADIUS), (RADIUS, RADIUS)))
        side = 2 * RADIUS + 1
        around = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(1, 2))
        height, width = before.shape
        result = np.empty((height, width), dtype=np.float32)
        rows = max(ROWS_AT_ONCE // width, 1)
        with torch.inference_mode():
            for top in range(0, height, rows):
                patches = around[:, top : top + rows].reshape(len(padded), -1, side, side).swapaxes(0, 1)
                changed = self.network(torch.from_numpy(patches.copy())).softmax(dim=1)[:, 1]
                result[top : top + rows] = changed.view(-1, width).numpy()
        return result


def channels(before: Float32, after: Float32) -> Float32:
    """(3, H, W): both images as they are, and their difference image."""
    return np.stack([before, after, difference_image(before, after)])


def _core(values: Float32, view: View, window: Window, outer: Window) -> Float32:
    """The measured values of a window, cut out of its context, as a flat array."""
    measured: Float32 = window.cut(values, outer)[window.cut(view.valid, outer)]
    return measured
