"""The rewards that a recipe names, by task: which exist, with which weights, options and functions. Needs no torch."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from reeltune.config.errors import explain
from reeltune.config.recipe import RewardConfig
from reeltune.errors import InputError, nearest
from reeltune.rewards.weights import Reward, reward_of
from reeltune.tasks import TASKS, get_task
from reeltune.tasks.base import Mode, RewardOptions, Task


def recipe_rewards(config: RewardConfig, tasks: Iterable[str], mode: Mode) -> dict[str, Reward]:
    """Task -> its reward. InputError for names that no task of the samples has.

    Weights may name other tasks that are known: a recipe that spells out a paper's is trained on a part of its data.
    """
    names = sorted(set(tasks))
    for section, given in _by_task(config).items():
        for name in given:
            if name not in names and not (section == "weights" and name in TASKS):
                raise InputError(f"rewards.{section}.{name}: no training sample has this task{nearest(name, names)}")
    rewards = {}
    for name in names:
        task = get_task(name)
        options = RewardOptions(
            iou_threshold=config.iou_threshold,
            generalized_iou=config.generalized_iou,
            length_bounds=config.length_bounds,
            own=_own_options(task, config.options[name]) if name in config.options else None,
        )
        rewards[name] = reward_of(
            task,
            mode,
            weights=config.weights.get(name),
            options=options,
            functions=config.functions.get(name),
            concurrency=config.concurrency,
        )
    return rewards


def check_reward_names(config: RewardConfig, mode: Mode) -> None:
    """InputError for tasks, rewards, functions and options that do not exist; needs no samples."""
    named = _by_task(config)
    for section, given in named.items():
        for name in given:
            if name not in TASKS:
                raise InputError(f"rewards.{section}.{name}: there is no such task{nearest(name, TASKS)}")
    # A recipe may spell out weights for tasks that its mode does not have and its data does not contain.
    tasks = {name for given in named.values() for name in given if mode in get_task(name).modes}
    recipe_rewards(config.model_copy(update={part: _of(named[part], tasks) for part in named}), tasks, mode)


def _by_task(config: RewardConfig) -> dict[str, Mapping[str, Any]]:
    """The parts of the settings that are given task by task."""
    return {"weights": config.weights, "functions": config.functions, "options": config.options}


def _of(section: Mapping[str, Any], tasks: set[str]) -> dict[str, Any]:
    return {name: given for name, given in section.items() if name in tasks}


def _own_options(task: Task[Any, Any], given: Mapping[str, Any]) -> Any:
    if task.options_type is None:
        raise InputError(f"rewards.options.{task.name}: this task has no options")
    try:
        return task.options_type.model_validate(given)
    except ValidationError as error:
        problems = "; ".join(explain(dict(each), task.options_type) for each in error.errors())
        raise InputError(f"rewards.options.{task.name}: {problems}") from None
