"""What a recipe that breaks rules is told, in words."""

import difflib
import re
from typing import Any, get_args

from pydantic import BaseModel

REMOVED = {
    "rewards.preset": "rewards.weights: {TASK: {format: 0.5, iou: 0.5}} and so on; the files in recipes/ contain "
    "the papers' weights, and without any every reward of a task has weight 1",
}
"""Keys of earlier versions, and what is written instead."""
SECRET = re.compile(r"key|secret|password|credential|url|token$", re.IGNORECASE)
"""Names of what may hold a key, misplaced or not: messages do not repeat it."""


def explain(problem: dict[str, Any], schema: type[BaseModel]) -> str:
    """One of pydantic's errors about `schema`: the key, the value given and the rule, or the nearest valid key."""
    path = ".".join(str(part) for part in problem["loc"])
    given = repr(_told(path.rpartition(".")[2], problem["input"]))
    if problem["type"] == "extra_forbidden" and path in REMOVED:
        return f"{path}={given}: this key was removed; use {REMOVED[path]}"
    if problem["type"] == "extra_forbidden":
        known = _keys(schema, problem["loc"][:-1])
        near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
        hint = (
            f"nearest valid key: {'.'.join([*map(str, problem['loc'][:-1]), near[0]])}" if near else f"valid: {known}"
        )
        return f"{path}={given}: unknown key; {hint}"
    if problem["type"] == "model_type":
        known = _keys(schema, problem["loc"])
        return f"{path}={given}: must be a section with keys, such as {path}.{known[0]}=..."
    if problem["type"] == "missing":
        return f"{path}: required, but missing"
    rule = str(problem["msg"]).removeprefix("Value error, ")
    # A rule over several sections names its keys itself.
    return f"{path}={given}: {rule}" if path else rule


def _told(name: str, value: Any) -> Any:
    """The value as messages give it."""
    if isinstance(value, dict):
        return {key: _told(str(key), each) for key, each in value.items()}
    return "(not repeated here)" if SECRET.search(name) and isinstance(value, str | list) else value


def _keys(schema: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The field names of the section at `location`."""
    section: Any = schema
    for part in location:
        if isinstance(part, str):
            annotation = section.model_fields[part].annotation
            # A list of sections, or a section that may be left out.
            inner = [each for each in get_args(annotation) if isinstance(each, type) and issubclass(each, BaseModel)]
            section = inner[0] if inner else annotation
    return list(section.model_fields)
