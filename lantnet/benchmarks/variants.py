"""Recipes that differ from the default in one value each: rows of the ablation, choices of leave-one-out."""

import math
from dataclasses import replace

from lantnet.methods.cluster_labels import ClusterLabels
from lantnet.methods.inputs import Dates
from lantnet.methods.learning import Recipe
from lantnet.methods.level_labels import LevelLabels
from lantnet.methods.networks import PixelNetwork
from lantnet.methods.recipes import DEFAULT, PAPER
from lantnet.published.loss import NoiseTolerantLoss


def one(**values: object) -> Recipe:
    return replace(DEFAULT, training=replace(DEFAULT.training, members=1, **values))  # type: ignore[arg-type]


ONE = one()
"""A fifth of the default's cost, so parts of networks and training are compared in it."""
VARIANTS: dict[str, Recipe] = {
    "default": DEFAULT,
    "paper": PAPER,
    "one network": ONE,
    "one network, no layer attention": replace(ONE, network=PixelNetwork(attention="none")),
    "one network, layer attention as published": replace(ONE, network=PixelNetwork(attention="published")),
    "one network, plain cross-entropy": replace(ONE, loss=NoiseTolerantLoss(1.0)),
    "one network, labels of the published clustering": replace(ONE, labels=ClusterLabels()),
    "one network, no uncertain band": replace(ONE, labels=LevelLabels(margin=0.0)),
    "one network, constant learning rate": one(schedule="constant"),
    "one network, inputs not normalized": replace(ONE, inputs=Dates(normalized=False)),
    "one network, no correction for scarce change": one(prior=0.0),
    "one labeling for all members": replace(DEFAULT, labels=LevelLabels(together=True)),
    "weak areas never": replace(DEFAULT, labels=LevelLabels(weak_share=math.inf)),
    "no layer attention": replace(DEFAULT, network=PixelNetwork(attention="none")),
    "plain cross-entropy": replace(DEFAULT, loss=NoiseTolerantLoss(1.0)),
}
