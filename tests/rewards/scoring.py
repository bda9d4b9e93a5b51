"""What the tests of reward functions share: eight groups of two completions, scored by functions."""

from typing import Any

from reeltune.rewards.faults import RewardFaults
from reeltune.rewards.functions import with_form
from reeltune.rewards.score import GroupRewards, score_groups
from reeltune.rewards.weights import Reward
from reeltune.tasks import get_task

TASK = get_task("multiple_choice")
SAMPLES = [
    TASK.sample_type(
        id=f"s{i}", task="multiple_choice", video="v", question="?", options=("x", "y"), target="AB"[i % 2]
    )
    for i in range(8)
]
TEXTS = [[f"<answer>A</answer>{'!' * i}", "<answer>B</answer>"] for i in range(8)]
EXPECTED = [[float(text[8] == sample.target) for text in group] for sample, group in zip(SAMPLES, TEXTS, strict=True)]


def score(
    *functions: Any, faults: RewardFaults | None = None, concurrency: int = 64, **weights: float
) -> list[GroupRewards]:
    """Each function as the reward `f0`, `f1`, ... over eight groups of two."""
    own = {f"f{i}": with_form(function, f"f{i}", TASK.sample_type.model_fields) for i, function in enumerate(functions)}
    reward = Reward(TASK, "direct", {**dict.fromkeys(own, 1.0), **weights}, functions=own, concurrency=concurrency)
    return score_groups({"multiple_choice": reward}, SAMPLES, TEXTS, None, faults)


def values(groups: list[GroupRewards], name: str = "f0") -> list[list[float | None]]:
    return [group.components[name] for group in groups]


def one(sample: Any, answer: Any, text: str) -> float:
    return float(answer.value == sample.target)
