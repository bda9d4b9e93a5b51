"""Variants of the default recipe, each with one stage changed: what `accuracy.py ablation` loops over."""

import math
from dataclasses import replace

from lantnet.methods.default import DefaultRecipe, LabelStage, LossStage, NetworkStage, TrainingStage

PLAIN = DefaultRecipe()
VARIANTS: dict[str, DefaultRecipe] = {
    "as it is": PLAIN,
    "no layer attention": replace(PLAIN, network=NetworkStage(attention="none")),
    "layer attention as published (unscaled)": replace(PLAIN, network=NetworkStage(attention="published")),
    "plain cross-entropy": replace(PLAIN, loss=LossStage(1.0)),
    "one labelling for all members": replace(PLAIN, labels=LabelStage(spread=False)),
    "no uncertain band": replace(PLAIN, labels=LabelStage(margin=0.0)),
    "weak areas never": replace(PLAIN, labels=LabelStage(weak_share=math.inf)),
    "one network": replace(PLAIN, training=TrainingStage(members=1)),
    "constant learning rate": replace(PLAIN, training=TrainingStage(schedule="constant")),
    "inputs not normalised": replace(PLAIN, training=TrainingStage(normalised=False)),
    "no correction for scarce change": replace(PLAIN, training=TrainingStage(prior=0.0)),
}
