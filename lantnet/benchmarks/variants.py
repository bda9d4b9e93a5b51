"""Recipes that differ from the default in one value each: rows of the ablation, choices of leave-one-out."""

import math
from dataclasses import replace

from lantnet.methods.cluster_labels import ClusterLabels
from lantnet.methods.inputs import Dates
from lantnet.methods.learning import Recipe
from lantnet.methods.networks import PixelNetwork
from lantnet.methods.recipes import DEFAULT, PAPER
from lantnet.published.loss import NoiseTolerantLoss

TWO = replace(DEFAULT, training=replace(DEFAULT.training, members=2))
"""One network a labeling: half of the default's cost, so most parts are compared in it."""


def two(**values: object) -> Recipe:
    return replace(TWO, training=replace(TWO.training, **values))  # type: ignore[arg-type]


def labels(**values: object) -> Recipe:
    return replace(TWO, labels=replace(DEFAULT.labels, **values))  # type: ignore[type-var]


VARIANTS: dict[str, Recipe] = {
    "default": DEFAULT,
    "paper": PAPER,
    "two networks": TWO,
    "one network of the lower threshold": replace(
        two(members=1), labels=replace(DEFAULT.labels, learned=("gaussian, low",))
    ),
    "one network of the middle threshold": replace(
        two(members=1), labels=replace(DEFAULT.labels, learned=("gaussian",))
    ),
    "two networks, all smoothings together": labels(learned=("together",)),
    "two networks, labels of the published clustering": replace(TWO, labels=ClusterLabels()),
    "two networks, nothing from the levels": labels(trust=0.0),
    "two networks, four times as much from the levels": labels(trust=8.0),
    "levels alone, no network": replace(two(members=1, steps=8), labels=replace(DEFAULT.labels, trust=1e6)),
    "two networks, no layer attention": replace(TWO, network=PixelNetwork(attention="none")),
    "two networks, layer attention as published": replace(TWO, network=PixelNetwork(attention="published")),
    "two networks, plain cross-entropy": replace(TWO, loss=NoiseTolerantLoss(1.0)),
    "two networks, no uncertain band": labels(margin=0.0),
    "two networks, constant learning rate": two(schedule="constant"),
    "two networks, statistics of the last batches": two(settled=False),
    "two networks, inputs not normalized": replace(TWO, inputs=Dates(normalized=False)),
    "two networks, no correction for scarce change": two(prior=0.0),
    "two networks, weak areas never": labels(weak_share=math.inf),
}
CHOICES = (
    "two networks",
    "one network of the lower threshold",
    "one network of the middle threshold",
    "two networks, all smoothings together",
    "two networks, labels of the published clustering",
    "two networks, nothing from the levels",
    "two networks, four times as much from the levels",
    "levels alone, no network",
)
"""What the default was chosen from: leave-one-out chooses among these without the pair."""
