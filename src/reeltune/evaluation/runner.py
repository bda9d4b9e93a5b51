"""Greedy answers of a model to samples: in memory during training, to a file that survives a kill otherwise."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from reeltune.data.samples import Sample
from reeltune.errors import VideoError
from reeltune.files import whole_lines, write_text
from reeltune.judges import Judge
from reeltune.models.types import Prompt
from reeltune.progress import Progress
from reeltune.rollout.engine import Request, RolloutEngine, SamplingParams
from reeltune.rollout.reader import InputReader
from reeltune.tasks import get_task
from reeltune.tasks.captioning.judged import judged_metrics
from reeltune.video.quarantine import Quarantine

Metrics = dict[str, dict[str, float]]


@torch.no_grad()
def answer(reader: InputReader, engine: RolloutEngine, prompts: Sequence[Prompt], *, max_new_tokens: int) -> list[str]:
    """One greedy completion per prompt."""
    params = SamplingParams(temperature=0.0, max_new_tokens=max_new_tokens)
    features = reader.encode(prompts)
    requests = [Request(prompt, video, seed=0) for prompt, video in zip(prompts, features, strict=True)]
    return [rollout.texts[0] for rollout in engine.generate(requests, 1, params)]


def answers(
    reader: InputReader,
    engine: RolloutEngine,
    samples: Sequence[Sample],
    *,
    max_new_tokens: int,
    batch_size: int = 64,
) -> Iterator[str]:
    """One greedy completion per sample, in order. Raises VideoError for a video that cannot be used."""
    for start in range(0, len(samples), batch_size):
        prompts = [reader.prompt(sample) for sample in samples[start : start + batch_size]]
        yield from answer(reader, engine, prompts, max_new_tokens=max_new_tokens)


def predict(
    reader: InputReader,
    engine: RolloutEngine,
    samples: Sequence[Sample],
    directory: Path,
    *,
    max_new_tokens: int,
    batch_size: int = 64,
    max_broken_share: float = 0.05,
    title: str = "eval",
) -> dict[str, list[str]]:
    """Write DIRECTORY/predictions.jsonl, one line per sample in order, and return the texts by id.

    Batches end on disk as they are done: after a kill, the same call goes on without repeating or losing a
    sample. A sample whose video cannot be used goes to DIRECTORY/quarantine.jsonl; it has no prediction, and
    scores count it as wrong. More than `max_broken_share` of them is an InputError.
    """
    path = directory / "predictions.jsonl"
    texts = _finished(path)
    quarantine = Quarantine(directory / "quarantine.jsonl", max_broken_share)
    todo = [sample for sample in samples if sample.id not in texts and sample.id not in quarantine]
    progress = Progress(len(samples), title, unit="sample", initial=len(samples) - len(todo))
    with progress, path.open("a", encoding="utf-8") as file:
        for start in range(0, len(todo), batch_size):
            readable = []
            for sample in todo[start : start + batch_size]:
                try:
                    readable.append((sample, reader.prompt(sample)))
                except VideoError as error:
                    quarantine.add(sample.id, sample.video, str(error))
                    quarantine.check(len(samples))
            found = answer(reader, engine, [prompt for _, prompt in readable], max_new_tokens=max_new_tokens)
            for (sample, _), text in zip(readable, found, strict=True):
                texts[sample.id] = [text]
                file.write(json.dumps({"id": sample.id, "text": text}, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
            progress.update(min(batch_size, len(todo) - start))
    return texts


def metrics_by_task(samples: Sequence[Sample], texts: Sequence[str | None], judge: Judge | None = None) -> Metrics:
    """Metrics of each task over its own samples; with a judge, the judged ones of captions too."""
    by_task: dict[str, list[int]] = {}
    for index, sample in enumerate(samples):
        by_task.setdefault(sample.task, []).append(index)
    found = {}
    for name, indices in by_task.items():
        own, said = [samples[i] for i in indices], [texts[i] for i in indices]
        found[name] = get_task(name).metrics(own, said)
        if judge is not None and name == "captioning":
            found[name] |= judged_metrics(own, [[text] if text is not None else [] for text in said], judge)
    return found


def _finished(path: Path) -> dict[str, list[str]]:
    """The predictions on disk; a last line cut off by a kill is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        return {}
    lines = whole_lines(path)
    write_text(path, "".join(f"{line}\n" for line in lines))
    rows = [json.loads(line) for line in lines]
    return {row["id"]: [row["text"]] for row in rows}
