"""The log-probs of groups' completions, with gradient, computing each prompt once.

One row holds `[prompt 1 | ... | prompt B | completions of 1 | ... | completions of B]` and nothing else: no padding,
no mask, no copy of a prompt. `shared_attention.RowAttention` keeps completions apart; every other layer of the
model sees tokens one by one anyway. The last token of a completion predicts nothing and is left out.

Shape letters: B groups, P prompt tokens, G completions per group, C completion tokens, L tokens of the row.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from reeltune.models.logits import token_log_probs
from reeltune.models.policy import Policy
from reeltune.models.prompt import Completions, Group
from reeltune.models.shared_attention import PromptCache, RowAttention


def group_log_probs(policy: Policy, groups: Sequence[Group], *, temperature: float = 1.0) -> list[Tensor]:
    """Log-probs of every completion token, one tensor [G, C] (float32, 0 at padding) per group."""
    row = PackedRow(groups)
    hidden = _forward(policy, groups, row, RowAttention(row.prompts, row.inputs))
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


@torch.no_grad()
def prefill(policy: Policy, groups: Sequence[Group]) -> tuple[Tensor, PromptCache]:
    """Run the prompts once: the hidden state of each last prompt token [B, H], and their keys and values."""
    row = PackedRow([Group(group.prompt, group.features, Completions.empty()) for group in groups])
    cache: PromptCache = []
    hidden = _forward(policy, groups, row, RowAttention(row.prompts, row.inputs, cache))
    return hidden[torch.tensor(row.prompts, device=policy.device).cumsum(0) - 1], cache


class PackedRow:
    """The layout of several groups in one row of L tokens.

    `ids` [L], `positions` [3, L]; `prompts` [B] and `inputs` [B][G]: tokens of each prompt and each completion in
    the row; `predictors` and `targets` [tokens]: where each completion token is predicted, and which token it is.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        self.prompts = [len(group.prompt) for group in groups]
        self.inputs = [[max(length - 1, 0) for length in group.completions.lengths] for group in groups]
        ids = [group.prompt.input_ids for group in groups]
        positions = [group.prompt.position_ids for group in groups]
        predictors, targets = [ids[0].new_zeros(0)], [ids[0].new_zeros(0)]
        end, last_prompt = sum(self.prompts), -1
        for group in groups:
            last_prompt += len(group.prompt)
            for row, length in zip(group.completions.ids, group.completions.lengths, strict=True):
                if not length:
                    continue
                steps = torch.arange(length - 1)
                predictors.extend([torch.tensor([last_prompt]), end + steps])
                targets.append(row[:length])
                ids.append(row[: length - 1])
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


def _forward(policy: Policy, groups: Sequence[Group], row: PackedRow, shared: RowAttention) -> Tensor:
    """Hidden states [L, H] of the row."""
    device = policy.device
    ids = row.ids[None].to(device)
    prompts = torch.tensor(row.prompts)
    group = torch.full_like(row.ids, -1)
    group[: sum(row.prompts)] = torch.arange(len(groups)).repeat_interleave(prompts)
    group = group[None].to(device)
    embeds, extra = policy.embed_with_video(ids, group >= 0, [each.features for each in groups], samples=group)
    hidden: Tensor = policy.language_model(
        inputs_embeds=embeds,
        # All ones: no mask is built. Without it a Llama would read rows of their own into the positions.
        attention_mask=torch.ones_like(ids),
        position_ids=policy.family.language_positions(row.positions[:, None].to(device)),
        use_cache=False,
        shared=shared,
        **extra,
    ).last_hidden_state[0]
    return hidden
