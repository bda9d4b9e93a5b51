"""Trackers: a run's metrics, and now and then its groups with their videos, in the dashboards that people have.

Each is the library's own client, imported when a recipe names it, and configured as that library is (WANDB_MODE,
MLFLOW_TRACKING_URI, TRACKIO_DIR). All see metrics under the step they belong to, also those of a resumed run, which
goes on in the same place.
"""

import importlib.util
import json
import re
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from reeltune.errors import InputError
from reeltune.files import write_json
from reeltune.sample import Sample

PROJECT, IDS = "reeltune", "trackers.json"
GROUPS, VIDEO_BYTES, VIDEOS = 4, 8_000_000, (".mp4", ".webm", ".ogg", ".gif")
"""Of a step at most so many groups; of videos those that a browser plays and that are not large."""


@dataclass(frozen=True)
class Tracked:
    """What a tracker is told at the start: the run's directory and recipe, an id that a resumed run keeps."""

    run: Path
    config: Mapping[str, Any]
    id: str
    resumed: bool


class Tracker(Protocol):
    def log(self, step: int, values: Mapping[str, float]) -> None: ...

    def groups(self, step: int, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """One row a completion; the first column is the video of its group, as a path, or None."""

    def close(self) -> None: ...


class TensorBoard:
    """Groups as a table of text: its videos need a package that nothing else here does."""

    def __init__(self, tracked: Tracked) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(tracked.run / "tensorboard")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def groups(self, step: int, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        lines = [columns, ["---"] * len(columns), *rows]
        self.writer.add_text("groups", "\n".join("|".join(map(_cell, line)) for line in lines), step)

    def close(self) -> None:
        self.writer.close()


class Wandb:
    def __init__(self, tracked: Tracked) -> None:
        import wandb

        self.wandb = wandb
        self.run = wandb.init(project=PROJECT, name=tracked.run.resolve().name, id=tracked.id, resume="allow",
                              dir=str(tracked.run), config=dict(tracked.config))  # fmt: skip
        # A resumed run writes steps again that it wrote before: wandb's own counter would drop them.
        self.run.define_metric("*", step_metric="step")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log({"step": step, **values})

    def groups(self, step: int, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        paths = {path: id for path, id, *_ in rows if path}
        videos = [self.wandb.Video(str(path), caption=id, format=path.suffix[1:]) for path, id in paths.items()]
        named = [[path.name if path else "", *rest] for path, *rest in rows]
        self.run.log({"step": step, "groups": self.wandb.Table(columns=list(columns), data=named), "videos": videos})

    def close(self) -> None:
        self.run.finish()


class MLflow:
    def __init__(self, tracked: Tracked) -> None:
        import mlflow

        self.mlflow = mlflow
        mlflow.set_experiment(PROJECT)
        known = mlflow.search_runs(filter_string=f"tags.reeltune = '{tracked.id}'", output_format="list")
        mlflow.start_run(run_id=known[0].info.run_id if known else None, run_name=tracked.run.resolve().name)
        mlflow.set_tag("reeltune", tracked.id)
        mlflow.log_dict(dict(tracked.config), "recipe.yaml")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        # Its names hold no @ and no %.
        self.mlflow.log_metrics({re.sub(r"[^\w\-. /:]", "_", name): value for name, value in values.items()}, step)

    def groups(self, step: int, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        paths = {path for path, *_ in rows if path}
        for path in sorted(paths):
            self.mlflow.log_artifact(str(path), "videos")
        named = [[f"videos/{path.name}" if path else "", *rest] for path, *rest in rows]
        table = {name: [row[number] for row in named] for number, name in enumerate(columns)}
        self.mlflow.log_dict(table, f"groups/step-{step:06d}.json")

    def close(self) -> None:
        self.mlflow.end_run()


class Trackio:
    def __init__(self, tracked: Tracked) -> None:
        import trackio

        self.trackio = trackio
        name = f"{tracked.run.resolve().name}-{tracked.id[:6]}"
        resume = "allow" if tracked.resumed else "never"
        trackio.init(project=PROJECT, name=name, config=dict(tracked.config), resume=resume, embed=False)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.trackio.log(dict(values), step=step)

    def groups(self, step: int, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        import pandas

        shown = [[path and self.trackio.Video(str(path)), *rest] for path, *rest in rows]
        table = self.trackio.Table(dataframe=pandas.DataFrame(shown, columns=list(columns)))
        self.trackio.log({"groups": table}, step=step)

    def close(self) -> None:
        self.trackio.finish()


TRACKERS: Mapping[str, Any] = {"tensorboard": TensorBoard, "wandb": Wandb, "mlflow": MLflow, "trackio": Trackio}


def check_trackers(names: Sequence[str]) -> None:
    """InputError for a tracker whose package is not installed."""
    for name in names:
        if importlib.util.find_spec(name) is None or (name in sys.modules and sys.modules[name] is None):
            raise InputError(f"run.trackers: {name} is not installed; pip install {name}")


def open_trackers(names: Sequence[str], run: Path, config: Mapping[str, Any], *, resumed: bool) -> list[Tracker]:
    """The trackers of a run; its id is made once and stays in the run's directory."""
    check_trackers(names)
    if not names:
        return []
    own = run / IDS
    if not (resumed and own.exists()):
        write_json(own, {"id": uuid.uuid4().hex})
    tracked = Tracked(run, config, json.loads(own.read_text(encoding="utf-8"))["id"], resumed)
    return [TRACKERS[name](tracked) for name in names]


def table_of(rollouts: Sequence[Mapping[str, Any]], videos: Mapping[str, Path]) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of the first groups of a step; every completion is a row."""
    shown = rollouts[:GROUPS]
    components = list(dict.fromkeys(name for group in shown for name in group.get("components") or ()))
    columns = ["video", "id", "completion", "reward", "advantage", *components]
    return columns, [row for group in shown for row in _rows(group, components, videos)]


def shown_videos(samples: Sequence[Sample]) -> dict[str, Path]:
    """Sample's id -> its first video, where a browser plays it and it is not large."""
    found = {}
    for sample in samples:
        first = next((each.files(sample.folder)[0] for each in sample.all_media if each.kind == "video"), None)
        if first and first.suffix.lower() in VIDEOS and first.is_file() and first.stat().st_size <= VIDEO_BYTES:
            found[sample.id] = first
    return found


def _rows(group: Mapping[str, Any], components: Sequence[str], videos: Mapping[str, Path]) -> Iterator[list[Any]]:
    for number, text in enumerate(group["texts"]):
        parts = [group["components"][name][number] if name in group["components"] else None for name in components]
        scores = [group["reward"][number], group["advantage"][number]]
        yield [videos.get(group["id"]), group["id"], text, *scores, *parts]


def _cell(value: Any) -> str:
    """In a Markdown table."""
    shown = f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
    return shown.replace("|", "\\|").replace("\n", " ")
