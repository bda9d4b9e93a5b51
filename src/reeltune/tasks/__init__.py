"""The tasks. Each is one file of this package that ends with `TASK = ...`; adding a file adds a task.

Importing the package imports none of them: the first look into `TASKS` does.
"""

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from reeltune.errors import InputError

if TYPE_CHECKING:
    from reeltune.data.samples import Sample
    from reeltune.tasks.base import Task


class _Registry(Mapping[str, "Task[Any, Any]"]):
    """Tasks by name, found from the package's files at first use; `load_task_file` adds a user's own."""

    def __init__(self) -> None:
        self._found: dict[str, Task[Any, Any]] | None = None
        self._files: dict[str, Path] = {}

    def __getitem__(self, name: str) -> "Task[Any, Any]":
        return self._tasks()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks())

    def __len__(self) -> int:
        return len(self._tasks())

    def add(self, task: "Task[Any, Any]", path: Path) -> None:
        if task.name in self._tasks() and self._files.get(task.name) != path:
            other = self._files.get(task.name, "the package")
            raise InputError(f"{path}: there is a task {task.name!r} already, from {other}; choose another name")
        self._files[task.name] = path
        self._tasks()[task.name] = task

    def _tasks(self) -> dict[str, "Task[Any, Any]"]:
        if self._found is None:
            found: dict[str, Task[Any, Any]] = {}
            for module in pkgutil.iter_modules(__path__):
                task = getattr(importlib.import_module(f"{__name__}.{module.name}"), "TASK", None)
                if task is not None:
                    found[task.name] = task
            self._found = found
        return self._found


_registry = _Registry()
TASKS: Mapping[str, "Task[Any, Any]"] = _registry


def get_task(name: str) -> "Task[Any, Any]":
    """The task of that name; InputError lists the known ones."""
    if name not in TASKS:
        from reeltune.data.samples import nearest

        raise InputError(f"{name!r} is no known task{nearest(name, TASKS)}; known tasks: {', '.join(sorted(TASKS))}")
    return TASKS[name]


def load_samples(path: Path | str) -> "list[Sample]":
    """The samples of a file, each typed by its task. See `reeltune.data.samples.read_samples` for errors."""
    from reeltune.data.samples import read_samples

    return read_samples(path, {name: task.sample_type for name, task in TASKS.items()})


def load_task_file(path: Path | str) -> "Task[Any, Any]":
    """Run a user's own task file and register its `TASK`. Loading the same file again replaces it."""
    from reeltune.tasks.base import Task

    path = Path(path).resolve()
    task = getattr(load_module(path), "TASK", None)
    if not isinstance(task, Task):
        raise InputError(f"{path}: a task file must end with TASK = MyTask(), an instance of reeltune's Task")
    _registry.add(task, path)
    return task


def load_module(path: Path) -> ModuleType:
    """A Python file as a module of its own, importable classes included. InputError when it is missing."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; give the path of a Python file")
    name = f"reeltune_user_{path.stem}_{abs(hash(str(path))):x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path}: not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
