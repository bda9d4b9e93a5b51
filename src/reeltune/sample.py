"""The sample record: JSON Lines in, typed and validated out.

A task adds its own fields by subclassing `Sample` in its one file; this module knows no task. It reads, names
what is wrong with file, line, id, field, value and rule, and never repairs a row. `read_usable` sets faulty lines aside
and gives them back as faults; `read_samples` stops at the first.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from reeltune.errors import InputError, nearest, shown
from reeltune.fields import Duration, FieldError, Id, MediaPath, Seconds, Text, clock_seconds, rule_of
from reeltune.media import Medium, Turn, medium_of, require_alternating

__all__ = [
    "Duration",
    "Fault",
    "FieldError",
    "Loaded",
    "Medium",
    "Sample",
    "Seconds",
    "Text",
    "Turn",
    "clock_seconds",
    "filled_lines",
    "medium_of",
    "missing_videos",
    "read_rows",
    "read_samples",
    "read_usable",
    "to_sample",
]


class Sample(BaseModel):
    """The fields that all tasks share: one `video`, or any `media`, or neither; paths are relative to the samples file.

    `turns` come before the question. `system` comes first and replaces the recipe's. Media of a turn come before its
    text, those of the sample before its question.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Id
    task: Text
    video: MediaPath | None = None
    media: tuple[Medium, ...] = ()
    system: Text | None = None
    turns: tuple[Turn, ...] = ()
    source: Text | None = None
    meta: dict[str, Any] = Field(default_factory=dict)

    is_timed: ClassVar[bool] = False
    """Its answers are times or places in a video: it shows exactly one video, or list of frames."""
    # Not a pydantic private attribute: those cost more than all checks of a row together.
    _folder: ClassVar[Path] = Path()
    _where: ClassVar[str] = ""

    @model_validator(mode="after")
    def _media_once(self) -> Self:
        if self.video is not None and self.media:
            raise FieldError("media", "a sample can have `video` or `media`, not both")
        if self.turns:
            require_alternating(self.turns)
        if self.is_timed and self.video is None:
            shown = sum(each.kind != "image" for each in self.all_media)
            if shown != 1:
                raise FieldError("media" if shown else "video", f"a {self.task} sample needs one video; it has {shown}")
        return self

    @property
    def own_media(self) -> tuple[Medium, ...]:
        """What stands before the question; `video` is one medium."""
        return (Medium.model_construct(video=self.video),) if self.video is not None else self.media

    @property
    def all_media(self) -> tuple[Medium, ...]:
        """Of all turns, in the order of the conversation."""
        return (*(medium for turn in self.turns for medium in turn.media), *self.own_media)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files and folders that its media name, resolved against the samples file (or the working folder)."""
        return tuple(path for medium in self.all_media for path in medium.files(self._folder))

    @property
    def folder(self) -> Path:
        """What the paths of its media are relative to."""
        return self._folder

    @property
    def video_path(self) -> Path | None:
        """Where its first video stands; None without one."""
        return next((each.files(self._folder)[0] for each in self.all_media if each.kind == "video"), None)

    @property
    def media_name(self) -> str:
        """Its media in words, as they are written: for groups of samples about the same, and for messages."""
        return self.video if self.video is not None else "; ".join(map(str, self.all_media))

    @property
    def where(self) -> str:
        """ "FILE, line 3", or "" of a sample that no file holds."""
        return self._where


@dataclass(frozen=True)
class Fault:
    """A sample that cannot be used, and why: what check, training, evaluation and selection set aside.

    id: the sample's; of a line that makes no sample "FILE, line 3". reason: names file, line and id.
    line: only of a line that makes no sample. repeats: its id is that of an earlier line.
    """

    id: str
    video: str
    reason: str
    line: int | None = None
    repeats: bool = False


@dataclass(frozen=True)
class Loaded:
    """The samples of a file that keep the contract, in order, and the faults of all else."""

    samples: list[Sample]
    faults: list[Fault]


def read_usable(path: Path | str, types: Mapping[str, type[Sample]]) -> Loaded:
    """The samples of one JSON Lines file; lines that break a rule are its faults, a second use of an id too.

    InputError only where the file cannot be read, or no line of it is a JSON object.
    """
    path = Path(path)
    samples: list[Sample] = []
    faults: list[Fault] = []
    lines: dict[str, int] = {}
    is_other = True
    for line, text in filled_lines(path):
        row: dict[str, Any] = {}
        try:
            row = _json_object(text, path, line)
            is_other = False
            sample = to_sample(row, types, path=path, line=line)
        except InputError as error:
            faults.append(Fault(f"{path}, line {line}", str(row.get("video", "")), str(error), line))
            continue
        if sample.id in lines:
            reason = _used_twice(sample, lines[sample.id])
            faults.append(Fault(f"{path}, line {line}", str(row.get("video", "")), reason, line, repeats=True))
            continue
        lines[sample.id] = line
        samples.append(sample)
    if is_other and faults:
        raise InputError(faults[0].reason)
    if not samples and not faults:
        raise InputError(f"{path}: the file has no samples; write one JSON object per line")
    return Loaded(samples, faults)


def _used_twice(sample: Sample, first: int) -> str:
    return f"{sample.where}, id {sample.id!r}: this id is already used in line {first}; every sample needs its own id"


def read_samples(path: Path | str, types: Mapping[str, type[Sample]]) -> list[Sample]:
    """All samples of one JSON Lines file, in order.

    `types` maps a task's name to its sample type. InputError at the first line that breaks a rule, at a
    second use of an id, and for a file without a sample.
    """
    loaded = read_usable(path, types)
    if loaded.faults:
        raise InputError(loaded.faults[0].reason)
    return loaded.samples


def read_rows(path: Path | str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number from 1, object) of every line that is not blank. InputError for all but JSON objects."""
    path = Path(path)
    for line, text in filled_lines(path):
        yield line, _json_object(text, path, line)


def filled_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(line number from 1, text) of every line that is not blank. InputError for what cannot be read as text."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            for line, text in enumerate(file, start=1):
                if text.strip():
                    yield line, text
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
            f"{where}, field 'task': {shown(task)} is not a known task{nearest(task, types)}; known tasks: "
            f"{', '.join(sorted(types))}"
        )
    try:
        sample = types[task].model_validate(dict(row))
    except ValidationError as error:
        raise InputError(f"{where}, {_explain(error, types[task], row)}") from None
    sample.__dict__["_folder"] = path.parent
    sample.__dict__["_where"] = f"{path}, line {line}"
    return sample


def missing_videos(samples: Iterable[Sample]) -> list[Fault]:
    """A fault for each sample a file of whose media is not on disk: the first such."""
    there: dict[Path, bool] = {}
    faults = []
    for sample in samples:
        for path in sample.files:
            if path not in there:
                there[path] = path.exists()
            if not there[path]:
                reason = f"{sample.where}, id {sample.id!r}: there is no file {path}"
                faults.append(Fault(sample.id, sample.media_name, reason))
                break
    return faults


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
        rule = rule_of(first, kind)
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
