"""Everything that a recipe names in a registry or as a file of code, checked without samples and without a model."""

from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Any, TypeVar

from reeltune.config import names
from reeltune.config.recipe import Recipe
from reeltune.config.rollout import log_probs_problem
from reeltune.errors import InputError
from reeltune.judges import JUDGES
from reeltune.registry import Registry
from reeltune.rewards.recipe import check_reward_names
from reeltune.tasks import load_task_file

if TYPE_CHECKING:
    from reeltune.training.grpo import Loss

T = TypeVar("T")


def check_names(recipe: Recipe) -> None:
    """So that `reeltune config` refuses what a run would refuse. Raises InputError.

    torch is imported only for an object of the user's own, and for a name that is none.
    """
    for path in recipe.data.tasks:
        load_task_file(path)
    _known(names.ENGINES, _engines, "rollout.engine", recipe.rollout.engine)
    if recipe.model.family is not None:
        _known(names.FAMILIES, _families, "model.family", recipe.model.family)
    if recipe.judge.kind != "none":
        _known(JUDGES, lambda: JUDGES, "judge.kind", recipe.judge.kind)
    if problem := log_probs_problem(recipe):
        raise InputError(problem)
    if recipe.method == "grpo":
        # What goes without the std among ours is a rule of the section `rl`.
        loss = _known(names.LOSSES, _losses, "rl.loss", recipe.rl.loss)
        if loss and not loss.divides_by_std and recipe.rl.advantage_scale != "none":
            raise InputError(f"rl.loss={recipe.rl.loss} does not divide by the std: set rl.advantage_scale to none")
    check_reward_names(recipe.rewards, recipe.data.mode)


def _known(ours: Container[str], registry: Callable[[], Registry[T]], key: str, name: str) -> T | None:
    """The object of that name; None for one of ours, which is not imported for it."""
    if name in ours:
        return None
    try:
        return registry().get(name)
    except InputError as error:
        raise InputError(f"{key}: {error}") from None


def _engines() -> Registry[Any]:
    from reeltune.build import ENGINES

    return ENGINES


def _families() -> Registry[Any]:
    from reeltune.models.families import FAMILIES

    return FAMILIES


def _losses() -> "Registry[Loss]":
    from reeltune.training.grpo import LOSSES

    return LOSSES
