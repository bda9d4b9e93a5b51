"""What the explorer opens: a run, an evaluation, a selection, files of samples, answers of others; and its files."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from reeltune.data.kept import FOLDER, MEDIA, kept_files
from reeltune.errors import InputError
from reeltune.evaluation.peers import is_from_a_peer
from reeltune.report.run_files import is_run, steps_of
from reeltune.sample import read_rows

Kind = Literal["run", "evaluation", "selection", "samples", "answers"]
Part = Literal["rollout", "evaluation", "sample", "selection"]
NOTES = "notes.jsonl"
DEPTH = 3


@dataclass(frozen=True)
class RowFile:
    """One file of rows. `step`: of a run's; `part`: what a row of it is; `name`: what it goes by in addresses, where
    that is not its own place."""

    path: Path
    part: Part
    step: int | None = None
    name: str = ""

    def name_in(self, folder: Path) -> str:
        within = self.path.is_relative_to(folder)
        return self.name or (self.path.relative_to(folder).as_posix() if within else self.path.name)


@dataclass(frozen=True)
class Source:
    """`name` is unique among what is open and stands in addresses. `samples`: files that know the samples asked for;
    `converted`: the answers of another evaluator as lines of ours, in the cache."""

    name: str
    kind: Kind
    path: Path
    samples: tuple[Path, ...] = ()
    problems: tuple[str, ...] = field(default=())
    converted: Path | None = None

    @property
    def folder(self) -> Path:
        return self.path if self.path.is_dir() else self.path.parent

    @property
    def notes(self) -> Path:
        """Beside what was opened: RUN/notes.jsonl, or samples.notes.jsonl for samples.jsonl."""
        return self.path / NOTES if self.path.is_dir() else self.path.with_suffix(f".{NOTES}")

    @property
    def media_record(self) -> Path | None:
        file = self.folder / FOLDER / MEDIA
        return file if file.exists() else None

    def files(self) -> Iterator[RowFile]:
        """Those that are there now; a run that trains has more each time."""
        if self.kind == "run":
            yield from (RowFile(path, "rollout", step) for step, path in steps_of(self.path / "rollouts").items())
            yield from (RowFile(path, "evaluation", step) for step, path in steps_of(self.path / "answers").items())
        elif self.kind == "evaluation":
            yield RowFile(self.path / "predictions.jsonl", "evaluation")
        elif self.kind == "selection":
            yield RowFile(self.path / "stats.jsonl", "selection")
        elif self.converted:
            yield RowFile(self.converted, "evaluation", name=self.path.name)
        elif self.kind == "answers":
            yield RowFile(self.path, "evaluation")
        else:
            yield from (RowFile(path, "sample") for path in self.samples)

    def config(self) -> dict[str, Any]:
        """The settings: of a run its recipe, of an evaluation and a selection what their answers depend on."""
        if (file := self.folder / "config.yaml").exists() and self.kind == "run":
            tree = yaml.safe_load(file.read_text(encoding="utf-8"))
            return tree if isinstance(tree, dict) else {}
        if (file := self.folder / "identity.json").exists() and self.kind in ("evaluation", "selection"):
            tree = json.loads(file.read_text(encoding="utf-8"))
            return tree if isinstance(tree, dict) else {}
        return {}


def open_sources(paths: Sequence[Path], samples: Sequence[Path] = ()) -> list[Source]:
    """Everything that `paths` hold: a folder that is none of the kinds is looked through, DEPTH folders deep.

    `samples` knows the samples of answers that do not say them themselves. InputError where there is nothing to show.
    """
    found = [(path, kind) for path in paths for path, kind in _kinds(path)]
    names = _names([path for path, _ in found], paths)
    return [_source(name, path, kind, samples) for name, (path, kind) in zip(names, found, strict=True)]


def _kinds(path: Path) -> list[tuple[Path, Kind]]:
    if not path.exists():
        raise InputError(f"{path}: there is no such file or folder; pass a run, an evaluation, a selection or samples")
    if path.is_file():
        return [(path, _kind_of_file(path))]
    found = list(_search(path, DEPTH))
    if not found:
        raise InputError(
            f"{path}: it contains no run (config.yaml), evaluation (predictions.jsonl), selection (stats.jsonl) or "
            "samples (*.jsonl)"
        )
    return found


def _search(folder: Path, depth: int) -> Iterator[tuple[Path, Kind]]:
    if is_run(folder):
        yield folder, "run"
    elif (folder / "stats.jsonl").exists():
        yield folder, "selection"
    elif (folder / "predictions.jsonl").exists():
        yield folder, "evaluation"
    elif _samples_in(folder):
        yield folder, "samples"
    elif depth:
        for each in sorted(folder.iterdir()):
            if each.is_dir() and not each.name.startswith("."):
                yield from _search(each, depth - 1)


def _samples_in(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.jsonl")) if _first(path).get("task") and "text" not in _first(path)
            and "answers" not in _first(path)]  # fmt: skip


def _first(path: Path) -> dict[str, Any]:
    """The first row, {} for a file that does not begin with one."""
    try:
        return next((row for _, row in read_rows(path)), {})
    except InputError:
        return {}


def _kind_of_file(path: Path) -> Kind:
    if path.name == "stats.jsonl":
        raise InputError(f"{path}: pass its folder, the selection")
    if is_scores(path) or is_from_a_peer(path):
        return "answers"
    row = _first(path)
    if path.suffix == ".jsonl" and "task" in row and "text" not in row:
        return "samples"
    if "id" not in row or "text" not in row:
        raise InputError(
            f"{path}: not samples (id, task), answers (id, text, or the output of another evaluator) or scores "
            f"(reeltune score --per-sample); its first row has {', '.join(row) or 'nothing'}"
        )
    return "answers"


def is_scores(path: Path) -> bool:
    """What `reeltune score --per-sample` and an evaluation's per_sample.jsonl hold: scores, and what was read."""
    row = _first(path) if path.suffix == ".jsonl" else {}
    return "id" in row and isinstance(row.get("answers"), list)


def _source(name: str, path: Path, kind: Kind, samples: Sequence[Path]) -> Source:
    problems = []
    if kind == "samples":
        own: tuple[Path, ...] = tuple(_samples_in(path)) if path.is_dir() else (path,)
    elif kind == "selection":
        own = ()  # its statistics hold them
    else:
        # What a folder kept are the very samples it was asked; others' are for answers that keep none.
        own = tuple(kept_files(path) if path.is_dir() else ()) or tuple(samples)
        if path.is_dir() and not own and (path / "samples.jsonl").exists():
            own = (path / "samples.jsonl",)
    if kind in ("evaluation", "answers") and not own:
        problems.append("The samples of these answers are unknown: pass them with --samples FILE")
    return Source(name, kind, path, own, tuple(problems))


def _names(paths: Sequence[Path], given: Iterable[Path]) -> list[str]:
    """The shortest ends of the paths that tell them apart."""
    parts = [path.resolve().parts for path in paths]
    names = []
    for own in parts:
        length = next((n for n in range(1, len(own)) if sum(other[-n:] == own[-n:] for other in parts) == 1), len(own))
        names.append("/".join(own[-length:]))
    return names
