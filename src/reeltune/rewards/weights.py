"""From reward components to one number: a weighted sum, over a task's own components and a user's functions.

The weighted sum is VideoChat-R1's (arXiv 2504.06958, weights 1) and Temporal-RLT's (arXiv 2506.01908, halves).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reeltune.errors import InputError, nearest, shown
from reeltune.judges.base import Judge
from reeltune.rewards.functions import RewardFunction, load_reward_function
from reeltune.sample import Sample
from reeltune.tasks.base import Components, Mode, RewardOptions, Task


@dataclass(frozen=True)
class Reward:
    """What a completion of one task earns. Build it with `reward_of`, which checks the names."""

    task: Task[Any, Any]
    mode: Mode
    weights: Mapping[str, float]
    options: RewardOptions = field(default_factory=RewardOptions)
    functions: Mapping[str, RewardFunction] = field(default_factory=dict)
    concurrency: int = 64
    """Calls of `functions` at a time."""

    @property
    def judged(self) -> list[str]:
        """The components with a weight that only a judge can give."""
        return [name for name in self.task.judged if self.weights.get(name, 0.0) != 0.0]

    def judged_by(self, judge: Judge | None) -> "Reward":
        """The same under the names it is given by: what a proxy judge gives is called a proxy."""
        if judge is None or not judge.proxy:
            return self
        own = set(self.judged)
        weights = {proxy_name(name, judge) if name in own else name: weight for name, weight in self.weights.items()}
        return replace(self, weights=weights)

    def __call__(self, sample: Sample, text: str) -> tuple[float | None, Components]:
        """(weighted sum, all components) of one completion, without what a judge would add."""
        components = self.task.rewards(sample, text, self.mode, self.options)
        parsed = self.task.read(sample, text)
        components |= {name: function(sample, parsed, text) for name, function in self.functions.items()}
        return weighted_sum(components, self.weights, sample), components


def proxy_name(component: str, judge: Judge) -> str:
    """A judged component when a proxy gives it: the same weight, under a name that says so."""
    return f"{component}_{judge.kind}_proxy" if judge.proxy else component


def reward_of(
    task: Task[Any, Any],
    mode: Mode,
    *,
    weights: Mapping[str, float] | None = None,
    options: RewardOptions | None = None,
    functions: Mapping[str, str] | None = None,
    concurrency: int = 64,
) -> Reward:
    """The reward of a task: its default weights, then `weights` over them, and `functions`, name -> "module:function"
    or "file.py:function", with weight 1 unless `weights` names them.

    InputError for a mode or component that the task does not have, and for a function of no known form or of a
    component's name.
    """
    if mode not in task.modes:
        raise InputError(f"task {task.name} has no mode {mode!r}; its modes: {', '.join(task.modes)}")
    columns = task.sample_type.model_fields
    components = {*task.default_weights, *task.further, *task.judged, "format", "length"}
    for name in functions or {}:
        if name in components:
            raise InputError(
                f"rewards.functions.{task.name}.{name}: the task already has a reward of this name; choose another name"
            )
    own = {name: load_reward_function(spec, columns) for name, spec in (functions or {}).items()}
    known = {*components, *own}
    for name in weights or {}:
        if name not in known:
            raise InputError(
                f"task {task.name} has no reward {name!r}{nearest(name, known)}; "
                f"its rewards: {', '.join(sorted(known))}"
            )
    chosen = {**task.default_weights, **dict.fromkeys(own, 1.0), **(weights or {})}
    further = frozenset(name for name in task.further if chosen.get(name, 0.0) != 0.0)
    return Reward(task, mode, chosen, replace(options or RewardOptions(), further=further), own, concurrency)


def weighted_sum(components: Mapping[str, float | None], weights: Mapping[str, float], sample: Sample) -> float | None:
    """Sum of weight * component over those that apply and weigh; None when none does.

    InputError names a component that is not finite, weighed or not.
    """
    for name, value in components.items():
        if value is not None and not (isinstance(value, int | float) and math.isfinite(value)):
            raise InputError(
                f"reward {name!r} of sample {sample.id!r} is {shown(value)}; "
                "a reward must be a finite number, or None where it does not apply"
            )
    parts = [weights[name] * value for name, value in components.items() if value is not None and name in weights]
    return sum(parts) if parts else None
