"""The judged metrics of stored answers. Cost first, then calls; nothing is asked twice."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reeltune.config.judge import JudgeConfig
from reeltune.config.tree import parse_yaml
from reeltune.errors import InputError, nearest
from reeltune.judges import TRANSCRIPT, Judge, build_judge
from reeltune.judges.base import Cost
from reeltune.progress import Progress
from reeltune.sample import Sample
from reeltune.tasks import get_task
from reeltune.tasks.judged import Draws


@dataclass(frozen=True)
class Judged:
    """metrics: task -> metric -> value. per_sample: id -> scores. record: who judged, how it fared. table: to read."""

    metrics: dict[str, dict[str, float]]
    per_sample: dict[str, dict[str, float]]
    record: dict[str, Any]
    table: str


def judge_samples(
    samples: Sequence[Sample],
    predictions: Mapping[str, Sequence[str]],
    judge: Judge,
    *,
    budget: int,
    yes: bool = False,
    resamples: int = 0,
    seed: int = 0,
) -> Judged:
    """The metrics that the tasks of `samples` declare as a judge's to give; samples of other tasks are left out.

    The judge is asked once the cost is known and, above `budget` tokens, confirmed. `resamples` give the intervals.
    """
    groups = judged_samples(samples)
    texts = {name: [predictions.get(sample.id, ()) for sample in own] for name, own in groups.items()}
    cost = sum((get_task(name).judged_cost(own, texts[name], judge) for name, own in groups.items()), Cost())
    confirm(cost, judge.label, budget=budget, yes=yes)
    metrics: dict[str, dict[str, float]] = {}
    per_sample: dict[str, dict[str, float]] = {}
    with Progress(cost.calls + cost.free, "judge", unit="answer", disable=not cost.calls) as progress:
        for name, own in groups.items():
            found = get_task(name).judged_metrics(
                own, texts[name], judge, progress=progress.update, draws=Draws(resamples, seed)
            )
            metrics[name] = found.metrics
            per_sample |= {sample.id: row for sample, row in zip(own, found.per_sample, strict=True)}
    return Judged(metrics, per_sample, judge.record(), judged_table(metrics, judge))


def judged_samples(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """Task -> its samples, of the tasks that declare what a judge gives."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        if get_task(sample.task).judged:
            groups.setdefault(sample.task, []).append(sample)
    return groups


def judge_answers(
    samples: Sequence[Sample], predictions: Mapping[str, Sequence[str]], config: JudgeConfig, directory: Path
) -> Judged | None:
    """The judged metrics of a recipe's judge; None without one, or without judged tasks. Replies go to `directory`."""
    judge = build_judge(config.kept_at(directory / TRANSCRIPT)) if judged_samples(samples) else None
    if judge is None:
        return None
    return judge_samples(samples, predictions, judge, budget=config.budget_tokens, resamples=1000)


def confirm(cost: Cost, label: str, *, budget: int, yes: bool) -> None:
    """Print the cost; above the budget ask, or refuse where nobody can answer."""
    if not cost.calls:
        return
    print(f"reeltune: judge {label}: {cost}", file=sys.stderr)
    if cost.tokens <= budget or yes:
        return
    rule = f"this may cost {cost.tokens:,} tokens, more than judge.budget_tokens={budget:,}"
    if not sys.stdin.isatty():
        raise InputError(f"{rule}; raise it to {cost.tokens}, or pass --yes to score")
    # Not as input's own prompt: that goes to stdout, which may be a file.
    print(f"reeltune: {rule}. Continue? [y/N] ", end="", file=sys.stderr, flush=True)
    if input().strip().lower() not in ("y", "yes"):
        raise InputError(f"{rule}; nothing was sent")


def judge_config(kind: str, settings: Sequence[str], *, default_transcript: Path) -> JudgeConfig:
    """The judge section from `key=value` settings; an endpoint's replies are always kept on disk."""
    values: dict[str, Any] = {"kind": kind}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or key not in JudgeConfig.model_fields:
            hint = nearest(key, JudgeConfig.model_fields)
            # The value may be a secret, and is not repeated.
            raise InputError(f"--judge-set must be KEY=VALUE with a key of the judge section; got {key!r}{hint}")
        values[key] = parse_yaml(value, where=f"--judge-set {key}: its value")
    try:
        return JudgeConfig.model_validate(values).kept_at(default_transcript)
    except ValidationError as error:
        told = "; ".join(
            ".".join(["judge", *map(str, each["loc"])]) + f": {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors()
        )
        raise InputError(f"--judge {kind}: {told}; give it as --judge-set KEY=VALUE") from None


def judged_table(metrics: Mapping[str, Mapping[str, float]], judge: Judge) -> str:
    """One block a metric, named as its task calls it; the name says who judged with which prompts."""
    note = judge.proxy_note if judge.proxy else f"judge: {judge.label}"
    blocks = []
    for task, values in metrics.items():
        for name in dict.fromkeys(key.partition(".")[0] for key in values):
            own = {key.removeprefix(f"{name}."): value for key, value in values.items() if key.startswith(f"{name}.")}
            shown = {key: value for key, value in own.items() if not key.endswith((".low", ".high"))}
            width = max(map(len, shown))
            lines = [f"  {key.ljust(width)}  {_shown(key, value)}{_interval(key, own)}" for key, value in shown.items()]
            title = name.replace("_", " ") if judge.proxy else get_task(task).judged_titles.get(name, f"{task}, {name}")
            blocks.append("\n".join([f"{title} ({note})", *lines]))
    counts = judge.counts
    blocks.append(
        f"judge: {counts.questions} questions, {counts.calls} calls, {counts.cache_hits} cached, {counts.retries} "
        f"retries, {counts.rejected} malformed replies, {counts.failures} unanswered"
    )
    return "\n\n".join(blocks)


def _interval(key: str, values: Mapping[str, float]) -> str:
    if f"{key}.low" not in values:
        return ""
    return f"  ({values[f'{key}.low']:.2f} to {values[f'{key}.high']:.2f})"


def _shown(key: str, value: float) -> str:
    last = key.rpartition(".")[2]
    is_count = last in ("videos", "failed", "unanswered") or last.startswith(("dropped_", "unjudged_"))
    return f"{value:10.0f}" if is_count else f"{value:10.2f}"
