"""Greedy answers of a model to samples: in memory during training, to a file that survives a kill otherwise."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from reeltune.errors import InputError, SampleError
from reeltune.files import append_lines, discard_leftovers, whole_lines, write_text
from reeltune.judges import Judge
from reeltune.models.types import Prompt
from reeltune.progress import Progress
from reeltune.rollout.engine import Request, RolloutEngine, SamplingParams, answers
from reeltune.rollout.reader import InputReader
from reeltune.sample import Fault, Sample
from reeltune.tasks import get_task
from reeltune.video.quarantine import Quarantine

Metrics = dict[str, dict[str, float]]
MOSTLY = 90.0


@dataclass(frozen=True)
class Answer:
    """A completion without its end token; `truncated`: the token limit ended it."""

    text: str
    truncated: bool


Ask = Callable[[Sequence[Sample]], list[Answer | SampleError]]
"""Samples -> an answer to each, in order, or why there is none."""


@torch.no_grad()
def answer(
    reader: InputReader, engine: RolloutEngine, prompts: Sequence[Prompt], *, max_new_tokens: int
) -> list[Answer | str]:
    """One greedy completion per prompt, or why there is none."""
    if not prompts:
        return []
    params = SamplingParams(temperature=0.0, max_new_tokens=max_new_tokens, banned=tuple(reader.policy.banned.tolist()))
    features = reader.encode(prompts)
    requests = [Request(prompt, video, seed=0) for prompt, video in zip(prompts, features, strict=True)]
    found = answers(engine, requests, 1, params)
    return [each if isinstance(each, str) else Answer(each.texts[0], bool(each.truncated[0])) for each in found]


def asking(reader: InputReader, engine: RolloutEngine, *, max_new_tokens: int) -> Ask:
    """One greedy completion of a model of ours to each sample."""

    def ask(samples: Sequence[Sample]) -> list[Answer | SampleError]:
        read: list[Prompt | SampleError] = []
        for sample in samples:
            try:
                read.append(reader.prompt(sample))
            except SampleError as error:
                read.append(error)
        prompts = [each for each in read if isinstance(each, Prompt)]
        given = iter(answer(reader, engine, prompts, max_new_tokens=max_new_tokens))
        found = [each if isinstance(each, SampleError) else next(given) for each in read]
        return [SampleError(each) if isinstance(each, str) else each for each in found]

    return ask


def answer_all(
    reader: InputReader,
    engine: RolloutEngine,
    samples: Sequence[Sample],
    *,
    max_new_tokens: int,
    quarantine: Quarantine,
    total: int | None = None,
    batch_size: int = 64,
) -> list[Answer | None]:
    """One greedy completion per sample, in order; None, and an entry in the quarantine, where it cannot be read.

    `total`: the samples that the quarantine's limit is a share of, where these are a part of them.
    """
    ask = asking(reader, engine, max_new_tokens=max_new_tokens)
    found: dict[str, Answer] = {}
    for start in range(0, len(samples), batch_size):
        batch = [sample for sample in samples[start : start + batch_size] if sample.id not in quarantine]
        found |= _kept(batch, ask(batch), quarantine, total=total or len(samples))
    return [found.get(sample.id) for sample in samples]


def _kept(
    samples: Sequence[Sample], given: Sequence[Answer | SampleError], quarantine: Quarantine, *, total: int
) -> dict[str, Answer]:
    """The answers by id; a sample without one is set aside, a limited share of `total` samples."""
    found = {}
    for sample, each in zip(samples, given, strict=True):
        if isinstance(each, Answer):
            found[sample.id] = each
        else:
            quarantine.set_aside(sample, each)
            quarantine.check(total)
    return found


def predict(
    ask: Ask,
    samples: Sequence[Sample],
    directory: Path,
    *,
    batch_size: int = 64,
    max_broken_share: float = 0.05,
    faults: Sequence[Fault] = (),
    title: str = "eval",
) -> dict[str, Answer]:
    """Write DIRECTORY/predictions.jsonl, one line per sample in order, and return the answers by id.

    Batches end on disk as they are done: after a kill, the same call goes on without repeating or losing a
    sample. A sample that cannot be read goes to DIRECTORY/quarantine.jsonl, after the `faults` that loading found; it
    has no prediction, and scores count it as wrong. More than `max_broken_share` of them is an InputError.
    """
    path = directory / "predictions.jsonl"
    found = _finished(path)
    quarantine = Quarantine(directory / "quarantine.jsonl", max_broken_share)
    quarantine.take(faults)
    todo = [sample for sample in samples if sample.id not in found and sample.id not in quarantine]
    progress = Progress(len(samples), title, unit="sample", initial=len(samples) - len(todo))
    with progress:
        for start in range(0, len(todo), batch_size):
            batch = todo[start : start + batch_size]
            kept = _kept(batch, ask(batch), quarantine, total=len(samples))
            found |= kept
            rows = [{"id": name, "text": each.text, "truncated": each.truncated} for name, each in kept.items()]
            append_lines(path, [json.dumps(row, ensure_ascii=False) for row in rows])
            progress.update(len(batch))
    return found


def metrics_by_task(samples: Sequence[Sample], answers: Sequence[Answer | None], judge: Judge | None = None) -> Metrics:
    """Metrics of each task over its own samples; with a judge, those that only a judge can give too."""
    by_task: dict[str, list[int]] = {}
    for index, sample in enumerate(samples):
        by_task.setdefault(sample.task, []).append(index)
    found = {}
    for name, indices in by_task.items():
        own, said = [samples[i] for i in indices], [answers[i] for i in indices]
        task = get_task(name)
        found[name] = task.metrics(own, [each.text if each else None for each in said])
        found[name]["truncated"] = 100.0 * sum(each is not None and each.truncated for each in said) / len(own)
        if judge is not None and task.judged:
            completions = [[each.text] if each else [] for each in said]
            found[name] |= task.judged_metrics(own, completions, judge).metrics
        _require_numbers(name, found[name])
    return found


def _require_numbers(task: str, metrics: Mapping[Any, Any]) -> None:
    """InputError for a metric, of a task of one's own, that is no finite number under a name."""
    for name, value in metrics.items():
        number = isinstance(value, int | float) and math.isfinite(value)
        if not (isinstance(name, str) and name.strip() and (number or value is None)):
            raise InputError(
                f"task {task}: the metric {name!r} is {value!r}; `metrics` must return names and finite numbers "
                "(None: does not apply)"
            )


def warnings(metrics: Metrics, *, max_new_tokens: int) -> list[str]:
    """What must be said aloud of an evaluation in which next to nothing could be used."""
    found = []
    for task, row in metrics.items():
        if row.get("truncated", 0.0) >= MOSTLY:
            found.append(
                f"{task}: {row['truncated']:.0f} % of the answers were cut off at {max_new_tokens} tokens: raise "
                "eval.max_new_tokens"
            )
        elif row["unparsed"] >= MOSTLY:
            found.append(
                f"{task}: {row['unparsed']:.0f} % of the answers cannot be parsed, so the scores mean little: "
                "check in predictions.jsonl whether the model follows the format that the prompt asks for"
            )
    return found


def _finished(path: Path) -> dict[str, Answer]:
    """The predictions on disk; a last line cut off by a kill is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    discard_leftovers(path.parent)
    lines = whole_lines(path) if path.exists() else []
    write_text(path, "".join(f"{line}\n" for line in lines))
    rows = [json.loads(line) for line in lines]
    return {row["id"]: Answer(row["text"], bool(row.get("truncated"))) for row in rows}
