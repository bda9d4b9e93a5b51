"""The judged metrics of stored answers. Cost first, then calls; nothing is asked twice."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reeltune.errors import InputError
from reeltune.progress import Progress

if TYPE_CHECKING:
    from reeltune.config.recipe import JudgeConfig
    from reeltune.data.samples import Sample
    from reeltune.judges import Judge
    from reeltune.judges.base import Cost

NAMES = {"autodq": "AutoDQ", "capst": "CapST", "vdcscore": "VDCScore", "lexical_proxy": "lexical proxy"}


@dataclass(frozen=True)
class Judged:
    """metrics: as in `judged_scores`. per_sample: id -> scores. record: who judged and how it fared. table: to read."""

    metrics: dict[str, float]
    per_sample: dict[str, dict[str, float]]
    record: dict[str, Any]
    table: str


def judge_samples(
    samples: "Sequence[Sample]",
    predictions: Mapping[str, Sequence[str]],
    judge: "Judge",
    *,
    budget: int,
    yes: bool = False,
    resamples: int = 0,
    seed: int = 0,
) -> Judged:
    """Ask the judge once the cost is known and, above `budget` tokens, confirmed. `resamples` give the intervals."""
    from reeltune.tasks.captioning.intervals import Draws
    from reeltune.tasks.captioning.judged import judged_cost, judged_scores

    texts = [predictions.get(sample.id, ()) for sample in samples]
    cost = judged_cost(samples, texts, judge)
    confirm(cost, judge.label, budget=budget, yes=yes)
    with Progress(cost.calls + cost.free, "judge", unit="answer", disable=not cost.calls) as progress:
        found = judged_scores(samples, texts, judge, progress.update, Draws(resamples, seed))
    per_sample = {sample.id: row for sample, row in zip(samples, found.per_sample, strict=True)}
    return Judged(found.metrics, per_sample, judge.record(), judged_table(found.metrics, judge))


def judge_answers(
    samples: "Sequence[Sample]", predictions: Mapping[str, Sequence[str]], config: "JudgeConfig", directory: Path
) -> Judged | None:
    """The judged metrics of a recipe's judge; None without one, or without captions. Replies go to `directory`."""
    from reeltune.judges import build_judge

    captions = [sample for sample in samples if sample.task == "captioning"]
    if config.kind == "openai" and config.transcript is None:
        config = config.model_copy(update={"transcript": str(directory / "judge-transcript.jsonl")})
    judge = build_judge(config) if captions else None
    if judge is None:
        return None
    return judge_samples(captions, predictions, judge, budget=config.budget_tokens, resamples=1000)


def confirm(cost: "Cost", label: str, *, budget: int, yes: bool) -> None:
    """Print the cost; above the budget ask, or refuse where nobody can answer."""
    if not cost.calls:
        return
    print(f"reeltune: judge {label}: {cost}", file=sys.stderr)
    if cost.tokens <= budget or yes:
        return
    rule = f"this may cost {cost.tokens:,} tokens, more than judge.budget_tokens={budget:,}"
    if not sys.stdin.isatty():
        raise InputError(f"{rule}; raise it to {cost.tokens}, or with score add --yes")
    # Not as input's own prompt: that goes to stdout, which may be a file.
    print(f"reeltune: {rule}. Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if input().strip().lower() not in ("y", "yes"):
        raise InputError(f"{rule}; nothing was sent")


def judge_config(kind: str, settings: Sequence[str], *, default_transcript: Path) -> "JudgeConfig":
    """The judge section from `key=value` settings; an endpoint's replies are always kept on disk."""
    from pydantic import ValidationError

    from reeltune.config.recipe import JudgeConfig
    from reeltune.config.tree import parse_yaml
    from reeltune.data.samples import nearest

    values: dict[str, Any] = {"kind": kind}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or key not in JudgeConfig.model_fields:
            hint = nearest(key, JudgeConfig.model_fields)
            raise InputError(f"--judge-set must be KEY=VALUE with a key of the judge section; got {setting!r}{hint}")
        values[key] = parse_yaml(value, where=f"--judge-set {setting!r}: its value")
    if kind == "openai":
        values.setdefault("transcript", str(default_transcript))
    try:
        return JudgeConfig.model_validate(values)
    except ValidationError as error:
        told = "; ".join(
            ".".join(["judge", *map(str, each["loc"])]) + f": {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors()
        )
        raise InputError(f"--judge {kind}: {told}; give it as --judge-set KEY=VALUE") from None


def judged_table(metrics: Mapping[str, float], judge: "Judge") -> str:
    """One block a metric; its name says who judged with which prompts."""
    blocks = []
    for name, title in NAMES.items():
        own = {key.removeprefix(f"{name}."): value for key, value in metrics.items() if key.startswith(f"{name}.")}
        if own:
            note = "word overlap, not a judgment" if judge.proxy else f"judge: {judge.label}"
            shown = {key: value for key, value in own.items() if not key.endswith((".low", ".high"))}
            width = max(map(len, shown))
            lines = [f"  {key.ljust(width)}  {_shown(key, value)}{_interval(key, own)}" for key, value in shown.items()]
            blocks.append("\n".join([f"{title} ({note})", *lines]))
    counts = judge.counts
    blocks.append(
        f"judge: {counts.questions} questions, {counts.calls} calls, {counts.cache_hits} known before, "
        f"{counts.retries} retries, {counts.rejected} replies in a wrong form, {counts.failures} unanswered"
    )
    return "\n\n".join(blocks)


def _interval(key: str, values: Mapping[str, float]) -> str:
    if f"{key}.low" not in values:
        return ""
    return f"  ({values[f'{key}.low']:.2f} to {values[f'{key}.high']:.2f})"


def _shown(key: str, value: float) -> str:
    last = key.rpartition(".")[2]
    is_count = last in ("videos", "failed") or last.startswith(("dropped_", "unjudged_"))
    return f"{value:10.0f}" if is_count else f"{value:10.2f}"
