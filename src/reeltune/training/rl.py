"""GRPO as a method of the loop: roll out groups, reward them, weigh their tokens.

The arithmetic stands in `grpo.py`; here it is wired to the rollout engine and the tasks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import Tensor

from reeltune.config.recipe import RLConfig
from reeltune.judges.base import Judge
from reeltune.models.policy import Policy
from reeltune.models.shared_prefix.row import group_log_probs, pack
from reeltune.models.types import Group
from reeltune.rewards.faults import RewardFaults
from reeltune.rewards.score import GroupRewards, score_groups
from reeltune.rewards.weights import Reward
from reeltune.rollout.engine import Request, Rollout, RolloutEngine, SamplingParams, derive_seed
from reeltune.tasks import get_task
from reeltune.tasks.base import Mode
from reeltune.training.grpo import StepTotals, has_signal, policy_loss, step_advantages, token_weights
from reeltune.training.method import Input, Item, Prepared, Resample
from reeltune.training.prompt_history import is_silent


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


@dataclass(frozen=True)
class Paid:
    """A group that was rolled out and what its completions earned; `values` holds the valid ones."""

    input: Input
    rollout: Rollout
    rewards: GroupRewards

    @property
    def values(self) -> list[float]:
        return [float(value) for value in self.rewards.total[self.rewards.valid]]

    @property
    def group(self) -> Group:
        return Group(self.input.prompt, self.input.features, self.rollout.completions, self.rollout.state)

    def without_state(self) -> "Paid":
        return replace(self, rollout=replace(self.rollout, state=None))


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
        faults: RewardFaults | None = None,
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
        self.faults = faults
        self.updates_per_step = config.updates_per_rollout
        self.params = SamplingParams(config.temperature, config.top_p, config.top_k, config.max_new_tokens)

    def prepare(self, step: int, inputs: Sequence[Input], resample: Resample) -> Prepared:
        keep_graph = self._keeps_prompts(inputs)
        paid, replaced = self._roll_out(step, inputs, keep_graph), []
        while (fresh := resample([self._is_silent(each) for each in paid])) is not None:
            # Given up before the next rollout asks for memory.
            for place in fresh:
                paid[place] = paid[place].without_state()
                replaced.append(paid[place])
            again = self._roll_out(step, list(fresh.values()), keep_graph)
            for place, each in zip(fresh, again, strict=True):
                paid[place] = each
        advantage = self._advantages(paid)
        masks = [self._loss_mask(each) for each in paid]
        totals = self._totals(masks)
        items = []
        for each, mask, group_advantage in zip(paid, masks, advantage, strict=True):
            teaches = self.config.kl > 0 or bool((group_advantage != 0).any())
            weights = token_weights(mask, totals, self.config.loss) * teaches
            group = each.group if bool(weights.any()) else each.without_state().group
            items.append(Item(group, weights, Signals(group_advantage, each.rollout.log_probs)))
            paid[len(items) - 1] = each.without_state()
        self._add_reference(items)
        stored = [_stored(each, own) for each, own in zip(paid, advantage, strict=True)]
        stored += [_stored(each, torch.zeros(len(each.rewards.total))) | {"replaced": True} for each in replaced]
        observed = [(each.input.sample.id, each.values) for each in [*paid, *replaced]]
        return Prepared(items, [_record(each) for each in paid], stored, observed)

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
            "nll": -float(log_probs.detach()[carried].sum()),
            "tokens": float(carried.sum()),
        }

    def summarize(self, records: Sequence[Mapping[str, Any]], sums: Mapping[str, float]) -> dict[str, float]:
        tokens = max(sums.get("tokens", 0.0), 1.0)
        lengths = [length for record in records for length in record["lengths"]]
        metrics = {
            "loss": sums.get("loss", 0.0),
            "clip_fraction": sums.get("clipped", 0.0) / tokens,
            "nll": sums.get("nll", 0.0) / tokens,
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

    def _roll_out(self, step: int, inputs: Sequence[Input], keep_graph: bool) -> list[Paid]:
        if not inputs:
            return []
        requests = [
            Request(each.prompt, each.features, derive_seed(self.seed, "rollout", step, each.sample.id))
            for each in inputs
        ]
        rollouts = self.engine.generate(requests, self.config.group_size, self.params, keep_graph=keep_graph)
        texts = [rollout.texts for rollout in rollouts]
        found = score_groups(self.rewards, [each.sample for each in inputs], texts, self.judge, self.faults)
        return [Paid(*each) for each in zip(inputs, rollouts, found, strict=True)]

    def _keeps_prompts(self, inputs: Sequence[Input]) -> bool:
        """Whether the update goes on from the rollout's prompts instead of computing them again (our choice).

        For the whole step, replacements too. One update only: after it the weights are others. All groups within one
        pass: the update alone would hold as much at once, were no group silent. Checkpointing would recompute in the
        backward pass what this saves.
        """
        longest = self.config.group_size * self.config.max_new_tokens
        tokens = sum(len(each.prompt) + longest for each in inputs)
        return self.updates_per_step == 1 and tokens <= self.token_budget and not self.policy.gradient_checkpointing

    def _is_silent(self, paid: Paid) -> bool:
        return is_silent(paid.values, self.config.skipping.min_std if self.config.skipping else 0.0)

    def _advantages(self, paid: Sequence[Paid]) -> list[Tensor]:
        """This process's advantages; computed over all processes' groups, for the task and batch scales."""
        everywhere = gather_object(
            [(each.input.sample.task, each.rewards.total.tolist(), each.rewards.valid.tolist()) for each in paid]
        )
        result = step_advantages(
            torch.tensor([row[1] for row in everywhere]),
            torch.tensor([row[2] for row in everywhere]),
            [row[0] for row in everywhere],
            scale=self.config.advantage_scale,
            epsilon=self.config.advantage_epsilon,
            std_floor=self.config.std_floor,
        )
        first = _process_index() * len(paid)
        return list(result[first : first + len(paid)])

    def _loss_mask(self, paid: Paid) -> Tensor:
        carries = paid.rewards.valid
        if self.config.mask_truncated:
            carries = carries & ~paid.rollout.truncated
        return paid.rollout.completions.mask & carries[:, None]

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
        groups = [replace(item.group, state=None) for item in items]
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


def _record(paid: Paid) -> dict[str, Any]:
    sample, rollout, rewards = paid.input.sample, paid.rollout, paid.rewards
    task = get_task(sample.task)
    return {
        "task": sample.task,
        "rewards": paid.values,
        "components": rewards.components,
        "signal": bool(has_signal(rewards.total[None], rewards.valid[None])[0]),
        "unjudged": int((~rewards.valid).sum()),
        "lengths": rollout.completions.lengths,
        "truncated": rollout.truncated.tolist(),
        "unparsed": [task.parse(sample, text).value is None for text in rollout.texts],
    }


def _stored(paid: Paid, advantage: Tensor) -> dict[str, Any]:
    sample, rollout, rewards = paid.input.sample, paid.rollout, paid.rewards
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
