"""What `reeltune demo` leaves behind, as its page reads it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reeltune.errors import InputError
from reeltune.evaluation.predictions import read_predictions
from reeltune.report.run_files import RunFiles, is_run, read_run
from reeltune.sample import Sample
from reeltune.tasks import get_task, load_samples
from reeltune.tasks.base import Parsed
from reeltune.tasks.spans import Span, iou
from reeltune.tasks.temporal_grounding import TemporalGroundingSample

MODELS = ("base", "sft", "grpo")
Results = dict[str, dict[str, float | None]]


@dataclass(frozen=True)
class Answer:
    """One model's answer to one sample. `spans` is None when unreadable or missing, and `reason` says why."""

    spans: tuple[Span, ...] | None
    reason: str | None
    iou: float
    text: str | None


@dataclass(frozen=True)
class Demo:
    """`answers` model -> id -> answer, for the models whose predictions are there. `tracked`: the samples of object
    tracking, where the demo trains it too, and `tracks`: model -> id -> text."""

    directory: Path
    results: Results
    facts: Mapping[str, Any]
    samples: list[TemporalGroundingSample]
    answers: dict[str, dict[str, Answer]]
    runs: dict[str, RunFiles]
    tracked: list[Sample]
    tracks: dict[str, dict[str, str]]

    def result(self, row: str, metric: str) -> float | None:
        return self.results.get(row, {}).get(metric)

    def mean_iou(self, model: str, samples: Sequence[TemporalGroundingSample]) -> float:
        """Percent, over `samples`."""
        return 100 * sum(self.answers[model][sample.id].iou for sample in samples) / len(samples)


def read_demo(directory: Path) -> Demo:
    """InputError without results.json, demo.json or the held-out samples; runs and predictions may be missing."""
    facts = _json(directory / "demo.json")
    if "held_out" not in facts:
        raise InputError(
            f"{directory / 'demo.json'}: field 'held_out' is missing; it must name the held-out samples.jsonl"
        )
    samples = []
    for sample in load_samples(Path(facts["held_out"])):
        if not isinstance(sample, TemporalGroundingSample):
            raise InputError(
                f"{facts['held_out']}, id {sample.id!r}: the demo supports only temporal_grounding samples"
            )
        samples.append(sample)
    answers = {}
    for model in MODELS:
        path = directory / "predictions" / f"{model}.jsonl"
        if path.exists():
            answers[model] = _answers(samples, read_predictions(path))
    tracked = load_samples(Path(facts["tracked"])) if "tracked" in facts else []
    tracks = {}
    for model in MODELS:
        path = directory / "predictions" / model / "object_tracking" / "predictions.jsonl"
        if tracked and path.exists():
            tracks[model] = {name: texts[0] for name, texts in read_predictions(path).items()}
    folders = {name: directory / name for name in ("sft", "grpo")}
    return Demo(
        directory=directory,
        results=_json(directory / "results.json"),
        facts=facts,
        samples=sorted(samples, key=lambda sample: sample.id),
        answers=answers,
        runs={name: read_run(folder) for name, folder in folders.items() if is_run(folder)},
        tracked=sorted(tracked, key=lambda sample: sample.id),
        tracks=tracks,
    )


def evenly_spaced(count: int, wanted: int) -> list[int]:
    """`wanted` of `count` positions, first and last included, as even as whole numbers allow.

    >>> evenly_spaced(256, 4), evenly_spaced(3, 12)
    ([0, 85, 170, 255], [0, 1, 2])
    """
    if count <= wanted:
        return list(range(count))
    if wanted == 1:
        return [0]
    return [index * (count - 1) // (wanted - 1) for index in range(wanted)]


def _answers(samples: Sequence[TemporalGroundingSample], predictions: Mapping[str, list[str]]) -> dict[str, Answer]:
    task = get_task("temporal_grounding")
    found = {}
    for sample in samples:
        texts = predictions.get(sample.id)
        text = texts[0] if texts else None
        parsed = task.read(sample, text) if text is not None else Parsed(None, "no prediction")
        found[sample.id] = Answer(parsed.value, parsed.reason, iou(parsed.value or (), sample.target), text)
    return found


def _json(path: Path) -> Any:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is missing; `reeltune demo` writes it") from None
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f"{path} must hold one JSON object; got {type(value).__name__}")
    return value
