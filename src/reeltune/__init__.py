"""Reeltune: reinforcement fine-tuning of video language models, with the group as the unit of work.

    import reeltune as rt

Importing this package does not import torch: names are imported on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PLACES = {
    **dict.fromkeys(
        ("Model", "ask", "evaluate", "load", "recipe", "reward", "samples", "schedule", "score", "train"),
        "reeltune.api",
    ),
    "Family": "reeltune.models.families.base",
    "Group": "reeltune.rollout.group",
    "InputError": "reeltune.errors",
    "Judge": "reeltune.judges.base",
    "Parsed": "reeltune.tasks.base",
    "Recipe": "reeltune.config.recipe",
    "RolloutEngine": "reeltune.rollout.engine",
    "Sample": "reeltune.sample",
    "Task": "reeltune.tasks.base",
}
__all__ = [
    "Family",
    "Group",
    "InputError",
    "Judge",
    "Model",
    "Parsed",
    "Recipe",
    "RolloutEngine",
    "Sample",
    "Task",
    "__version__",
    "ask",
    "evaluate",
    "load",
    "recipe",
    "reward",
    "samples",
    "schedule",
    "score",
    "train",
]

if TYPE_CHECKING:
    from reeltune.api import Model, ask, evaluate, load, recipe, reward, samples, schedule, score, train
    from reeltune.config.recipe import Recipe
    from reeltune.errors import InputError
    from reeltune.judges.base import Judge
    from reeltune.models.families.base import Family
    from reeltune.rollout.engine import RolloutEngine
    from reeltune.rollout.group import Group
    from reeltune.sample import Sample
    from reeltune.tasks.base import Parsed, Task


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return __all__
