"""One step of supervised fine-tuning: GRPO's, with the gold answer as the rollout and cross-entropy as the loss."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from reeltune.models.types import Completions
from reeltune.rollout.group import Group
from reeltune.rollout.reader import autocast
from reeltune.tasks import get_task
from reeltune.tasks.base import Mode
from reeltune.training.grpo import StepTotals, mean_of_completions, mean_of_tokens
from reeltune.training.learner import Learner
from reeltune.training.metrics import sft_metrics
from reeltune.training.prompts import PromptSource
from reeltune.training.step import StepResult


@dataclass
class SFT:
    """Cross-entropy of the gold answer's tokens, end token included; the mean over a step's tokens or samples."""

    source: PromptSource
    learner: Learner
    mode: Mode
    mean_over: Literal["tokens", "samples"] = "tokens"

    def __call__(self, step: int) -> StepResult:
        policy, world, phases = self.learner.policy, self.learner.world, self.learner.phases
        with phases("videos and prompts"), autocast(world.device, self.learner.precision), self.learner.reading():
            groups = self.source.next(step)
        for group in groups:
            gold = get_task(group.sample.task).gold(group.sample, self.mode)
            group.completions = Completions.from_lists([policy.tokenize_answer(gold)])
        counts = world.gather([int(each.completions.mask.sum()) for each in groups])
        tokens = sum(counts)
        weights = mean_of_tokens if self.mean_over == "tokens" else mean_of_completions
        totals = StepTotals(groups=len(counts), completions=len(counts), tokens=tokens, max_new_tokens=0)
        for group in groups:
            group.weights = weights(group.completions.mask, totals)
        with phases("update"):
            sums = self.learner.update(step, groups, cross_entropy)
        prompts = sum(world.gather([len(each.prompt) for each in groups]))
        metrics = sft_metrics(counts, sums) | {"tokens": float(prompts + tokens)}
        return StepResult(metrics | self.source.metrics(1))

    def state(self) -> Mapping[str, Any]:
        return {}


def cross_entropy(group: Group, log_probs: Tensor) -> tuple[Tensor, dict[str, float]]:
    loss = -(log_probs * group.weights.to(log_probs.device)).sum()
    return loss, {"loss": float(loss.detach())}
