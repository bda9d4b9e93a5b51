"""Gold answers that look wrong: no completion reaches them, while the model's own answers agree on another one.

A hint, not a verdict: a model can be wrong with one voice. Look at the worst first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reeltune.errors import InputError
from reeltune.sample import Sample, read_rows
from reeltune.tasks import get_task
from reeltune.tasks.base import RewardOptions

LEAST = 3
"""Completions that agreement is looked for in."""
AGREE = 0.5
"""More than this share of the completions must give the other answer: two answers of half each do not agree."""
CLOSE = 0.5
"""Spans, boxes and the like agree where one scores at least this much when the other is taken for the truth."""


@dataclass(frozen=True)
class Suspect:
    """best: the highest content reward of any completion. agreement: the share of the `completions` that agree with
    `answer`, written as a completion gives it."""

    id: str
    task: str
    video: str
    gold: str
    answer: str
    agreement: float
    completions: int
    best: float


def label_noise(samples: Sequence[Sample], answers: Mapping[str, Sequence[str]]) -> list[Suspect]:
    """Worst first: the most agreement, then the most completions. Samples with fewer than three are passed over."""
    found = []
    for sample in samples:
        texts = answers.get(sample.id, ())
        if len(texts) >= LEAST and (suspect := _suspect(sample, texts)):
            found.append(suspect)
    return sorted(found, key=lambda each: (-each.agreement, -each.completions, each.id))


def _suspect(sample: Sample, texts: Sequence[str]) -> Suspect | None:
    task = get_task(sample.task)
    values = [task.read(sample, text).value for text in texts]
    best = max(_content(task, sample, value) for value in values)
    if best >= CLOSE:
        return None
    told = [(value, text) for value, text in zip(values, texts, strict=True) if value is not None]
    groups = [(sum(_agree(task, sample, value, other) for other, _ in told), text) for value, text in told]
    count, text = max(groups, key=lambda each: each[0], default=(0, ""))
    share = count / len(texts)
    if share <= AGREE:
        return None
    return Suspect(
        id=sample.id,
        task=sample.task,
        video=sample.media_name,
        gold=task.gold(sample, "direct"),
        answer=text[-300:],
        agreement=share,
        completions=len(texts),
        best=best,
    )


def _content(task: Any, sample: Sample, value: Any) -> float:
    """The lowest reward of what a rule can tell: an answer is right when all of it is; 0 where no rule can tell."""
    rewards = [each for each in task.content_rewards(sample, value, RewardOptions()).values() if each is not None]
    return min(rewards) if rewards else 0.0


def _agree(task: Any, sample: Sample, value: Any, other: Any) -> bool:
    """Equal, or close: `other` scores well where `value` is put in the place of the truth."""
    if value == other:
        return True
    field = next((name for name, kind in task.fields.items() if kind in ("spans", "boxes", "number")), None)
    if field is None or isinstance(value, str) or not hasattr(sample, field):
        return False
    try:
        moved = sample.model_copy(update={field: value})
        return _content(task, moved, other) >= CLOSE
    except (TypeError, ValueError, AttributeError):
        return False  # an answer of several parts: only equal ones agree


def run_rollouts(run: Path) -> dict[str, list[str]]:
    """All sampled completions of a GRPO run, by id, gold ones left out. InputError for a folder without rollouts."""
    files = sorted((run / "rollouts").glob("step-*.jsonl"))
    if not files:
        raise InputError(f"{run}: not a run with rollouts: it has no rollouts/step-*.jsonl")
    found: dict[str, list[str]] = {}
    for file in files:
        for _, row in read_rows(file):
            texts = row["texts"][:-1] if row.get("gold") else row["texts"]
            found.setdefault(str(row["id"]), []).extend(texts)
    return found


def as_rows(suspects: Iterable[Suspect]) -> list[dict[str, Any]]:
    return [asdict(each) for each in suspects]


def summary(suspects: Sequence[Suspect], samples: int, shown: int = 5) -> str:
    """In words, the first ones with their answers."""
    lines = [
        f"{len(suspects)} of {samples} gold answers match no completion although completions agree on another answer:"
    ]
    for each in suspects[:shown]:
        said = " ".join(each.answer.split())
        share = f"{each.agreement:.0%} of {each.completions}"
        lines.append(f"  {each.id}: {share} say {said[-80:]!r}, gold {each.gold!r} ({each.video})")
    return "\n".join(lines if suspects else ["no gold answer looks wrong by this rule"])
