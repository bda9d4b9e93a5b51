"""Rewards of your own, in each form that people write them in; a Python file with your own task is not needed for that.

    reeltune train recipes/toy/grpo.yaml run.dir=runs/own-reward "rewards.functions={temporal_grounding: {
        short: examples/own_reward.py:short, varied: examples/own_reward.py:varied,
        no_repeats: examples/own_reward.py:no_repeats, served: examples/own_reward.py:served}}" \
        "rewards.weights={temporal_grounding: {short: 0.2, varied: 0.1}}"

Which form a function has is told by its parameters, before the model is loaded. All functions run together over all
groups of a step. One that raises is a fault of that sample: named, counted, and the completion leaves its group.
"""

import asyncio
from collections import Counter
from typing import Any


def short(sample: Any, answer: Any, text: str) -> float | None:
    """One completion: 1 for a readable answer in few characters; does not apply to an unreadable one."""
    return None if answer.value is None else float(len(text) < 40)


def varied(sample: Any, answers: list[Any], texts: list[str]) -> list[float]:
    """A whole group: 1 divided by how often the group says the same."""
    counts = Counter(texts)
    return [1 / counts[text] for text in texts]


def no_repeats(completions: list[str], **columns: Any) -> list[float]:
    """TRL's form: a whole group, the sample's fields as lists (`id`, `query`, `target`, ..., and `prompts`)."""
    assert len(columns["target"]) == len(completions)
    words = [text.split() for text in completions]
    return [len(set(own)) / len(own) if own else 0.0 for own in words]


async def served(sample: Any, answer: Any, text: str) -> float:
    """Each form may be async: here one would ask a reward model over the network."""
    await asyncio.sleep(0.05)
    return float("</answer>" in text)
