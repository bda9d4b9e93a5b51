"""The model families, each a name in one registry: the `model_type` of a config.json, or one of your own.

A family of your own is `module:Class` or `path/to/file.py:Class`, a subclass of `Family`; `examples/own_family.py`
shows one whole.
"""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from reeltune.config import names
from reeltune.errors import InputError
from reeltune.models.families.base import Family, read_processor
from reeltune.models.loading import open_config, raw_config
from reeltune.registry import Registry

__all__ = ["FAMILIES", "Family", "make_family", "open_family"]


def _check(name: str, found: Any) -> None:
    if not (isinstance(found, type) and issubclass(found, Family)):
        raise InputError(f"model family {name!r} must be a subclass of reeltune.models.families.Family; got {found!r}")
    if hasattr(found, "picture"):
        raise InputError(f"model family {name!r} has a method `picture`, which is now called `image_frames`: rename it")


FAMILIES: Registry[type[Family]] = Registry(
    "model family",
    names.FAMILIES,
    _check,
)


def make_family(config: Any, path: Path, name: str | None = None) -> Family:
    """The family of the model directory `path`: by `name`, else by its config's `model_type`.

    InputError when there is none, or none that goes by this name.
    """
    return FAMILIES.get(name or config.model_type)(config, read_processor(path))


def open_family(path: Path, name: str | None = None) -> tuple[Any, Family]:
    """The config of the model directory `path`, and its family: by `name`, else by the type in its config.json.

    InputError for a type without a family, also one that transformers does not know, and for a config that its class
    refuses.
    """
    if name is None:
        _require_known(path, raw_config(path))
    config = open_config(path)
    return config, make_family(config, path, name)


def _require_known(path: Path, written: dict[str, Any]) -> None:
    kind = str(written.get("model_type"))
    if kind in FAMILIES:
        return
    near = get_close_matches(kind, list(FAMILIES), n=1, cutoff=0.0)
    own_code = (
        " Its config.json asks for code of its own (auto_map), which is never run: where its makers publish a version "
        "for transformers, often named ...-hf, use that."
        if "auto_map" in written
        else ""
    )
    raise InputError(
        f"{path}: no family supports model type {kind!r}; the nearest is {near[0]!r}.{own_code} Supported: "
        f"{', '.join(FAMILIES)}. Set model.family to your own, module:Class or path/to/file.py:Class "
        "(docs/new-family.md)"
    )
