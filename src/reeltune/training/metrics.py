"""A step's metrics from what its groups were: rewards, lengths, unreadable and cut-off answers, sums over tokens."""

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from reeltune.rollout.group import Group
from reeltune.tasks import get_task
from reeltune.training.grpo import has_signal

NAMES = {"clipped": "clip_fraction"}


def group_record(group: Group) -> dict[str, Any]:
    """What the metrics need of one group, small enough to be sent between processes."""
    task, rewards = get_task(group.sample.task), group.rewards
    sampled = len(group.texts) - group.gold  # a gold completion says nothing about the policy
    return {
        "task": group.sample.task,
        "prompt_tokens": len(group.prompt),
        "gold": group.gold,
        "rewards": [float(value) for value in rewards.total[:sampled][rewards.valid[:sampled]]],
        "components": {name: values[:sampled] for name, values in rewards.components.items()},
        "signal": bool(has_signal(rewards.total[None], rewards.valid[None])[0]),
        "unjudged": int((~rewards.valid[:sampled]).sum()),
        "lengths": group.completions.lengths[:sampled],
        "truncated": group.truncated.tolist()[:sampled],
        "unparsed": [task.read(group.sample, text).value is None for text in group.texts[:sampled]],
    }


def stored_rollout(group: Group) -> dict[str, Any]:
    """One line of the rollouts' file. A group that was replaced was never weighed: its advantages are 0.

    `frames`: of each medium the seconds of the frames that the model saw; [] of an image. `verdicts`: of each
    completion, what the judge said of each statement, where there is a judge.
    """
    task = get_task(group.sample.task)
    verdicts = [[verdict.row() for verdict in each] for each in group.rewards.verdicts]
    return {
        "id": group.sample.id,
        "task": group.sample.task,
        "texts": group.texts,
        "reward": group.rewards.total.tolist(),
        "components": group.rewards.components,
        "advantage": group.advantage.tolist() if group.is_weighed else [0.0] * len(group.texts),
        "truncated": group.truncated.tolist(),
        "unparsed": [task.read(group.sample, text).value is None for text in group.texts],
        "tokens": group.completions.lengths,
        "frames": [
            [] if clip.is_image else [round(float(time), 3) for time in clip.timestamps] for clip in group.prompt.media
        ],
        **({"gold": True} if group.gold else {}),
        **({"verdicts": verdicts} if any(verdicts) else {}),
    }


def grpo_metrics(
    records: Sequence[Mapping[str, Any]], sums: Mapping[str, float], *, judged: bool, referred: bool
) -> dict[str, float]:
    """The metrics of a GRPO step from the records of all processes' groups and the learner's sums."""
    # Groups without signal are left out of the pass: with no other group nothing is known of the policy's tokens.
    tokens = sums.get("tokens", 0.0)
    seen = ("clipped", "nll", *(["kl"] if referred else [])) if tokens else ()
    lengths = [length for record in records for length in record["lengths"]]
    metrics = {
        "loss": sums.get("loss", 0.0),
        **{NAMES.get(name, name): sums.get(name, 0.0) / tokens for name in seen},
        "completion_tokens": fmean(lengths),
        # P + G * C of every group: each prompt once.
        "tokens": float(sum(record["prompt_tokens"] for record in records) + sum(lengths)),
        "truncated": fmean(value for record in records for value in record["truncated"]),
        "unparsed": fmean(value for record in records for value in record["unparsed"]),
        "groups_without_signal": float(sum(not record["signal"] for record in records)),
        "grad_norm": sums["grad_norm"],
        "lr": sums["lr"],
    }
    if judged:
        metrics["unjudged"] = sum(record["unjudged"] for record in records) / len(lengths)
    return metrics | _balance(sums) | _reward_metrics(records)


def sft_metrics(lengths: Sequence[int], sums: Mapping[str, float]) -> dict[str, float]:
    """`lengths`: tokens of each gold answer, of all processes."""
    return {
        "loss": sums["loss"],
        "completion_tokens": sum(lengths) / len(lengths),
        "grad_norm": sums["grad_norm"],
        "lr": sums["lr"],
        **_balance(sums),
    }


def _balance(sums: Mapping[str, float]) -> dict[str, float]:
    """How evenly a mixture of experts uses them, where its config asks for that loss; even use gives the number of
    experts per token."""
    return {name: sums[name] for name in ("load_balancing",) if name in sums}


def _reward_metrics(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Reward and its std within groups, over all and per task; per task also each component and the unparsed share."""
    metrics = _spread(records, "")
    for task in sorted({record["task"] for record in records}):
        own = [record for record in records if record["task"] == task]
        metrics |= _spread(own, f"{task}/")
        metrics[f"{task}/unparsed"] = fmean(value for record in own for value in record["unparsed"])
        for name in sorted({name for record in own for name in record["components"]}):
            values = [value for record in own for value in record["components"].get(name, []) if value is not None]
            if values:
                metrics[f"{task}/{name}"] = fmean(values)
    return metrics


def _spread(records: Sequence[Mapping[str, Any]], prefix: str) -> dict[str, float]:
    rewards = [value for record in records for value in record["rewards"]]
    metrics = {f"{prefix}reward": fmean(rewards)} if rewards else {}
    spreads = [stdev(record["rewards"]) for record in records if len(record["rewards"]) > 1]
    if spreads:
        metrics[f"{prefix}reward_std"] = fmean(spreads)
    return metrics
