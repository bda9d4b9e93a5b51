"""One step of training, on one screen: GRPO. `sft.py` is the same step with the gold answer as its rollout.

The arithmetic stands in `grpo.py` as pure functions, the passes and the optimizer in `learner.py`.
Shape letters: B groups, G completions per group, C completion tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from reeltune.config.rl import RLConfig
from reeltune.distributed.shard import gathered
from reeltune.judges.base import Judge
from reeltune.models.adapter import as_initial
from reeltune.models.features import encode_each
from reeltune.models.policy import Policy
from reeltune.rewards.faults import RewardFaults
from reeltune.rewards.score import score_groups
from reeltune.rewards.weights import Reward
from reeltune.rollout.engine import RolloutEngine
from reeltune.rollout.group import Group
from reeltune.rollout.reader import autocast
from reeltune.training.faults import require_finite
from reeltune.training.gold import add_gold, gold_texts
from reeltune.training.grpo import LOSSES, Clip, Loss, StepTotals, policy_loss, step_advantages
from reeltune.training.learner import Learner, Objective
from reeltune.training.metrics import group_record, grpo_metrics, stored_rollout
from reeltune.training.off_policy import off_policy, off_policy_metrics
from reeltune.training.prompts import PromptSource
from reeltune.training.sampler import Sampler
from reeltune.training.scales import scale_metrics, updated_scales


@dataclass(frozen=True)
class StepResult:
    """A step's metrics, and what the rollouts' file keeps of this process's groups."""

    metrics: dict[str, float]
    rollouts: list[dict[str, Any]] = field(default_factory=list)


class Method(Protocol):
    """What the loop runs, once per step."""

    def __call__(self, step: int) -> StepResult: ...

    def state(self) -> Mapping[str, Any]:
        """What a checkpoint must remember of it; every process calls it."""
        ...


