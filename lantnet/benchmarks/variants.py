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


def training(**values: object) -> Recipe:
    return replace(DEFAULT, training=replace(DEFAULT.training, **values))  # type: ignore[arg-type]


VARIANTS: dict[str, Recipe] = {
    "default": DEFAULT,
    "paper": PAPER,
    "no layer attention": replace(DEFAULT, network=PixelNetwork(attention="none")),
    "plain cross-entropy": replace(DEFAULT, loss=NoiseTolerantLoss(1.0)),
    "one network": training(members=1),
    "one labelling for all members": replace(DEFAULT, labels=LevelLabels(spread=False)),
    "labels of the published clustering": replace(DEFAULT, labels=ClusterLabels()),
    "weak areas never": replace(DEFAULT, labels=LevelLabels(weak_share=math.inf)),
    "no uncertain band": replace(DEFAULT, labels=LevelLabels(margin=0.0)),
    "layer attention as published": replace(DEFAULT, network=PixelNetwork(attention="published")),
    "constant learning rate": training(schedule="constant"),
    "inputs not normalised": replace(DEFAULT, inputs=Dates(normalised=False)),
    "no correction for scarce change": training(prior=0.0),
}
