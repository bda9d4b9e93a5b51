"""The gold completion in its group: where no sampled answer is as good, the group still learns which way is up.

It takes the place of the group's last completion, before advantages are computed. Its rollout log-probs are the
learner's own, so that its ratio begins at 1. It was not sampled, so metrics of the policy leave it out. Our choice;
mixing demonstrations into groups is studied as LUFFY (arXiv 2504.14945).
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch

from reeltune.models.types import Completions
from reeltune.rewards.score import GroupRewards
from reeltune.rewards.weights import Reward
from reeltune.rollout.group import Group
from reeltune.training.learner import Learner


def gold_texts(groups: Sequence[Group], rewards: Mapping[str, Reward]) -> list[str]:
    return [rewards[each.sample.task].task.gold(each.sample, rewards[each.sample.task].mode) for each in groups]


def add_gold(
    groups: Sequence[Group],
    texts: Sequence[str],
    scored: Sequence[GroupRewards],
    which: Literal["unsolved", "always"],
    learner: Learner,
    *,
    idle: Group | None = None,
) -> None:
    """Replace the last completion of each group by its gold one, `texts`, rewarded as `scored` says; of `unsolved`
    groups only those in which no completion earns as much.

    A gold completion that has no reward (a judge that did not answer) is left out. `idle`: any group of this process,
    which may have none.
    """
    for group, text, gold in zip(groups, texts, scored, strict=True):
        best = max(group.reward_values, default=float("-inf"))
        if bool(gold.valid[0]) and (which == "always" or best < float(gold.total[0])):
            _replace_last(group, text, learner.policy.tokenize_answer(text), gold)
    # All processes, whether their groups took one or not: weights in parts are gathered together.
    for group, values in zip(groups, learner.log_probs(groups, idle=idle), strict=True):
        if group.gold:
            group.log_probs[-1] = values[-1].float().cpu() * group.completions.mask[-1]


def _replace_last(group: Group, text: str, tokens: Sequence[int], gold: GroupRewards) -> None:
    rows = [row[mask].tolist() for row, mask in zip(group.completions.ids, group.completions.mask, strict=True)]
    group.completions = Completions.from_lists([*rows[:-1], list(tokens)])
    width = group.completions.ids.shape[1]
    log_probs = torch.zeros(len(rows), width)
    kept = min(width, group.log_probs.shape[1])
    log_probs[:-1, :kept] = group.log_probs[:-1, :kept]
    group.log_probs, group.gold = log_probs, True
    group.texts = [*group.texts[:-1], text]
    group.truncated = torch.cat([group.truncated[:-1], torch.zeros(1, dtype=torch.bool)])
    own = group.rewards
    group.rewards = GroupRewards(
        components={name: [*own.components[name][:-1], *gold.components.get(name, [None])] for name in own.components},
        total=torch.cat([own.total[:-1], gold.total]),
        valid=torch.cat([own.valid[:-1], gold.valid]),
        verdicts=[*own.verdicts[:-1], *gold.verdicts],
    )
