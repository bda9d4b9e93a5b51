"""The kinds of values that a sample's fields have: text that is not blank, ids, times in seconds or on a clock."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints

Text = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1)]
"""Text that is not blank."""

NAME_BYTES, PATH_BYTES = 255, 4000
"""What file systems allow; systems refuse even to look for a longer one."""


def _as_path(value: str) -> str:
    longest = max(len(part.encode()) for part in value.split("/"))
    if longest > NAME_BYTES or len(value.encode()) > PATH_BYTES or "\0" in value:
        raise ValueError(f"no file can have this path; names have at most {NAME_BYTES} bytes, and none that is zero")
    return value


MediaPath = Annotated[Text, AfterValidator(_as_path)]
"""Where a file may stand."""


def clock_seconds(text: str) -> float | None:
    """Seconds of a clock time: m:ss or h:mm:ss, with a point or (as in subtitles) a comma before decimals.

    >>> clock_seconds("1:02.5"), clock_seconds("01:00:00,250"), clock_seconds("1:75"), clock_seconds("62.5")
    (62.5, 3600.25, None, None)
    """
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        return None
    hours, minutes, seconds = int(match[1] or 0), int(match[2]), float(match[3].replace(",", "."))
    return 3600 * hours + 60 * minutes + seconds if seconds < 60 and (minutes < 60 or not match[1]) else None


_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2}(?:[.,]\d{1,6})?)")


def _from_clock(value: object) -> object:
    found = clock_seconds(value) if isinstance(value, str) else None
    return value if found is None else found


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Id = Annotated[Text, BeforeValidator(_as_text)]
"""Text; an integer is taken as text."""
Seconds = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0), BeforeValidator(_from_clock)]
"""A time in the source video: a finite number of seconds, not negative, or a clock time such as "1:02.5"."""
Duration = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0), BeforeValidator(_from_clock)]
"""The length of the source video in seconds."""


class FieldError(ValueError):
    """A rule that needs several fields is broken; `field` is the one to fix. Raised by sample types."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(rule)
        self.field = field


def rule_of(problem: Mapping[str, Any], kind: type[BaseModel]) -> str:
    """The rule that one of pydantic's errors about a `kind` is of, in words for its user."""
    if problem["type"] == "tuple_type":
        return f"must be a list: {form(kind.model_fields[problem['loc'][0]].annotation)}"
    return str(problem["msg"]).removeprefix("Value error, ")


def form(annotation: Any) -> str:
    """How a value of this type is written in JSON.

    >>> form(tuple[tuple[Seconds, Seconds], ...]), form(tuple[Text, ...])
    ('[[number, number], ...]', '[text, ...]')
    """
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return form(inner[0])
    if origin is tuple:
        return f"[{', '.join('...' if each is Ellipsis else form(each) for each in inner)}]"
    return {str: "text", float: "number", int: "whole number"}.get(annotation, "{...}")
