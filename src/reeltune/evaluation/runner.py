"""Greedy answers of a model to samples, and their metrics by task."""

from collections.abc import Callable, Iterator, Sequence

import torch

from reeltune.inputs import InputReader
from reeltune.rollout.engine import Request, RolloutEngine, SamplingParams
from reeltune.samples import Sample
from reeltune.tasks import get_task

Metrics = dict[str, dict[str, float]]


@torch.no_grad()
def answers(
    reader: InputReader,
    engine: RolloutEngine,
    samples: Sequence[Sample],
    *,
    max_new_tokens: int,
    batch_size: int = 64,
) -> Iterator[tuple[Sample, str]]:
    """One greedy completion per sample, in order. Raises VideoError for a video that cannot be used."""
    params = SamplingParams(temperature=0.0, max_new_tokens=max_new_tokens)
    for start in range(0, len(samples), batch_size):
        batch = samples[start : start + batch_size]
        prompts = [reader.prompt(sample) for sample in batch]
        requests = [
            Request(prompt, features, seed=0) for prompt, features in zip(prompts, reader.encode(prompts), strict=True)
        ]
        rollouts = engine.generate(requests, 1, params)
        yield from ((sample, rollout.texts[0]) for sample, rollout in zip(batch, rollouts, strict=True))


def evaluate(
    reader: InputReader,
    engine: RolloutEngine,
    samples: Sequence[Sample],
    *,
    max_new_tokens: int,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[list[str], Metrics]:
    """The raw texts, and task -> metric -> percent."""
    texts = []
    for _, text in answers(reader, engine, samples, max_new_tokens=max_new_tokens):
        texts.append(text)
        progress(1)
    return texts, metrics_by_task(samples, texts)


def metrics_by_task(samples: Sequence[Sample], texts: Sequence[str | None]) -> Metrics:
    """Metrics of each task over its own samples."""
    by_task: dict[str, list[int]] = {}
    for index, sample in enumerate(samples):
        by_task.setdefault(sample.task, []).append(index)
    return {
        name: get_task(name).metrics([samples[i] for i in indices], [texts[i] for i in indices])
        for name, indices in by_task.items()
    }
