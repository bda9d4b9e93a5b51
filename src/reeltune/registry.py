"""The one plug mechanism: tasks, rewards, losses, families, engines, judges and formats are names in a registry.

A name is one of ours (`dapo`), an object of an installed module (`module:object`), or one of a file of your own
(`file.py:object`). Ours are written as `module:object` too and imported when they are asked for, so that a registry
costs nothing and imports nothing heavy.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from reeltune.errors import InputError, nearest

T = TypeVar("T")


class Registry(Generic[T]):
    """What goes by a name, of one `kind` ("loss", "task", ...); `entries` maps our names to `module:object`.

    `check` looks at an object that a user named and raises InputError when it is not of this kind.
    """

    def __init__(self, kind: str, entries: Mapping[str, str], check: Callable[[str, Any], None] | None = None) -> None:
        self.kind = kind
        self._places = dict(entries)
        self._loaded: dict[str, T] = {}
        self._check = check

    def __contains__(self, name: object) -> bool:
        return name in self._places or name in self._loaded

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._places, *self._loaded]))

    def get(self, name: str) -> T:
        """The object of that name. InputError names the nearest known one, or what `module:object` lacks."""
        if name in self._loaded:
            return self._loaded[name]
        if name in self._places:
            self._loaded[name] = load_object(self._places[name], kind=self.kind)
        elif ":" in name:
            found = load_object(name, kind=self.kind)
            if self._check:
                self._check(name, found)
            self._loaded[name] = found
        else:
            known = sorted(self)
            raise InputError(
                f"{name!r} is not a known {self.kind}{nearest(name, known)}; known: {', '.join(known)}; your own "
                "is written module:object or file.py:object"
            )
        return self._loaded[name]

    def add(self, name: str, value: T) -> None:
        """Let `value` go by `name` in this process. InputError for a name that something else has."""
        if name in self and self._loaded.get(name) is not value:
            raise InputError(f"{self.kind} {name!r} already exists; choose another name")
        self._loaded[name] = value


def load_object(spec: str, *, kind: str) -> Any:
    """The object that "module:object" or "path/to/file.py:object" names. InputError when there is none."""
    place, colon, name = spec.rpartition(":")
    if not colon or not place or not name:
        raise InputError(f"{kind} {spec!r}: write module:object or path/to/file.py:object")
    if place.endswith(".py"):
        module = load_module(Path(place))
    else:
        try:
            module = importlib.import_module(place)
        except ModuleNotFoundError as error:
            raise InputError(
                f"{kind} {spec!r}: there is no module {error.name!r}; install it, or write the path of a .py file"
            ) from error
    if not hasattr(module, name):
        names = [key for key in vars(module) if not key.startswith("_")]
        raise InputError(f"{kind} {spec!r}: {place} has no {name!r}{nearest(name, names)}")
    return getattr(module, name)


def load_module(path: Path) -> ModuleType:
    """A Python file as a module of its own, run once per process. InputError when there is no such file."""
    path = path.resolve()
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of a Python file")
    name = f"reeltune_user_{path.stem}_{abs(hash(str(path))):x}"
    if name in sys.modules:
        return sys.modules[name]
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
