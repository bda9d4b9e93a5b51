"""The log-probs of groups' completions, with gradient, computing each prompt once.

One row holds `[prompt 1 | ... | prompt B | completions of 1 | ... | completions of B]` and nothing else: no padding,
no mask, no copy of a prompt. `attention.RowAttention` keeps completions apart in what mixes tokens, attention and
recurrence; everything else sees tokens one by one anyway. The last token of a completion predicts nothing and is left
out.

Where the rollout kept the prompts in the graph (`Group.state`), the row holds completions alone and goes on from there.

Shape letters: B groups, P prompt tokens, G completions per group, C completion tokens, L tokens of the row.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from reeltune.models.logits import token_log_probs
from reeltune.models.model import Policy
from reeltune.models.shared_prefix.attention import OverPrompts, PromptCache, Recording, RowAttention, SharedAttention
from reeltune.models.shared_prefix.last_layer import wanted
from reeltune.models.types import Completions, Group, PromptState


def group_log_probs(policy: Policy, groups: Sequence[Group], *, temperature: float = 1.0) -> list[Tensor]:
    """Log-probs of every completion token, one tensor [G, C] (float32, 0 at padding) per group.

    Either all groups bring their prompt's state, or none does.
    """
    row = PackedRow(groups)
    states = [group.state for group in groups if group.state]
    hidden = _go_on(policy, states, row) if states else _forward(policy, groups, row, row.attention)
    flat = token_log_probs(
        hidden[row.predictors.to(policy.device)],
        row.targets.to(policy.device),
        policy.head,
        banned=policy.banned,
        temperature=temperature,
    )
    parts = flat.split([int(group.completions.mask.sum()) for group in groups])
    return [
        part.new_zeros(group.completions.mask.shape).masked_scatter(group.completions.mask.to(policy.device), part)
        for part, group in zip(parts, groups, strict=True)
    ]


def prefill(policy: Policy, groups: Sequence[Group]) -> list[PromptState]:
    """Run the prompts once, in one row; the states are in its graph where grad mode is on."""
    row = PackedRow([Group(group.prompt, group.features, Completions.empty()) for group in groups])
    cache: PromptCache = []
    hidden = _forward(policy, groups, row, Recording(row.attention, cache))
    return [PromptState(layers, last) for layers, last in zip(zip(*cache, strict=True), hidden, strict=True)]


class PackedRow:
    """The layout of several groups in one row of L tokens.

    `ids` [L], `positions` [3, L]; `attention`: who sees whom; `targets` [tokens]: every completion token, and
    `predictors` [tokens]: where it is predicted, among the prompts' last tokens [B] and the row's completion tokens
    after them. A prompt whose state is known is not in the row.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        known = groups[0].state is not None
        if any((group.state is not None) != known for group in groups):
            raise ValueError("either all groups of a row or none must bring the state of their prompt")
        # The last token of a completion predicts nothing: length - 1 of them are in the row.
        self.attention = RowAttention(
            [0 if known else len(group.prompt) for group in groups],
            [[max(length - 1, 0) for length in group.completions.lengths] for group in groups],
        )
        empty = groups[0].prompt.input_ids.new_zeros(0)
        ids = [empty if known else group.prompt.input_ids for group in groups]
        positions = [group.prompt.position_ids[:, : len(each)] for group, each in zip(groups, ids, strict=True)]
        predictors, targets = [empty], [empty]
        # Predictors count in what `wanted` leaves: first the B prompts' last tokens, then the completions' tokens.
        end = len(groups)
        for index, group in enumerate(groups):
            for row, length in zip(group.completions.ids, group.completions.lengths, strict=True):
                if not length:
                    continue
                steps = torch.arange(length - 1)
                # A completion's first token is predicted by its prompt's end, every other one by the token before.
                predictors.extend([torch.tensor([index]), end + steps])
                targets.append(row[:length])
                ids.append(row[: length - 1])
                # Every completion starts at the same position: as if it stood directly after its prompt.
                positions.append((group.prompt.next_position + steps).expand(3, -1))
                end += length - 1
        self.ids = torch.cat(ids)
        self.positions = torch.cat(positions, dim=1)
        self.predictors = torch.cat(predictors)
        self.targets = torch.cat(targets)


def pack(groups: Sequence[Group], token_budget: int) -> list[list[int]]:
    """Indices of `groups` for each pass: similar prompts together, at most `token_budget` tokens.

    A group above the budget gets a pass of its own: groups are never split.
    """
    order = sorted(range(len(groups)), key=lambda index: (len(groups[index].prompt), index))
    passes: list[list[int]] = []
    room = 0
    for index in order:
        tokens = group_tokens(groups[index])
        if not passes or tokens > room:
            passes.append([])
            room = token_budget
        passes[-1].append(index)
        room -= tokens
    return passes


def group_tokens(group: Group) -> int:
    """P + G * C, the most that a group can need: in the rollout its completions are still to be written."""
    return len(group.prompt) + group.completions.ids.numel()


def _forward(policy: Policy, groups: Sequence[Group], row: PackedRow, shared: SharedAttention) -> Tensor:
    """Hidden states of the prompts' last tokens, then of the row's completion tokens: [B + tokens, H]."""
    device = policy.device
    ids = row.ids[None].to(device)
    prompts = torch.tensor(row.attention.prompts)
    group = torch.full_like(row.ids, -1)
    group[: int(prompts.sum())] = torch.arange(len(groups)).repeat_interleave(prompts)
    group = group[None].to(device)
    embeds, extra = policy.embed_with_video(ids, group >= 0, [each.features for each in groups], samples=group)
    hidden = policy.hidden(embeds, row.positions[:, None].to(device), shared, extra)[0]
    places = wanted(row.attention)
    # A routed last layer leaves every token.
    return hidden if len(hidden) == len(places) else hidden[places.to(device)]


def _go_on(policy: Policy, states: Sequence[PromptState], row: PackedRow) -> Tensor:
    """What `_forward` gives, of a row of completions alone."""
    last = torch.stack([state.last for state in states])
    if not len(row.ids):
        return last
    ids = row.ids[None].to(policy.device)
    shared = OverPrompts(
        [list(pairs) for pairs in zip(*(each.layers for each in states), strict=True)], row.attention.completions
    )
    positions = row.positions[:, None].to(policy.device)
    return torch.cat([last, policy.hidden(policy.embed(ids), positions, shared, policy.text_only(ids))[0]])
