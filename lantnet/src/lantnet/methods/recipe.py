"""What a recipe is given, a scene walked in windows, and what it gives back: a model of that scene."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from lantnet.scene.plan import Plan
from lantnet.scene.scene import View
from lantnet.types import Float32


class Model(Protocol):
    """What was learned from a scene.

    `halo`: context in pixels that a probability depends on. `shift`: log-ratio, nepers, of ground that did not
    change; brighter and darker are meant against it. `record`: settings and counts for the run report.
    """

    @property
    def halo(self) -> int: ...
    @property
    def shift(self) -> float: ...

    record: dict[str, Any]

    def probability(self, view: View) -> Float32:
        """Probability of change of every pixel of a view, (H, W)."""


@dataclass(frozen=True)
class Context:
    """What every recipe is given besides the scene."""

    seed: int
    plan: Plan
    steps: Callable[[int, str], Any]
    """steps(total, name) is a context manager that gives a function to call after every training step."""
    false_alarm: float | None = None
    """Share of pixels that speckle alone may change; None: the recipe's own."""


@dataclass
class NoChange:
    """The model of a scene in which nothing stands out."""

    record: dict[str, Any]
    halo: int = 0
    shift: float = 0.0

    def probability(self, view: View) -> Float32:
        return np.zeros(view.valid.shape, dtype=np.float32)
