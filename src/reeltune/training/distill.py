"""On-policy distillation: GRPO's step with a teacher in place of rewards.

The student's own completions are scored token by token: a token's advantage is log p(teacher) - log p(student). Its
policy gradient is that of the reverse KL divergence of each token's distribution, estimated from the tokens sampled:
on-policy distillation (arXiv 2306.13649) with the student's samples alone. That the divergence of later tokens is not
credited to earlier ones is our choice. The teacher computes each prompt once for its group too.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from reeltune.build import build_policy, build_reader, to_device
from reeltune.config.recipe import Recipe
from reeltune.errors import InputError
from reeltune.models.loading import check_directory, is_adapter
from reeltune.models.policy import Policy
from reeltune.rollout.group import Group
from reeltune.rollout.reader import InputReader
from reeltune.training.grpo import Clip, clipped_surrogate, k3
from reeltune.training.learner import Learner, Objective
from reeltune.training.step import GRPO, StepResult


@dataclass
class Teacher:
    """A frozen model of the student's family, and what reads videos for its own tower."""

    policy: Policy
    reader: InputReader

    @torch.no_grad()
    def log_probs(self, groups: Sequence[Group], learner: Learner) -> list[Tensor]:
        """[G, C] of each group's completions under the teacher, at the student's temperature."""
        features = self.reader.encode([group.prompt for group in groups])
        seen = [copy(group) for group in groups]
        for group, own in zip(seen, features, strict=True):
            group.features = own
        return learner.log_probs(seen, self.policy)


def require_teacher(path: str) -> None:
    """InputError unless there is a model's or an adapter's folder; nothing is opened."""
    if not is_adapter(Path(path)):
        check_directory(Path(path))


def build_teacher(recipe: Recipe, student: Policy) -> Teacher:
    """The recipe's teacher on the student's device. InputError for a model that reads prompts in another way."""
    assert recipe.distill is not None
    path = Path(recipe.distill.teacher)
    # As its own folder says, whatever the student is; an adapter's folder is merged into its base.
    model = recipe.model.model_copy(update={"mixture_of_depths": None, "gradient_checkpointing": False})
    plain = recipe.model_copy(update={"adapter": None, "model": model})
    teacher = build_policy(plain, path, self_check=False)
    if type(teacher.family) is not type(student.family) or teacher.family.factor != student.family.factor:
        raise InputError(
            f"distill.teacher={str(path)!r} is a {type(teacher.family).__name__} with frames in multiples of "
            f"{teacher.family.factor}, the student a {type(student.family).__name__} with {student.family.factor}: "
            "they would see different prompts; use a teacher of the student's family"
        )
    if teacher.tokenizer.get_vocab() != student.tokenizer.get_vocab():
        raise InputError(
            f"distill.teacher={str(path)!r} has another vocabulary than {recipe.model.path}: its probabilities "
            "would belong to other tokens; use a teacher with the student's tokenizer"
        )
    teacher.requires_grad_(False).eval()
    return Teacher(to_device(teacher, student.device), build_reader(teacher, recipe))


@dataclass
class Distill(GRPO):
    """The reverse KL divergence to a teacher on the student's own completions; rewards are for the metrics alone."""

    teacher: Teacher = field(kw_only=True)

    def __call__(self, step: int) -> StepResult:
        """As GRPO's, with `teacher_kl`, the divergence per token, in place of what compares a group's rewards."""
        result = super().__call__(step)
        result.metrics["teacher_kl"] = result.metrics.pop("kl")
        result.metrics.pop("groups_without_signal")
        return result

    def signal(self, groups: Sequence[Group]) -> None:
        """Each token's advantage [G, C] and its share of the loss, the mean over all tokens of the step."""
        with self.learner.phases("teacher"):
            found = self.teacher.log_probs(groups, self.learner)
        masks = [each.completions.mask & ~(each.truncated & self.config.mask_truncated)[:, None] for each in groups]
        tokens = max(sum(self.learner.world.gather([sum(int(mask.sum()) for mask in masks)])), 1)
        for group, values, mask in zip(groups, found, masks, strict=True):
            group.reference_log_probs = values
            group.weights = mask.float() / tokens
            gap = (values.float().cpu() - group.log_probs).masked_fill(~group.completions.mask, 0.0)
            # For the journal and the pages: how much likelier the teacher finds a token, on average.
            group.advantage = gap.sum(1) / group.completions.mask.sum(1).clamp(min=1)

    def objective(self, step: int, *, first: bool) -> Objective:
        clip = Clip(self.config.clip_low, self.config.clip_high)

        def objective(group: Group, log_probs: Tensor) -> tuple[Tensor, dict[str, float]]:
            if first:
                group.old_log_probs = log_probs.detach()
            return reverse_kl_loss(group, log_probs, clip)

        return objective


def reverse_kl_loss(group: Group, log_probs: Tensor, clip: Clip) -> tuple[Tensor, dict[str, float]]:
    """The group's share of the step's loss, and sums over its tokens for the metrics; `log_probs` [G, C]."""
    weights = group.weights.to(log_probs.device)
    carried = weights > 0
    assert group.reference_log_probs is not None
    teacher = group.reference_log_probs.to(log_probs)
    advantage = (teacher - group.old_log_probs).masked_fill(~carried, 0.0)
    terms, clipped = clipped_surrogate(log_probs, group.old_log_probs, advantage, carried, clip)
    loss = (terms * weights).sum()
    return loss, {
        "loss": float(loss.detach()),
        "kl": float(k3(log_probs.detach(), teacher)[carried].sum()),
        "clipped": float((clipped & carried).sum()),
        "nll": -float(log_probs.detach()[carried].sum()),
        "tokens": float(carried.sum()),
    }