@dataclass
class GRPO:
    """Group relative policy optimization (arXiv 2402.03300) over whole groups."""

    source: PromptSource
    engine: RolloutEngine
    learner: Learner
    rewards: Mapping[str, Reward]
    config: RLConfig
    judge: Judge | None = None
    reference: Policy | None = None
    faults: RewardFaults | None = None
    checked: bool = False
    scales: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sampler = Sampler(self.source, self.engine, self.learner, self.config)
        self.off_policy = off_policy(self.learner, self.config, self.engine)

    def __call__(self, step: int) -> StepResult:
        learner, faults = self.learner, self._faults
        with autocast(learner.world.device, learner.precision):
            # 1. Each prompt once, G completions of it, and what they are rewarded.
            groups, keep_graph = self.sampler.take(step)
            self.reward(groups)
            # 2. Other prompts in place of zero-variance groups, where the recipe asks for it.
            replaced = self.resample(step, groups, keep_graph=keep_graph)
            # 3. What each token is to learn: advantages [B, G] and its share of the loss [B, G, C].
            self.signal(groups)
        self.check(step, groups)
        # 4. Optimizer steps over all completion tokens, while the completions of a later step are drawn.
        with self.sampler.ahead(step):
            for update in range(self.config.updates_per_rollout):
                if update and not learner.sharded:
                    with autocast(learner.world.device, learner.precision):
                        self.source.renew_features(groups)
                with learner.phases("update"):
                    sums = learner.update(step, groups, self.objective(step, first=update == 0))
        # 5. The new weights go to the engine, what was seen to the source of prompts.
        with learner.phases("publishing weights"):
            self.engine.sync(learner.policy.named_weights, step + 1)
        self.source.observe([*groups, *replaced])
        return self._result(step, groups, replaced, sums, faults=self._faults - faults)

    def state(self) -> Mapping[str, Any]:
        return self.sampler.state()

    def reward(self, groups: Sequence[Group], *, idle: Group | None = None) -> None:
        """Score the groups' completions; the judge and the reward functions see all of them at once.

        `idle`: any group of this process, where it may have none to score and others have.
        """
        samples, texts = [group.sample for group in groups], [group.texts for group in groups]
        which = self.config.gold_in_group
        golds = [] if which == "never" else gold_texts(groups, self.rewards)
        with self.learner.phases("rewards"):
            # Gold completions are groups of one beside the others: one question to the judge for all.
            scored = score_groups(
                self.rewards,
                samples + samples[: len(golds)],
                [*texts, *([gold] for gold in golds)],
                judge=self.judge,
                faults=self.faults,
            )
        for group, rewards in zip(groups, scored[: len(groups)], strict=True):
            group.rewards = rewards
        if which != "never":
            add_gold(groups, golds, scored[len(groups) :], which, self.learner, idle=idle)

    def resample(self, step: int, groups: list[Group], *, keep_graph: bool) -> list[Group]:
        """Put fresh groups in the places that the source gives other prompts, until it gives no more; returns what
        they replaced."""
        replaced: list[Group] = []
        while (fresh := self._fresh(groups)) is not None:
            for place in fresh:
                # Their graphs must not outlive them: only what they were rewarded is still needed.
                groups[place].state, groups[place].features = None, groups[place].features.detach()
                replaced.append(groups[place])
            again = list(fresh.values())
            self.sampler.sample(step, again, keep_graph=keep_graph)
            self.reward(again, idle=groups[0])
            for place, group in zip(fresh, again, strict=True):
                groups[place] = group
        return replaced

    def _fresh(self, groups: Sequence[Group]) -> dict[int, Group] | None:
        with self.learner.phases("videos and prompts"), self.learner.reading():
            return self.source.resample(groups)

    def signal(self, groups: Sequence[Group]) -> None:
        """Compare each group's rewards; with a reference, the initial model's log-probs too."""
        weigh(groups, self.config, self.learner, self.scales)
        if self.reference:
            with self.learner.phases("reference"):
                self._refer(groups)

    def check(self, step: int, groups: Sequence[Group]) -> None:
        """InputError for a number that is none and, once a run, where rollout and learner see different inputs."""
        for group in groups:
            tensors = {
                "rewards": group.rewards.total,
                "advantages": group.advantage,
                "reference log-probs": group.reference_log_probs,
            }
            require_finite(tensors, step=step, sample=group.sample.id)
        if not self.checked:
            # What was drawn ahead, before a resume, was drawn by weights that are gone.
            stale = self.sampler.staleness > 0
            same = [each for each in groups if not stale or each.version == step]
            self.learner.check_parity(step, same, groups[0])
            self.checked = True

    def _refer(self, groups: Sequence[Group]) -> None:
        """The initial model's log-probs; with its own tower where ours trains."""
        assert self.reference is not None
        features = [group.features for group in groups]
        own_tower = not self.learner.policy.vision_frozen
        with as_initial(self.reference):
            if own_tower:
                with gathered(self.reference), torch.no_grad():
                    videos = encode_each(self.reference, [group.prompt for group in groups])
                for group, video in zip(groups, videos, strict=True):
                    group.features = video
            found = self.learner.log_probs(groups, self.reference)
        for group, own, values in zip(groups, features, found, strict=True):
            group.features, group.reference_log_probs = own, values

    def objective(self, step: int, *, first: bool) -> Objective:
        loss, clip = LOSSES.get(self.config.loss), Clip(self.config.clip_low, self.config.clip_high)

        def objective(group: Group, log_probs: Tensor) -> tuple[Tensor, dict[str, float]]:
            if first:
                group.old_log_probs = log_probs.detach()
                if self.off_policy:
                    self.off_policy.judge(group, group.old_log_probs, step)
            return group_loss(group, log_probs, loss, clip, kl_weight=self.config.kl)

        return objective

    @property
    def _faults(self) -> int:
        return len(self.faults) if self.faults is not None else 0

    def _result(
        self, step: int, groups: list[Group], replaced: list[Group], sums: Mapping[str, float], *, faults: int
    ) -> StepResult:
        """`faults`: of this step alone, so that a resumed run writes what one that was never stopped does."""
        world = self.learner.world
        records = world.gather([group_record(each) for each in groups])
        referred = any(group.reference_log_probs is not None for group in groups)
        metrics = grpo_metrics(records, sums, judged=self.judge is not None, referred=referred)
        metrics |= scale_metrics(self.scales)
        if self.off_policy:
            versions = world.gather([each.version for each in groups])
            metrics |= off_policy_metrics(sums, [step - version for version in versions])
        if self.config.gold_in_group != "never":
            metrics["groups_with_gold"] = float(sum(record["gold"] for record in records))
        if self.faults is not None:
            metrics["reward_faults"] = float(sum(world.gather([faults])))
        stored = [stored_rollout(each) for each in groups]
        stored += [stored_rollout(each) | {"replaced": True} for each in replaced]
        return StepResult(metrics | self.source.metrics(self.config.group_size), stored)


