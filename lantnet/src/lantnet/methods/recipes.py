"""The recipes by name: values, no code."""

from lantnet.errors import InputError
from lantnet.methods.cluster_labels import ClusterLabels
from lantnet.methods.inputs import Dates, PublishedInputs
from lantnet.methods.learning import Recipe
from lantnet.methods.level_labels import LevelLabels
from lantnet.methods.networks import PixelNetwork
from lantnet.methods.training import Training
from lantnet.published.loss import NoiseTolerantLoss
from lantnet.published.network import PatchNetwork

PAPER = Recipe(
    name="paper",
    inputs=PublishedInputs(),
    labels=ClusterLabels(),
    network=PatchNetwork(),
    loss=NoiseTolerantLoss(),
    training=Training(
        unchanged=7000,
        changed=1000,
        side=1,
        members=1,
        steps=0,
        epochs=60,
        batch=128,
        learning_rate=1e-3,
        weight_decay=0.0,
        schedule="constant",
        turned=False,
        settled=False,
        prior=0.0,
        temperature=1.0,
    ),
)
"""The published constants. Where a scene has fewer sure pixels than asked for, all of them are taken (the authors' code
stops with an error there)."""

DEFAULT = Recipe(
    name="default",
    inputs=Dates(),
    labels=LevelLabels(),
    network=PixelNetwork(),
    loss=NoiseTolerantLoss(),
    training=Training(),
)
"""Ours: two labelings, two LANTNets on each, the mean of all four."""

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (DEFAULT, PAPER)}


def recipe_named(name: str) -> Recipe:
    if name not in RECIPES:
        raise InputError(f"there is no recipe {name!r}; the recipes are {', '.join(RECIPES)}.")
    return RECIPES[name]
