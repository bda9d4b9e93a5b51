"""A run directory as the report and the viewer read it. Whatever is missing is empty, never an error."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from reeltune.config.recipe import Recipe, parse_recipe
from reeltune.config.tree import read_yaml
from reeltune.data.kept import kept_files
from reeltune.data.sources import TOYWORLD, load_source, toyworld_file
from reeltune.errors import InputError
from reeltune.report.charts import Point
from reeltune.sample import Sample
from reeltune.tasks import load_task_file, load_usable
from reeltune.tasks.base import Mode

Row = dict[str, Any]
EVAL = "eval/"


@dataclass(frozen=True)
class RunFiles:
    """`metrics` holds the lines of the training steps, `evaluations` those of the evaluations, both in order."""

    directory: Path
    config: Row
    environment: Row
    metrics: list[Row]
    evaluations: list[Row]
    timings: list[Row]
    quarantine: list[Row]
    warnings: list[Row]
    """What the watch had to say."""
    rollout_files: dict[int, Path]
    answer_files: dict[int, Path]
    """What the evaluations were answered, by step."""

    @property
    def method(self) -> str:
        return str(self.config.get("method", "unknown"))

    @property
    def last_step(self) -> int:
        return int(self.metrics[-1]["step"]) if self.metrics else 0

    @property
    def planned_steps(self) -> int | None:
        section = self.config.get("sft" if self.method == "sft" else "rl")
        return section.get("steps") if isinstance(section, dict) else None

    def values(self, key: str) -> list[Point]:
        """(step, value) wherever a training step or an evaluation wrote `key`."""
        rows = self.evaluations if key.startswith(EVAL) else self.metrics
        return [(row["step"], row[key]) for row in rows if row.get(key) is not None]

    def names(self, evaluations: bool = False) -> list[str]:
        rows = self.evaluations if evaluations else self.metrics
        return [key for key in dict.fromkeys(key for row in rows for key in row) if key != "step"]

    def groups(self, step: int) -> list[Row]:
        return read_lines(self.rollout_files[step])

    def seconds(self) -> float:
        """Wall time of all steps and evaluations that the files record."""
        return float(sum(row.get("seconds", 0.0) + row.get("evaluation", 0.0) for row in self.timings))


def read_run(directory: Path) -> RunFiles:
    """InputError when the directory is not one of a run, and for a file that is not what a run writes."""
    if not is_run(directory):
        raise InputError(f"{directory}: not a run directory; it must hold config.yaml or metrics.jsonl")
    lines = read_lines(directory / "metrics.jsonl")
    is_evaluation = [any(key.startswith(EVAL) for key in line) for line in lines]
    environment = directory / "environment.json"
    return RunFiles(
        directory=directory,
        config=_config(directory / "config.yaml"),
        environment=json.loads(environment.read_text(encoding="utf-8")) if environment.exists() else {},
        metrics=[line for line, evaluation in zip(lines, is_evaluation, strict=True) if not evaluation],
        evaluations=[line for line, evaluation in zip(lines, is_evaluation, strict=True) if evaluation],
        timings=read_lines(directory / "timings.jsonl"),
        quarantine=read_lines(directory / "quarantine.jsonl"),
        warnings=read_lines(directory / "watch.jsonl"),
        rollout_files=steps_of(directory / "rollouts"),
        answer_files=steps_of(directory / "answers"),
    )


def steps_of(folder: Path) -> dict[int, Path]:
    """The files of a run's folder that hold one step each, in order."""
    found = folder.glob("step-*.jsonl")
    steps = {int(match[1]): path for path in found if (match := re.fullmatch(r"step-(\d+)\.jsonl", path.name))}
    return dict(sorted(steps.items()))


def is_run(directory: Path) -> bool:
    return (directory / "config.yaml").exists() or (directory / "metrics.jsonl").exists()


def read_lines(path: Path) -> list[Row]:
    """The whole lines of a journal: one cut off by a kill is not there yet. A missing file has none.

    Lines end at line feeds alone: a completion may hold any other of Unicode's line separators.
    """
    if not path.exists():
        return []
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
    rows = []
    for number, line in enumerate(whole.split("\n") if whole else [], start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}, line {number}: not JSON ({error}); remove the line") from None
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: expected a JSON object, got {type(row).__name__}")
        rows.append(row)
    return rows


@dataclass(frozen=True)
class RunSamples:
    """The samples a run trained on and was evaluated on; `problems` says, in words, what could not be read."""

    train: dict[str, Sample]
    held_out: list[Sample]
    mode: Mode
    problems: tuple[str, ...] = ()


def read_run_samples(run: RunFiles) -> RunSamples:
    """Never raises for samples that are gone: a page without questions is better than none."""
    if not run.config:
        return RunSamples({}, [], "direct", ("config.yaml is missing, so the samples are unknown.",))
    try:
        recipe = parse_recipe(run.config, where=str(run.directory / "config.yaml"))
        for path in recipe.data.tasks:
            load_task_file(path)
    except InputError as error:
        return RunSamples({}, [], "direct", (f"The samples cannot be shown: {error}",))
    problems: list[str] = []
    if kept := {path.stem: load_usable(path).samples for path in kept_files(run.directory)}:
        return RunSamples({s.id: s for s in kept.get("train", [])}, kept.get("held_out", []), recipe.data.mode)
    train = [sample for source in recipe.data.train for sample in _source(source.path, recipe, problems)]
    evaluated = recipe.eval.data if run.evaluations or run.answer_files else None
    held_out = _source(evaluated, recipe, problems) if evaluated else []
    return RunSamples({sample.id: sample for sample in train}, held_out, recipe.data.mode, tuple(problems))


def _source(path: str, recipe: Recipe, problems: list[str]) -> list[Sample]:
    """Toyworld is never generated for a report: from another folder that would write videos to a wrong place."""
    try:
        if path.startswith(TOYWORLD) and not (file := toyworld_file(path, recipe.toyworld)).exists():
            raise InputError(f"there is no {file}; run this from the folder where the run was started")
        return load_source(path, recipe.toyworld).samples
    except InputError as error:
        problems.append(f"The samples of {path} cannot be shown: {error}")
        return []


def _config(path: Path) -> Row:
    if not path.exists():
        return {}
    tree = read_yaml(path)
    if not isinstance(tree, dict):
        raise InputError(f"{path} must be a mapping of sections; got {type(tree).__name__}")
    return cast(Row, tree)
