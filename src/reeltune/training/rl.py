"""GRPO as a method of the loop: roll out groups, reward them, weigh their tokens.

The arithmetic stands in `grpo.py`; here it is wired to the rollout engine and the tasks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import Tensor

from reeltune.config import RLConfig
from reeltune.judges.base import Judge
from reeltune.models.packing import group_log_probs, pack
from reeltune.models.policy import Policy
from reeltune.models.prompt import Group, Prompt, VideoFeatures
from reeltune.rollout.engine import Request, Rollout, RolloutEngine, SamplingParams, derive_seed
from reeltune.samples import Sample
from reeltune.tasks import get_task
from reeltune.tasks.base import Mode
from reeltune.tasks.rewards import Reward
from reeltune.training.grpo import StepTotals, has_signal, policy_loss, step_advantages, token_weights
from reeltune.training.method import Item, Prepared
from reeltune.training.rewards import GroupRewards, score_group


@dataclass
class Signals:
    """`advantage` [G]; `rollout_log_probs`, `old_log_probs`, `reference_log_probs` [G, C].

    With one update per rollout the old log-probs are the current ones and are never computed apart; the first
    update's are kept for the later ones.
    """

    advantage: Tensor
    rollout_log_probs: Tensor
    reference_log_probs: Tensor | None = None
    old_log_probs: Tensor | None = None


class GRPO:
    def __init__(
        self,
        policy: Policy,
        engine: RolloutEngine,
        config: RLConfig,
        *,
        mode: Mode,
        seed: int,
        rewards: Mapping[str, Reward],
        token_budget: int,
        reference: Policy | None = None,
        judge: Judge | None = None,
    ) -> None:
        self.policy = policy
        self.engine = engine
        self.config = config
        self.mode: Mode = mode
        self.seed = seed
        self.rewards = rewards
        self.token_budget = token_budget
        self.reference = reference
        self.judge = judge
        self.updates_per_step = config.updates_per_rollout
        self.params = SamplingParams(config.temperature, config.top_p, config.top_k, config.max_new_tokens)

    def prepare(
        self,
        step: int,
        samples: Sequence[Sample],
        prompts: Sequence[Prompt],
        features: Sequence[VideoFeatures],
    ) -> Prepared:
        requests = [
            Request(prompt, video.detach(), derive_seed(self.seed, "rollout", step, sample.id))
            for sample, prompt, video in zip(samples, prompts, features, strict=True)
        ]
        rollouts = self.engine.generate(requests, self.config.group_size, self.params)
        rewards = [self._score(sample, rollout) for sample, rollout in zip(samples, rollouts, strict=True)]
        advantage = self._advantages(samples, rewards)
        masks = [self._loss_mask(rollout, reward) for rollout, reward in zip(rollouts, rewards, strict=True)]
        totals = self._totals(masks)
        items = []
        for prompt, video, rollout, mask, group_advantage in zip(
            prompts, features, rollouts, masks, advantage, strict=True
        ):
            teaches = self.config.kl > 0 or bool((group_advantage != 0).any())
            weights = token_weights(mask, totals, self.config.loss) * teaches
            signals = Signals(group_advantage, rollout.log_probs)
            items.append(Item(Group(prompt, video, rollout.completions), weights, signals))
        self._add_reference(items)
        records = [_record(*row) for row in zip(samples, rollouts, rewards, strict=True)]
        stored = [_stored(*row) for row in zip(samples, rollouts, rewards, advantage, strict=True)]
        return Prepared(items, records, stored)

    def loss(self, item: Item, log_probs: Tensor, update: int) -> tuple[Tensor, dict[str, float]]:
        signals: Signals = item.signals
        if update == 0:
            signals.old_log_probs = log_probs.detach()
        assert signals.old_log_probs is not None
        weights = item.weights.to(log_probs.device)
        result = policy_loss(
            log_probs,
            signals.old_log_probs,
            signals.advantage.to(log_probs.device),
            weights,
            loss=self.config.loss,
            clip_low=self.config.clip_low,
            clip_high=self.config.clip_high,
            reference_log_probs=signals.reference_log_probs,
            kl_weight=self.config.kl,
        )
        carried = weights > 0
        return result.loss, {
            "loss": float(result.loss.detach()),
            "kl": float(result.kl.sum()),
            "clipped": float(result.clipped.sum()),
            "surprise": -float(log_probs.detach()[carried].sum()),
            "tokens": float(carried.sum()),
        }

    def summarise(self, records: Sequence[Mapping[str, Any]], sums: Mapping[str, float]) -> dict[str, float]:
        tokens = max(sums.get("tokens", 0.0), 1.0)
        lengths = [length for record in records for length in record["lengths"]]
        metrics = {
            "loss": sums.get("loss", 0.0),
            "clip_fraction": sums.get("clipped", 0.0) / tokens,
            "surprise": sums.get("surprise", 0.0) / tokens,
            "completion_tokens": fmean(lengths),
            "truncated": fmean(value for record in records for value in record["truncated"]),
            "unparsed": fmean(value for record in records for value in record["unparsed"]),
            "groups_without_signal": float(sum(not record["signal"] for record in records)),
        }
        if self.judge is not None:
            metrics["unjudged"] = sum(record["unjudged"] for record in records) / len(lengths)
        if self.config.kl > 0:
            metrics["kl"] = sums.get("kl", 0.0) / tokens
        metrics.update(_reward_metrics(records))
        return metrics

    def _score(self, sample: Sample, rollout: Rollout) -> GroupRewards:
        return score_group(self.rewards[sample.task], sample, rollout.texts, judge=self.judge)

    def _advantages(self, samples: Sequence[Sample], rewards: Sequence[GroupRewards]) -> list[Tensor]:
        """This process's advantages; computed over all processes' groups, for the task and batch scales."""
        everywhere = gather_object(
            [
                (sample.task, each.total.tolist(), each.valid.tolist())
                for sample, each in zip(samples, rewards, strict=True)
            ]
        )
        result = step_advantages(
            torch.tensor([row[1] for row in everywhere]),
            torch.tensor([row[2] for row in everywhere]),
            [row[0] for row in everywhere],
            scale=self.config.advantage_scale,
            epsilon=self.config.advantage_epsilon,
            std_floor=self.config.std_floor,
        )
        first = _process_index() * len(rewards)
        return list(result[first : first + len(rewards)])

    def _loss_mask(self, rollout: Rollout, rewards: GroupRewards) -> Tensor:
        carries = rewards.valid & ~rollout.truncated if self.config.mask_truncated else rewards.valid
        return rollout.completions.mask & carries[:, None]

    def _totals(self, masks: Sequence[Tensor]) -> StepTotals:
        counts = gather_object([(int(mask.any(1).sum()), int(mask.sum())) for mask in masks])
        return StepTotals(
            groups=len(counts),
            completions=max(sum(count[0] for count in counts), 1),
            tokens=sum(count[1] for count in counts),
            max_new_tokens=self.config.max_new_tokens,
        )

    @torch.no_grad()
    def _add_reference(self, items: Sequence[Item]) -> None:
        if self.reference is None:
            return
        groups = [item.group for item in items]
        if not self.policy.vision_frozen:
            videos = self.reference.encode([group.prompt.clip for group in groups])
            groups = [Group(each.prompt, video, each.completions) for each, video in zip(groups, videos, strict=True)]
        for indices in pack(groups, self.token_budget):
            members = [groups[index] for index in indices]
            log_probs = group_log_probs(self.reference, members, temperature=self.config.temperature)
            for index, values in zip(indices, log_probs, strict=True):
                items[index].signals.reference_log_probs = values


def _process_index() -> int:
    from accelerate import PartialState

    return int(PartialState().process_index)


def _record(sample: Sample, rollout: Rollout, rewards: GroupRewards) -> dict[str, Any]:
    task = get_task(sample.task)
    return {
        "task": sample.task,
        "rewards": rewards.total[rewards.valid].tolist(),
        "components": rewards.components,
        "signal": bool(has_signal(rewards.total[None], rewards.valid[None])[0]),
        "unjudged": int((~rewards.valid).sum()),
        "lengths": rollout.completions.lengths,
        "truncated": rollout.truncated.tolist(),
        "unparsed": [task.parse(sample, text).value is None for text in rollout.texts],
    }


def _stored(sample: Sample, rollout: Rollout, rewards: GroupRewards, advantage: Tensor) -> dict[str, Any]:
    return {
        "id": sample.id,
        "task": sample.task,
        "texts": rollout.texts,
        "reward": rewards.total.tolist(),
        "components": rewards.components,
        "advantage": advantage.tolist(),
        "truncated": rollout.truncated.tolist(),
    }


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
