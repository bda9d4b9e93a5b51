"""A source that is open: its samples, its index, its notes, where its media stand."""

import hashlib
import os
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reeltune.config.recipe import parse_recipe
from reeltune.data.kept import Media, MediaFinder
from reeltune.errors import InputError
from reeltune.evaluation.peers import is_from_a_peer, read_from_a_peer
from reeltune.explorer.index import Index
from reeltune.explorer.notes import Notes
from reeltune.explorer.rows import named, numbers_of
from reeltune.explorer.sources import RowFile, Source
from reeltune.files import write_jsonl
from reeltune.lock import is_held
from reeltune.report.run_files import read_run, read_run_samples
from reeltune.sample import Sample, read_rows, to_sample
from reeltune.tasks import get_task, load_task_file, load_usable, sample_types
from reeltune.tasks.base import Mode

PARTS = {"train": "rollout", "held_out": "evaluation"}


class Opened:
    """`load` and `refresh` run in a thread of the server, so that the page answers while a large run is read."""

    def __init__(self, source: Source, cache: Path, media_roots: Sequence[Path] = ()) -> None:
        self.source = source
        known = [(path.resolve(), path.stat().st_size, path.stat().st_mtime_ns) for path in source.samples]
        key = hashlib.sha256(str([source.path.resolve(), known]).encode()).hexdigest()[:20]
        self.index = Index(cache / f"{key}.sqlite")
        self.notes = Notes(source.notes)
        self.ready = False
        self.problems = list(source.problems)
        self.mode: Mode | None = None
        """How the answers were asked for; None where nothing says so, as for answers of others."""
        self._samples: dict[str, dict[str, Sample]] = {}
        self._loaded: dict[Path, int] = {}
        self._converted: tuple[int, int] | None = None
        self.said: list[str] = []
        """What a reader should know of how the files were read."""
        self._lock = threading.Lock()
        folders = [source.folder, *(path.parent for path in source.samples)]
        record = source.media_record
        self.finder = MediaFinder(folders, media_roots, [record] if record else [])

    @property
    def live(self) -> bool:
        """Whether a process trains or evaluates in the folder at this moment."""
        return self.source.kind in ("run", "evaluation", "selection") and is_held(self.source.folder)

    def load(self) -> None:
        """Everything for the first time."""
        with self._lock:
            try:
                self._read_settings()
                self._read_samples()
                self._convert()
                self.index.refresh(self.source, self.find)
                if self.source.kind == "selection":
                    self._decide()
                if self.source.kind == "evaluation":
                    self._add_judged()
                if self.source.kind == "samples":
                    self._count_duplicates()
            except InputError as error:
                self.problems.append(str(error))
            finally:
                self.ready = True

    def refresh(self) -> bool:
        """What came since; True when anything did."""
        with self._lock:
            self._convert()
            return self.index.refresh(self.source, self.find)

    def find(self, file: RowFile, row: Mapping[str, Any]) -> Sample | None:
        """The sample of a row."""
        if file.part == "selection":
            return to_sample(row["sample"], sample_types(), path=file.path)
        if file.part == "sample":
            return self._samples.get(str(file.path), {}).get(str(row.get("id")))
        own = self._samples.get(file.part, {})
        return own.get(str(row.get("id"))) or self._samples.get("", {}).get(str(row.get("id")))

    def media(self, sample: Sample) -> list[list[Media]]:
        """Of each medium its files: one, or those of a list of frames."""
        return [[self.finder.find(sample.folder, name) for name in each.names] for each in sample.all_media]

    def _read_settings(self) -> None:
        """Task files of the run's own, and how its prompts are put."""
        config = self.source.config()
        if self.source.kind == "run" and config:
            recipe = parse_recipe(config, where=str(self.source.path / "config.yaml"))
            self.mode = recipe.data.mode
            for path in recipe.data.tasks:
                load_task_file(path)
        else:
            stated = (config.get("settings") or config).get("mode")
            self.mode = stated if stated in ("think", "direct", "structured") else None

    def _read_samples(self) -> None:
        if self.source.kind == "run" and not self.source.samples:  # written before runs kept their samples
            found = read_run_samples(read_run(self.source.path))
            self._samples = {"rollout": found.train, "evaluation": {sample.id: sample for sample in found.held_out}}
            self.problems += found.problems
            extra = {sample.folder for part in self._samples.values() for sample in part.values()}
            self.finder.allowed += [folder.resolve() for folder in extra]
            return
        for path in self.source.samples:
            loaded = load_usable(path)
            name = str(path) if self.source.kind == "samples" else PARTS.get(path.stem, "")
            self._samples.setdefault(name, {}).update({sample.id: sample for sample in loaded.samples})
            if self.source.kind != "samples":  # there the check's findings tell them
                self.problems += [fault.reason for fault in loaded.faults[:20]]

    def _convert(self) -> None:
        """Answers of another evaluator as lines of ours, in the cache, again whenever their file changes."""
        path = self.source.path
        if self.source.kind != "answers" or not self._samples or not is_from_a_peer(path):
            return
        stat = path.stat()
        if (state := (stat.st_size, stat.st_mtime_ns)) != self._converted:
            known = [sample for part in self._samples.values() for sample in part.values()]
            found, how = read_from_a_peer(path, known)
            target = self.index.path.with_suffix(f"{self.index.path.suffix}.answers.jsonl")
            write_jsonl(target, [{"id": name, "text": text} for name, texts in found.items() for text in texts])
            self.source, self._converted = replace(self.source, converted=target), state
            self.said = [how]

    def _decide(self) -> None:
        """What became of each sample, beside its statistics."""
        file = self.source.folder / "decisions.jsonl"
        if not file.exists():
            return
        rows = [row for _, row in read_rows(file)]
        for name in ("kind", "difficulty", "reason"):
            self.index.set_values(name, [(row.get(name), row["id"]) for row in rows])
        self.index.set_values("kept", [(row.get("kept"), row["id"]) for row in rows])

    def _add_judged(self) -> None:
        """What only a judge could score, from per_sample.jsonl: what needs none was scored here."""
        file = self.source.folder / "per_sample.jsonl"
        if not file.exists():
            return
        samples = [sample for part in self._samples.values() for sample in part.values()]
        own = {name for sample in samples for name in get_task(sample.task).scores(sample, None)}
        found: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
        for _, row in read_rows(file):
            for name, value in named(numbers_of(row)).items():
                if name not in own and value is not None:
                    found[name].append((value / 100.0, str(row["id"])))
        for name, values in found.items():
            self.index.set_values(name, values)

    def _count_duplicates(self) -> None:
        """Samples that ask the same of the same medium, and samples whose medium stands in another file too: a model
        that trains on one is not tested by the other."""
        rows = self.index.select("SELECT sample, file, media, question FROM groups WHERE media <> ''")
        folders = {path.name: path.parent for path in self.source.samples}
        asked = Counter((row["media"], row["question"]) for row in rows)
        files: dict[str, set[str]] = {}
        for row in rows:
            row["place"] = os.path.normpath(folders.get(row["file"], Path()) / row["media"])
            files.setdefault(row["place"], set()).add(row["file"])
        twice = [(asked[row["media"], row["question"]] - 1, row["sample"]) for row in rows]
        self.index.set_values("duplicates", [each for each in twice if each[0]])
        leaks = [(len(files[row["place"]]) - 1, row["sample"]) for row in rows]
        self.index.set_values("leaks", [each for each in leaks if each[0]])
