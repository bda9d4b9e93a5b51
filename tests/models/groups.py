"""Groups of random words over random clips, for a tiny model of any family."""

from typing import Any

import torch

from reeltune.models.policy import Policy
from reeltune.models.types import Completions, Group

SIDE = {"qwen2_vl": 56, "qwen2_5_vl": 56, "qwen3_vl": 64, "llava": 56}


def make_groups(policy: Policy, clip_of: Any, family: str, lengths: list[list[int]]) -> list[Group]:
    """Groups of different videos, prompts and completion lengths."""
    generator = torch.Generator().manual_seed(7)
    groups = []
    for index, rows in enumerate(lengths):
        clip = clip_of(4 + 2 * index, SIDE[family], seed=index, width=SIDE[family] * (1 + index % 2))
        prompt = policy.prompt("When does it happen?" * (index + 1), clip)
        words = [torch.randint(20, 300, (length,), generator=generator).tolist() for length in rows]
        [features] = policy.encode([clip])
        groups.append(Group(prompt, features, Completions.from_lists(words)))
    return groups
