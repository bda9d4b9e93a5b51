"""From reward components to one number: weights by preset or by name, and a user's own reward functions.

The weighted sum is VideoChat-R1's (arXiv 2504.06958, weights 1) and Temporal-RLT's (arXiv 2506.01908, halves).
"""

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reeltune.data.samples import Sample, nearest, shown
from reeltune.errors import InputError
from reeltune.judges.base import Judge
from reeltune.tasks import load_module
from reeltune.tasks.base import Mode, Parsed, RewardOptions, Task

RewardFunction = Callable[[Any, Parsed[Any], str], float | None]
"""(sample, parsed answer, raw completion) -> reward, or None where it does not apply."""


@dataclass(frozen=True)
class Reward:
    """What one completion of one task earns. Build it with `reward_of`, which checks the names."""

    task: Task[Any, Any]
    mode: Mode
    weights: Mapping[str, float]
    options: RewardOptions = field(default_factory=RewardOptions)
    functions: Mapping[str, RewardFunction] = field(default_factory=dict)

    def __call__(self, sample: Sample, text: str) -> tuple[float | None, dict[str, float | None]]:
        """(weighted sum, all components) of one completion."""
        [found] = self.group(sample, [text])
        return found

    def group(
        self, sample: Sample, texts: Sequence[str], judge: Judge | None = None
    ) -> list[tuple[float | None, dict[str, float | None]]]:
        """(weighted sum, all components) of each of a group's completions; a completion that the judge left
        unanswered has neither. InputError for a reward that is not finite: it names reward and sample.
        """
        found: list[tuple[float | None, dict[str, float | None]]] = []
        answered = self.task.group_rewards(sample, texts, self.mode, judge=judge, options=self.options)
        for text, components in zip(texts, answered, strict=True):
            if components is None:
                found.append((None, {}))
                continue
            parsed = self.task.parse(sample, text) if self.functions else Parsed[Any](None)
            components |= {name: function(sample, parsed, text) for name, function in self.functions.items()}
            found.append((weighted_sum(components, self.weights, sample), components))
        return found


def reward_of(
    task: Task[Any, Any],
    mode: Mode,
    *,
    preset: str | None = None,
    weights: Mapping[str, float] | None = None,
    options: RewardOptions | None = None,
    functions: Mapping[str, str] | None = None,
) -> Reward:
    """The reward of a task: the preset's weights (by default the task's own), then `weights` over them, and
    `functions`, name -> "module:function" or "file.py:function", with weight 1 unless `weights` names them.

    InputError for a mode, preset or component that the task does not have.
    """
    if mode not in task.modes:
        raise InputError(f"task {task.name} has no mode {mode!r}; its modes: {', '.join(task.modes)}")
    if preset is not None and preset not in task.presets:
        raise InputError(
            f"task {task.name} has no reward preset {preset!r}{nearest(preset, task.presets)}; "
            f"its presets: {', '.join(task.presets)}"
        )
    own = {name: load_reward_function(spec) for name, spec in (functions or {}).items()}
    chosen = dict(task.presets[preset] if preset else task.default_weights)
    known = {name for preset_weights in task.presets.values() for name in preset_weights} | {"length"} | set(own)
    for name in weights or {}:
        if name not in known:
            raise InputError(
                f"task {task.name} has no reward {name!r}{nearest(name, known)}; "
                f"its rewards: {', '.join(sorted(known))}"
            )
    chosen |= dict.fromkeys(own, 1.0)
    return Reward(task, mode, chosen | dict(weights or {}), options or RewardOptions(), own)


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


def load_reward_function(spec: str) -> RewardFunction:
    """The function that "module:function" or "path/to/file.py:function" names. InputError when there is none."""
    place, colon, name = spec.rpartition(":")
    if not colon or not place or not name:
        raise InputError(f"reward function {spec!r}: write module:function or path/to/file.py:function")
    if place.endswith(".py"):
        module = load_module(Path(place).resolve())
    else:
        try:
            module = importlib.import_module(place)
        except ModuleNotFoundError as error:
            raise InputError(
                f"reward function {spec!r}: there is no module {error.name!r}; "
                "install it, or write the path of a .py file"
            ) from error
    function = getattr(module, name, None)
    if not callable(function):
        names = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise InputError(f"reward function {spec!r}: {place} has no function {name!r}{nearest(name, names)}")
    loaded: RewardFunction = function
    return loaded
