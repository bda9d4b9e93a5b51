"""Metrics of stored predictions. No model, no video, no GPU."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reeltune.evaluation.label_noise import run_rollouts
from reeltune.evaluation.peers import is_from_a_peer, read_from_a_peer
from reeltune.evaluation.predictions import compare_ids, read_predictions, read_truncated
from reeltune.sample import Sample
from reeltune.statistics import bootstrap_interval
from reeltune.tasks import get_task, load_samples, load_usable
from reeltune.tasks.base import Parsed, Task
from reeltune.video.quarantine import require_share


@dataclass(frozen=True)
class Scores:
    """metrics: task -> name -> value, in percent but for `n`, the number of samples, and `METRIC.n`, of those that
    METRIC applies to where it is smaller. notices: ids that do not match, in words."""

    metrics: dict[str, dict[str, float]]
    notices: list[str]
    per_sample: list[dict[str, Any]]


def score(
    samples_path: Path | str,
    predictions_path: Path | str,
    *,
    fit_on: Path | str | None = None,
    resamples: int = 1000,
    seed: int = 0,
    keep_samples: bool = False,
    max_broken_share: float = 0.05,
) -> Scores:
    """Score predictions against samples, task by task; needs no model, no video and no GPU.

    `rt.score("samples.jsonl", "predictions.jsonl").metrics["temporal_grounding"]["miou"]` is a percentage.

    `predictions_path`: lines of `{"id": ..., "text": ...}`, the answers that another evaluator wrote (lmms-eval,
    VLMEvalKit, VideoChat-R1), or the directory of a GRPO run, whose rollouts are then scored. A sample without a
    prediction is wrong and unparsed, never dropped; one with several counts as their mean.

    `fit_on`: the samples to fit the baselines on; by default those that are scored, which flatters the baseline.
    `resamples`: how many draws of videos give the 95 % intervals; with 0, or a single video, there are none. `seed`: of
    these draws. `keep_samples`: fill `per_sample`. `max_broken_share`: the share, 0 to 1, of lines that make no sample
    and may be set aside; they are named in `notices`.

    Returns `Scores`. `metrics[task][name]` is the mean over the samples that the metric applies to, in percent;
    `n` and `NAME.n` count samples, `NAME.low` and `NAME.high` bound the interval, and `trivial.BASELINE.NAME` is what
    an answer that ignores the video gets. `notices` says in words which ids do not match. `per_sample` has one row per
    sample: id, task, video, metrics in percent, and each answer as it was read.

    Raises InputError for a file that cannot be read, answers of another evaluator that match no sample, and more lines
    that make no sample (a missing field, an unknown task) than `max_broken_share` allows; one among several is always
    allowed, unless the share is 0.
    """
    loaded = load_usable(samples_path)
    reasons = {fault.id: fault.reason for fault in loaded.faults}
    require_share(reasons, len(loaded.samples) + len(reasons), max_broken_share)
    samples = loaded.samples
    notices = [f"set aside: {reason}" for reason in reasons.values()]
    truncated: Mapping[str, float] | None = None
    if Path(predictions_path).is_dir():
        predictions = run_rollouts(Path(predictions_path))
        notices.append(f"{predictions_path}: all completions of the run, sampled while the model changed")
    elif is_from_a_peer(Path(predictions_path)):
        predictions, how = read_from_a_peer(Path(predictions_path), samples)
        notices.append(how)
    else:
        predictions, truncated = read_predictions(predictions_path), read_truncated(predictions_path)
    return score_answers(
        samples,
        predictions,
        fit_on=load_samples(fit_on) if fit_on else None,
        resamples=resamples,
        seed=seed,
        keep_samples=keep_samples,
        notices=notices + compare_ids((sample.id for sample in samples), predictions),
        truncated=truncated,
    )


def score_answers(
    samples: Sequence[Sample],
    predictions: Mapping[str, Sequence[str]],
    *,
    fit_on: Sequence[Sample] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    keep_samples: bool = False,
    notices: list[str] | None = None,
    truncated: Mapping[str, float] | None = None,
) -> Scores:
    """`score` on what is in memory: completions by id, and the share of them that a token limit cut off."""
    metrics: dict[str, dict[str, float]] = {}
    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys(sample.task for sample in samples):
        own = [sample for sample in samples if sample.task == name]
        fitted = [sample for sample in fit_on if sample.task == name] if fit_on else None
        task = get_task(name)
        table, unparsed, kept = _score_task(task, own, predictions, keep_samples)
        metrics[name] = _summary(task, own, table, unparsed, resamples, seed)
        if truncated is not None:
            metrics[name]["truncated"] = 100.0 * sum(truncated.get(sample.id, 0.0) for sample in own) / len(own)
        for baseline, found in task.baselines(own, fitted or None).items():
            metrics[name] |= {f"trivial.{baseline}.{metric}": value for metric, value in found.items()}
        rows += kept
    return Scores(metrics, notices or [], rows)


def _score_task(
    task: Task[Any, Any], samples: Sequence[Sample], predictions: Mapping[str, Sequence[str]], keep: bool
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64], list[dict[str, Any]]]:
    """(metric -> per-sample scores [N], NaN where it does not apply; per-sample unparsed share [N]; rows to keep)."""
    missing: list[Parsed[Any]] = [Parsed(None, "missing")]
    columns: dict[str, NDArray[np.float64]] = {}
    unparsed = np.zeros(len(samples))
    rows = []
    for index, sample in enumerate(samples):
        texts = predictions.get(sample.id, ())
        parsed = [task.read(sample, text) for text in texts] or missing
        own: dict[str, float] = {}
        for answer in parsed:
            for name, value in task.scores(sample, answer.value).items():
                own[name] = own.get(name, 0.0) + value / len(parsed)
            unparsed[index] += (answer.reason is not None) / len(parsed)
        for name, value in own.items():
            if name not in columns:
                columns[name] = np.full(len(samples), np.nan)
            columns[name][index] = value
        if keep:
            found = {name: 100.0 * value for name, value in own.items()}
            place = {"id": sample.id, "task": sample.task, "video": sample.media_name}
            rows.append({**place, **found, "answers": _shown(parsed)})
    return columns, unparsed, rows


def _shown(parsed: Sequence[Parsed[Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in asdict(answer).items() if value is not None} for answer in parsed]


def _summary(
    task: Task[Any, Any],
    samples: Sequence[Sample],
    columns: Mapping[str, NDArray[np.float64]],
    unparsed: NDArray[np.float64],
    resamples: int,
    seed: int,
) -> dict[str, float]:
    """Means, intervals, and means by type and over types, in percent.

    `columns`: metric -> [N], NaN where it does not apply; `unparsed` [N]: each sample's share of unreadable answers.
    """
    found = {name: 100.0 * float(np.nanmean(column)) for name, column in columns.items()}
    found |= {"unparsed": 100.0 * float(unparsed.mean()), "n": float(len(samples))}
    applies = {name: ~np.isnan(column) for name, column in columns.items()}
    found |= {f"{name}.n": float(own.sum()) for name, own in applies.items() if not own.all()}
    # Whole videos are drawn: questions about one are no independent evidence. One video has no interval.
    videos = [sample.media_name for sample in samples]
    if resamples and columns and len(set(videos)) > 1:
        matrix = np.column_stack(list(columns.values()))
        low, high = bootstrap_interval(matrix, resamples=resamples, seed=seed, clusters=videos)
        for index, name in enumerate(columns):
            found[f"{name}.low"], found[f"{name}.high"] = 100.0 * float(low[index]), 100.0 * float(high[index])
    # Benchmarks report a mean by type of question, and some the mean of those ("macro"): rare types count as much.
    types = [task.type_of(sample) for sample in samples]
    kinds = sorted({kind for kind in types if kind is not None})
    if len(kinds) > 1:
        masks = {kind: np.array([own == kind for own in types]) for kind in kinds}
        for name, column in columns.items():
            own = {kind: column[mask & applies[name]] for kind, mask in masks.items()}
            means = {kind: 100.0 * float(values.mean()) for kind, values in own.items() if len(values)}
            if not means:
                continue
            found[f"macro.{name}"] = sum(means.values()) / len(means)
            found |= {f"type.{kind}.{name}": value for kind, value in means.items()}
        found |= {f"type.{kind}.n": float(mask.sum()) for kind, mask in masks.items()}
    return found
