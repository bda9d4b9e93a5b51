"""Supervised fine-tuning as a method of the same loop: a group of one completion, the gold answer."""

from collections.abc import Mapping, Sequence
from typing import Any

from accelerate.utils import gather_object
from torch import Tensor

from reeltune.models.policy import Policy
from reeltune.models.types import Completions, Group
from reeltune.tasks import get_task
from reeltune.tasks.base import Mode
from reeltune.training.method import Input, Item, Prepared, Resample


class SFT:
    """Cross-entropy of the gold answer's tokens, end token included; the mean over all tokens of the step."""

    updates_per_step = 1

    def __init__(self, policy: Policy, *, mode: Mode) -> None:
        self.policy = policy
        self.mode: Mode = mode

    def prepare(self, step: int, inputs: Sequence[Input], resample: Resample) -> Prepared:
        golds = [get_task(each.sample.task).gold(each.sample, self.mode) for each in inputs]
        completions = [Completions.from_lists([self.policy.tokenize_answer(gold)]) for gold in golds]
        tokens = sum(gather_object([int(each.mask.sum()) for each in completions]))
        items = [
            Item(Group(each.prompt, each.features, completion), completion.mask.float() / tokens)
            for each, completion in zip(inputs, completions, strict=True)
        ]
        records = [
            {"task": each.sample.task, "completion_tokens": int(item.group.completions.mask.sum())}
            for each, item in zip(inputs, items, strict=True)
        ]
        return Prepared(items, records, [])

    def loss(self, item: Item, log_probs: Tensor, update: int) -> tuple[Tensor, dict[str, float]]:
        loss = -(log_probs * item.weights.to(log_probs.device)).sum()
        return loss, {"loss": float(loss.detach())}

    def summarize(self, records: Sequence[Mapping[str, Any]], sums: Mapping[str, float]) -> dict[str, float]:
        return {
            "loss": sums["loss"],
            "completion_tokens": sum(record["completion_tokens"] for record in records) / len(records),
        }
