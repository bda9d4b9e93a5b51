"""Recipes as plain mappings, before their rules are checked: read, override, old names.

Every YAML text that a user gives comes through `parse_yaml`, which bounds its size, depth and aliases first: a few
hundred bytes of aliases can stand for gigabytes, and deep nesting ends Python's stack.
"""

import logging
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import yaml

from reeltune.config.shipped import locate
from reeltune.errors import InputError

MAX_BYTES = 2**20
MAX_DEPTH = 32
MAX_NODES = 200_000
MAX_BASES = 8
"""Mappings, lists and values, each counted as often as aliases repeat it."""

RENAMED = {
    "model.freeze_vision": "model.freeze",
    "rewards.generalised_iou": "rewards.generalized_iou",
    "rl.skipping.max_replaced": "rl.skipping.max_resampled",
    "rewards.captioning": "rewards.options.captioning",
}
"""Keys of earlier versions: read as the new key, with a note."""

log = logging.getLogger(__name__)


def load_tree(path: Path | None, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The recipe as plain mappings, with the overrides in it, not yet checked; no path: overrides alone.

    `path`: a file, or the name of a shipped recipe. `extends: RECIPE` in a file takes all that stands in another one,
    beside the file or shipped, and what the file itself says goes over it: mappings key by key, else the whole value.

    Raises:
        InputError: the file is missing, unreadable, too large or no YAML mapping; an override is broken; recipes
            extend each other in a circle.
    """
    tree = {} if path is None else _extended(locate(path), ())
    for override in overrides:
        apply_override(tree, override)
    rename(tree)
    return tree


def _extended(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """The file over the one that it extends; `above`: those that extend it, the first of them first."""
    if path.resolve() in above or len(above) > MAX_BASES:
        chain = " -> ".join(str(each) for each in (*above, path))
        raise InputError(f"recipe {path}: extends may chain at most {MAX_BASES} files; this chain is longer: {chain}")
    tree = read_yaml(path)
    if not isinstance(tree, dict):
        raise InputError(f"recipe {path} must be a mapping of sections; got {type(tree).__name__}")
    if "extends" not in tree:
        return tree
    base = tree.pop("extends")
    if not isinstance(base, str) or not base:
        raise InputError(f"recipe {path}: extends={base!r} must be one path, or the name of one shipped recipe")
    beside = path.parent / base
    try:
        found = beside if beside.exists() else locate(Path(base))
    except InputError as error:
        raise InputError(f"recipe {path}: extends={base!r}: {error}") from None
    below = _extended(found, (*above, path.resolve()))
    for each in (below, tree):
        rename(each)
    return _over(below, tree)


def _over(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """`own` over `base`: mappings key by key, every other value whole."""
    merged = dict(base)
    for key, value in own.items():
        below = base.get(key)
        merged[key] = _over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def read_yaml(path: Path, *, what: str = "recipe") -> Any:
    """The content of a YAML file in UTF-8. InputError when it is missing, unreadable, too large or broken."""
    if path.suffix == ".jsonl" and path.is_file():
        raise InputError(f"{what} {path}: a JSON Lines file contains samples (data.train={path}), not YAML settings")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise InputError(f"{what} {str(path)!r} does not exist") from None
    except OSError as error:
        raise InputError(f"{what} {path}: cannot be read: {error.strerror}; give the path of a YAML file") from error
    if len(data) > MAX_BYTES:
        raise InputError(f"{what} {path} is larger than {MAX_BYTES // 1024} KiB; is it really a YAML file of settings?")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{what} {path} is not UTF-8 text: byte 0x{data[error.start]:02x} in line {line}; save it as UTF-8"
        ) from None
    return parse_yaml(text, where=f"{what} {path}")


def parse_yaml(text: str, *, where: str) -> Any:
    """The value of a YAML text. InputError, which begins with `where`, for what is no YAML or out of bounds."""
    try:
        _check_bounds(text, where)
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise InputError(f"{where} is not valid YAML: {_words(error)}") from None
    except ValueError as error:  # a date such as 2026-13-45, an integer of thousands of digits
        raise InputError(f"{where} is not valid YAML: {error}; quote the value if it is a text") from None


def apply_override(tree: dict[str, Any], override: str) -> None:
    """Set `section.key=value` in the tree. InputError for another form, or a section that is a value."""
    path, equals, text = override.partition("=")
    if not equals or not all(path.split(".")):
        raise InputError(f"an override must look like section.key=value; got {override!r}")
    value = parse_yaml(text, where=f"override {override!r}: its value")
    *parents, leaf = path.split(".")
    node = tree
    for parent in parents:
        if node.get(parent) is None:
            node[parent] = {}
        node = node[parent]
        if not isinstance(node, dict):
            raise InputError(f"override {override!r}: {parent!r} is a value, not a section")
    node[leaf] = value


def rename(tree: dict[str, Any], table: dict[str, str] = RENAMED) -> None:
    """Move what stands under an old key to its new one, with a note. InputError where both are given."""
    for old, new in table.items():
        holder, leaf = _holder(tree, old)
        if holder is None or leaf not in holder:
            continue
        target, _ = _holder(tree, new)
        if target is not None and new.rpartition(".")[2] in target:
            raise InputError(f"{old} is the old name of {new}, and both are set; remove {old}")
        log.warning("%s was renamed to %s; the old name still works", old, new)
        value = holder.pop(leaf)
        *parents, last = new.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value


def _holder(tree: dict[str, Any], path: str) -> tuple[dict[str, Any] | None, str]:
    """The mapping in which the last part of `path` would stand, if there is one."""
    *parents, leaf = path.split(".")
    node: Any = tree
    for parent in parents:
        node = node.get(parent) if isinstance(node, dict) else None
    return (node if isinstance(node, dict) else None), leaf


def _check_bounds(text: str, where: str) -> None:
    """Walk the events of the text, which takes no recursion, and bound what building it would take."""
    depth, nodes = 0, 0
    open_nodes: list[tuple[str | None, int]] = []
    sizes: dict[str, int] = {}
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            open_nodes.append((event.anchor, nodes))
            nodes += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            anchor, before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = nodes - before
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_nodes):
                raise InputError(f"{where} contains itself: the alias *{event.anchor} is inside its own value")
            nodes += sizes.get(str(event.anchor), 1)
        elif isinstance(event, yaml.ScalarEvent):
            nodes += 1
        if depth > MAX_DEPTH:
            raise InputError(f"{where} is nested deeper than {MAX_DEPTH} levels")
        if nodes > MAX_NODES:
            raise InputError(f"{where} contains more than {MAX_NODES} values, counting aliases as what they repeat")


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice: YAML's own loader takes the last one without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in lines:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} is already in line {lines[key.value]}", key.start_mark
                    )
                lines[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)


def _words(error: yaml.YAMLError) -> str:
    """What is wrong and where, on one line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"{problem} (line {mark.line + 1}, column {mark.column + 1})" if mark else " ".join(problem.split())
