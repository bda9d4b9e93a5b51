"""The one record of a step: a sample's prompt and its G completions, filled on the way from sampler to loss."""

from dataclasses import dataclass, field

from torch import Tensor

from reeltune.errors import InputError
from reeltune.models.types import Group as PromptGroup
from reeltune.rewards.score import GroupRewards
from reeltune.rollout.engine import Request, Rollout
from reeltune.sample import Sample


@dataclass(eq=False, kw_only=True)
class Group(PromptGroup):
    """The unit of work. Each stage sets its fields; reading a field before its stage raises AttributeError.

    - prompt source: `sample`, `prompt`, `features`, and `seed` for the group's own random numbers;
    - engine: `completions`, `texts` (without the end token), `log_probs` [G, C] of the sampled tokens under the full
      tempered policy, `truncated` [G] bool, `version` of the sampling weights, and `state`, the prompt's prefill with
      its graph if the update may continue from it;
    - rewards: `rewards`, with components, total [G] and valid [G];
    - `weigh`: `advantage` [G], and `weights` [G, C], each token's share of the step's loss, all 0 if there is nothing
      to learn;
    - reference: `reference_log_probs` [G, C], or None without a reference;
    - first update: `old_log_probs` [G, C]; with one update per rollout these are the current log-probs.
    """

    sample: Sample
    seed: int = 0
    texts: list[str] = field(init=False)
    log_probs: Tensor = field(init=False)
    truncated: Tensor = field(init=False)
    version: int = field(init=False)
    rewards: GroupRewards = field(init=False)
    advantage: Tensor = field(init=False)
    weights: Tensor = field(init=False)
    old_log_probs: Tensor = field(init=False)
    reference_log_probs: Tensor | None = None
    correction: Tensor | None = None
    """[G, C], what each token's loss is multiplied by where completions came from other probabilities: `off_policy`."""
    mismatch: dict[str, float] = field(default_factory=dict)
    gold: bool = False
    """The last completion was not sampled: it is the gold one."""

    @property
    def reward_values(self) -> list[float]:
        """The rewards of the completions that have one."""
        return [float(value) for value in self.rewards.total[self.rewards.valid]]

    @property
    def is_weighed(self) -> bool:
        """Whether it has come to `weigh`: one that was replaced by another has not."""
        return hasattr(self, "advantage")

    @property
    def informative(self) -> bool:
        """Whether any token carries loss."""
        return bool((self.weights > 0).any())

    @property
    def request(self) -> Request:
        return Request(self.prompt, self.features, self.seed)

    def fill(self, rollout: Rollout) -> None:
        """Set the fields that an engine sampled. Raises InputError if their shapes do not match (custom engines)."""
        shape = tuple(rollout.completions.mask.shape)
        sizes = {
            "log-probs": (getattr(rollout.log_probs, "shape", None), shape),
            "truncated": (getattr(rollout.truncated, "shape", None), shape[:1]),
            "texts": ((len(rollout.texts),), shape[:1]),
        }
        for name, (found, wanted) in sizes.items():
            if found is None or tuple(found) != wanted:
                told = "none" if found is None else f"shape {tuple(found)}"
                raise InputError(
                    f"the rollout engine returned completions of shape {shape} (G, C) for sample "
                    f"{self.sample.id!r}, and {name} of {told}, not {wanted}: fix the engine (see "
                    "rollout/engine.py)"
                )
        self.completions, self.state = rollout.completions, rollout.state
        self.texts, self.log_probs, self.truncated = rollout.texts, rollout.log_probs, rollout.truncated
        self.version = rollout.version
