"""What the loop asks of a training method; GRPO and SFT are two."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from reeltune.data.samples import Sample
from reeltune.models.types import Group, Prompt, VideoFeatures


@dataclass(frozen=True)
class Input:
    """A sample of a step as the model takes it."""

    sample: Sample
    prompt: Prompt
    features: VideoFeatures


Resample = Callable[[Sequence[bool]], dict[int, Input] | None]
"""Told which of this process's inputs gave no signal, answers with others for some of their places; None when no
process gets any. Called on every process equally often."""


@dataclass
class Item:
    """One group of one step on its way through the learner.

    `weights` [G, C]: each token's share of the step's loss; all 0 where the group teaches nothing.
    `signals`: what else the method's loss needs.
    """

    group: Group
    weights: Tensor
    signals: Any = None

    @property
    def active(self) -> bool:
        return bool((self.weights > 0).any())


@dataclass(frozen=True)
class Prepared:
    """A process's items of one step, one record per item for the metrics, the rollouts to store, and the rewards of
    all groups that were rolled out, replaced ones too, as (sample id, rewards)."""

    items: list[Item]
    records: list[dict[str, Any]]
    rollouts: list[dict[str, Any]]
    observed: list[tuple[str, list[float]]] = field(default_factory=list)


class Method(Protocol):
    updates_per_step: int

    def prepare(self, step: int, inputs: Sequence[Input], resample: Resample) -> Prepared:
        """Make this process's items; called on every process with equally many inputs."""

    def loss(self, item: Item, log_probs: Tensor, update: int) -> tuple[Tensor, dict[str, float]]:
        """The item's share of the step's loss, and sums to add up for the metrics."""

    def summarize(self, records: Sequence[Mapping[str, Any]], sums: Mapping[str, float]) -> dict[str, float]:
        """The metrics of a step from all processes' records and sums."""
