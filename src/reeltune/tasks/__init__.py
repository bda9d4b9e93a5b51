"""The tasks. Each is one file of this package that ends with `TASK = ...`, and one line of the table below.

Importing the package imports none of them: the first look for one does. A task of your own needs no line here: it is
named as `file.py` (its TASK), `file.py:object` or `module:object`.
"""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reeltune.errors import InputError
from reeltune.registry import Registry, load_module, load_object

if TYPE_CHECKING:
    from reeltune.sample import Loaded, Sample
    from reeltune.tasks.base import Task

__all__ = ["TASKS", "get_task", "load_module", "load_samples", "load_task_file", "load_usable", "sample_types"]

_registry: "Registry[Task[Any, Any]]" = Registry(
    "task",
    {
        "captioning": "reeltune.tasks.captioning:TASK",
        "classification": "reeltune.tasks.classification:TASK",
        "grounded_qa": "reeltune.tasks.grounded_qa:TASK",
        "instruction": "reeltune.tasks.instruction:TASK",
        "multiple_choice": "reeltune.tasks.multiple_choice:TASK",
        "numeric": "reeltune.tasks.numeric:TASK",
        "object_tracking": "reeltune.tasks.object_tracking:TASK",
        "open_ended": "reeltune.tasks.open_ended:TASK",
        "temporal_grounding": "reeltune.tasks.temporal_grounding:TASK",
    },
)


class _Tasks(Mapping[str, "Task[Any, Any]"]):
    """Ours and those loaded since, by name."""

    def __getitem__(self, name: str) -> "Task[Any, Any]":
        if name not in _registry:
            raise KeyError(name)
        return _registry.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_registry)

    def __len__(self) -> int:
        return sum(1 for _ in _registry)


TASKS: Mapping[str, "Task[Any, Any]"] = _Tasks()


def get_task(name: str) -> "Task[Any, Any]":
    """The task of that name; InputError names the nearest and lists the known ones."""
    return _registry.get(name)


def sample_types() -> "dict[str, type[Sample]]":
    """Task name -> its type of samples, of all known tasks."""
    return {name: task.sample_type for name, task in TASKS.items()}


def load_samples(path: Path | str) -> "list[Sample]":
    """The samples of a file, each typed by its task. See `reeltune.sample.read_samples` for errors."""
    from reeltune.sample import read_samples

    return read_samples(path, sample_types())


def load_usable(path: Path | str) -> "Loaded":
    """As `load_samples`, but lines that break the contract are faults beside the samples. See `sample.read_usable`."""
    from reeltune.sample import read_usable

    return read_usable(path, sample_types())


def load_task_file(spec: Path | str) -> "Task[Any, Any]":
    """Let a task of your own go by its name: `file.py` (its TASK), `file.py:object` or `module:object`.

    Naming the same one again changes nothing. InputError for what is no task, and for a name that another task has.
    """
    text = str(spec)
    named = getattr(load_module(Path(text)), "TASK", None) if text.endswith(".py") else load_object(text, kind="task")
    task = _checked(text, named)
    _registry.add(task.name, task)
    return task


def _checked(spec: str, task: Any) -> "Task[Any, Any]":
    from reeltune.tasks.base import Task

    if not isinstance(task, Task):
        given = f"{task.__name__}, a class" if isinstance(task, type) else type(task).__name__
        raise InputError(
            f"{spec}: a task file must define TASK = MyTask(), an instance of reeltune's Task; got {given}"
        )
    for field in ("name", "sample_type", "default_weights"):
        if not hasattr(task, field):
            raise InputError(
                f"task {spec!r}: the class {type(task).__name__} declares no {field}; "
                'a task needs a name, a sample_type and default_weights = {"format": 1.0, ...}'
            )
    if task.judged and not inspect.isgeneratorfunction(type(task).judge_group):
        raise InputError(
            f"task {spec!r}: it declares judged={task.judged}; write its method `judge_group` as a generator: "
            "answers = yield [questions], then return the components of each completion"
        )
    return task