def weigh(groups: Sequence[Group], config: RLConfig, learner: Learner, scales: dict[str, float]) -> None:
    """Fill in `advantage` [G] and `weights` [G, C] of this process's groups, normalized over those of all processes.

    A group from which nothing can be learned gets weights of 0, and its prompt's graph is dropped before the update.
    With advantage_scale=moving the `scales` go on by this step.
    """
    world = learner.world
    # 1. Advantages, of the rewards of all processes: a task's scale and what is normalized over the step must not
    #    depend on how the groups are shared out.
    rows = world.gather(
        [(each.sample.task, each.rewards.total.tolist(), each.rewards.valid.tolist()) for each in groups]
    )
    rewards, valid, tasks = torch.tensor([r[1] for r in rows]), torch.tensor([r[2] for r in rows]), [r[0] for r in rows]
    if config.advantage_scale == "moving":
        scales |= updated_scales(scales, rewards, valid, tasks, decay=config.advantage_decay)
    advantages = step_advantages(
        rewards,
        valid,
        tasks,
        scale=config.advantage_scale,
        epsilon=config.advantage_epsilon,
        std_floor=config.std_floor,
        scales=scales,
    )
    # 2. Which tokens carry loss: those of completions that have a reward and, where the recipe says so, an end: a
    #    cut-off answer does not say what its reward would have been.
    carried = [each.rewards.valid & ~(each.truncated & config.mask_truncated) for each in groups]
    masks = [each.completions.mask & rows[:, None] for each, rows in zip(groups, carried, strict=True)]
    # 3. What the loss divides by is counted over all processes too: the sum of their gradients is that of one process.
    counts = world.gather([(int(mask.any(1).sum()), int(mask.sum())) for mask in masks])
    totals = StepTotals(
        groups=len(counts),
        completions=max(sum(count[0] for count in counts), 1),
        tokens=sum(count[1] for count in counts),
        max_new_tokens=config.max_new_tokens,
    )
    # 4. Each group's share. With a KL term a group without signal still pulls the weights, so it keeps its own.
    loss = LOSSES.get(config.loss)
    first = world.rank * len(groups)
    for group, mask, advantage in zip(groups, masks, advantages[first : first + len(groups)], strict=True):
        informative = config.kl > 0 or bool((advantage != 0).any())
        group.advantage, group.weights = advantage, loss.weights(mask, totals) * informative
        if not group.informative:
            group.state = None


def group_loss(
    group: Group, log_probs: Tensor, loss: Loss, clip: Clip, *, kl_weight: float = 0.0
) -> tuple[Tensor, dict[str, float]]:
    """The group's share of the step's loss, and sums over its tokens for the metrics; `log_probs` [G, C]."""
    weights = group.weights.to(log_probs.device)
    if group.correction is not None:
        weights = weights * group.correction
    result = policy_loss(
        log_probs,
        group.old_log_probs,
        group.advantage.to(log_probs.device),
        weights,
        loss,
        clip=clip,
        reference_log_probs=group.reference_log_probs,
        kl_weight=kl_weight,
    )
    carried = group.weights.to(log_probs.device) > 0
    return result.loss, {
        "loss": float(result.loss.detach()),
        "kl": float(result.kl.sum()),
        "clipped": float(result.clipped.sum()),
        "nll": -float(log_probs.detach()[carried].sum()),
        "tokens": float(carried.sum()),
        **group.mismatch,
    }
