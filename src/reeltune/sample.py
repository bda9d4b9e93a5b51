"""The sample record: JSON Lines in, typed and validated out.

A task adds its own fields by subclassing `Sample` in its one file; this module knows no task. It reads, names
what is wrong with file, line, id, field, value and rule, and never drops or repairs a row.
"""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from reeltune.errors import InputError

Text = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1)]
"""Text that is not blank."""
Seconds = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0)]
"""A time in the source video: a finite number, not negative."""
Duration = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0)]
"""The length of the source video in seconds."""


class Sample(BaseModel):
    """The fields every task shares. `video` is relative to the folder of the samples file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Text
    task: Text
    video: Text
    source: Text | None = None
    meta: dict[str, Any] = Field(default_factory=dict)

    # Not a pydantic private attribute: those cost more than all checks of a row together.
    _folder: ClassVar[Path] = Path()

    @property
    def video_path(self) -> Path:
        """Where the video stands: `video` resolved against the samples file (or the working folder)."""
        return (self._folder / self.video).absolute()


def read_samples(path: Path | str, types: Mapping[str, type[Sample]]) -> list[Sample]:
    """All samples of one JSON Lines file, in order.

    `types` maps a task's name to its sample type. InputError at the first line that breaks a rule, at a
    second use of an id, and for a file without a sample.
    """
    path = Path(path)
    samples: list[Sample] = []
    lines: dict[str, int] = {}
    for line, row in read_rows(path):
        sample = to_sample(row, types, path=path, line=line)
        if sample.id in lines:
            raise InputError(
                f"{path}, line {line}, id {sample.id!r}: this id was used before, in line "
                f"{lines[sample.id]}; every sample needs an id of its own"
            )
        lines[sample.id] = line
        samples.append(sample)
    if not samples:
        raise InputError(f"{path}: the file holds no sample; write one JSON object per line")
    return samples


def read_rows(path: Path | str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number from 1, object) of every line that is not blank. InputError for all but JSON objects."""
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig") as file:
            for line, text in enumerate(file, start=1):
                if text.strip():
                    yield line, _json_object(text, path, line)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; give the path of a .jsonl file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error}); save the file as UTF-8") from error


def to_sample(
    row: Mapping[str, Any], types: Mapping[str, type[Sample]], *, path: Path | str = "samples", line: int = 0
) -> Sample:
    """One object as a typed sample. `path` and `line` say where it stands, for messages and for its video."""
    path = path if isinstance(path, Path) else Path(path)
    where = f"{path}, line {line}, id {row.get('id', '(none)')!r}"
    task = row.get("task")
    if not isinstance(task, str) or task not in types:
        if "task" not in row:
            raise InputError(f"{where}, field 'task': missing; known tasks: {', '.join(sorted(types))}")
        raise InputError(
            f"{where}, field 'task': {shown(task)} is no known task{nearest(task, types)}; "
            f"known tasks: {', '.join(sorted(types))}"
        )
    try:
        sample = types[task].model_validate(dict(row))
    except ValidationError as error:
        raise InputError(f"{where}, {_explain(error, types[task], row)}") from None
    sample.__dict__["_folder"] = path.parent
    return sample


def require_videos(samples: Iterable[Sample]) -> None:
    """InputError when a sample's video is not on disk: names the first and counts the files."""
    paths = {sample.video_path: sample for sample in samples}
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise InputError(
            f"id {paths[missing[0]].id!r}, field 'video': there is no file {missing[0]} "
            f"({len(missing)} of {len(paths)} videos are missing); "
            "paths are relative to the folder of the samples file"
        )


def nearest(name: object, known: Iterable[str]) -> str:
    """'; did you mean ...?' when a known name is close to the given one, else nothing."""
    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def shown(value: object, limit: int = 80) -> str:
    """A value for a message, cut at `limit` characters."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _json_object(text: str, path: Path, line: int) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}, line {line}: not JSON ({error}): {shown(text.strip())}; write one JSON object per line"
        ) from error
    if not isinstance(value, dict):
        raise InputError(f"{path}, line {line}: expected one JSON object per line, got {shown(value)}")
    return value


def _explain(error: ValidationError, kind: type[Sample], row: Mapping[str, Any]) -> str:
    found = error.errors(include_url=False)
    places = [problem["loc"] for problem in found]
    problems = [p for p in found if not any(o[: len(p["loc"])] == p["loc"] != o for o in places) or not p["loc"]]
    first = problems[0]
    place = _place(first["loc"]) or _place(_named_field(first))
    if first["type"] == "missing":
        text = f"field {place!r}: missing; a {row['task']} sample needs it"
    elif first["type"] == "extra_forbidden":
        fields = list(kind.model_fields)
        known = f"a {row['task']} sample has {', '.join(fields)}"
        text = f"field {place!r}: unknown{nearest(place, fields)}; {known}"
    else:
        value = row.get(place) if place in row and not first["loc"] else first["input"]
        rule = first["msg"].removeprefix("Value error, ")
        text = f"field {place!r}: {shown(value)}: {rule[:1].lower()}{rule[1:]}" if place else rule
    more = len(problems) - 1
    return text + (f" (and {more} more in this line)" if more else "")


def _named_field(problem: Any) -> Sequence[str]:
    """A rule across fields names its field by raising `FieldError`."""
    cause = problem.get("ctx", {}).get("error")
    return (cause.field,) if isinstance(cause, FieldError) else ()


def _place(parts: Sequence[int | str]) -> str:
    """('target', 0, 1) -> 'target[0][1]'."""
    names = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return "".join(names).removeprefix(".")


class FieldError(ValueError):
    """A rule that needs several fields is broken; `field` is the one to fix. Raised by sample types."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(rule)
        self.field = field
