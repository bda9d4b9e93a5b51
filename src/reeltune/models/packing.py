"""The log-probs of groups' completions, with gradient, computing each prompt once.

Two ways, equal to one forward per completion up to float rounding:

- *prefix, then completions* (`prefix_log_probs`): the prompts once with their cache kept in the graph, then
  all completions as one batch on top of it. The faster one.
- *packed row* (`packed_row_log_probs`): `[prompt | c1 | ... | cG | next prompt | ...]` in one row under a
  4-D mask. It needs no cache, which transformers drops under gradient checkpointing.

Shape letters: B groups, P prompt tokens, G completions per group, C completion tokens, R = sum of G rows.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import DynamicCache

from reeltune.models.logits import token_log_probs
from reeltune.models.policy import Policy
from reeltune.models.prompt import Group


def group_log_probs(policy: Policy, groups: Sequence[Group], *, temperature: float = 1.0) -> list[Tensor]:
    """Log-probs of every completion token, one tensor [G, C] (float32, 0 at padding) per group."""
    if policy.gradient_checkpointing and torch.is_grad_enabled():
        return packed_row_log_probs(policy, groups, temperature=temperature)
    return prefix_log_probs(policy, groups, temperature=temperature)


def prefix_log_probs(policy: Policy, groups: Sequence[Group], *, temperature: float = 1.0) -> list[Tensor]:
    """The prompts once [B, P], then the completions [R, C] on their repeated cache."""
    device = policy.device
    last_hidden, cache, prompt_mask = prefill(policy, groups)
    rows = torch.tensor([index for index, group in enumerate(groups) for _ in range(_size(group))])
    ids = _stack([group.completions.ids for group in groups]).to(device)
    mask = _stack([group.completions.mask for group in groups]).to(device)
    hidden = last_hidden[rows.to(device), None]
    if ids.shape[1] > 1:
        cache.batch_select_indices(rows.to(device))
        inputs = ids[:, :-1]
        starts = torch.tensor([group.prompt.next_position for group in groups])[rows].to(device)
        positions = starts[:, None] + torch.arange(inputs.shape[1], device=device)
        output = policy.language_model(
            inputs_embeds=policy.embed(inputs),
            attention_mask=torch.cat([prompt_mask[rows.to(device)], torch.ones_like(inputs)], dim=1),
            position_ids=policy.family.language_positions(positions.expand(3, -1, -1)),
            past_key_values=cache,
            use_cache=True,
        )
        hidden = torch.cat([hidden, output.last_hidden_state], dim=1)
    flat = token_log_probs(hidden[mask], ids[mask], policy.head, banned=policy.banned, temperature=temperature)
    stacked = flat.new_zeros(mask.shape).masked_scatter(mask, flat)
    parts = stacked.split([_size(group) for group in groups])
    return [part[:, : group.completions.ids.shape[1]] for part, group in zip(parts, groups, strict=True)]


def prefill(policy: Policy, groups: Sequence[Group]) -> tuple[Tensor, DynamicCache, Tensor]:
    """Run the prompts once, padded on the left.

    Returns the hidden state of each last prompt token [B, H], the cache, and the prompt mask [B, P].
    """
    device = policy.device
    width = max(len(group.prompt) for group in groups)
    ids = torch.zeros(len(groups), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    positions = torch.zeros(3, len(groups), width, dtype=torch.long)
    for index, group in enumerate(groups):
        start = width - len(group.prompt)
        ids[index, start:] = group.prompt.input_ids
        mask[index, start:] = 1
        positions[:, index, start:] = group.prompt.position_ids
    ids, mask = ids.to(device), mask.to(device)
    embeds, extra = policy.embed_with_video(ids, mask.bool(), [group.features for group in groups])
    output = policy.language_model(
        inputs_embeds=embeds,
        # Without padding no mask at all: attention then takes its fast causal path.
        attention_mask=None if bool(mask.all()) else mask,
        position_ids=policy.family.language_positions(positions.to(device)),
        past_key_values=DynamicCache(config=policy.text_config),
        use_cache=True,
        **extra,
    )
    return output.last_hidden_state[:, -1], output.past_key_values, mask


def packed_row_log_probs(policy: Policy, groups: Sequence[Group], *, temperature: float = 1.0) -> list[Tensor]:
    """All groups in one row [1, L]; a completion attends to its prompt and to itself only."""
    device = policy.device
    row = PackedRow(groups)
    ids = row.ids[None].to(device)
    is_prompt = (row.completion < 0)[None].to(device)
    features = [group.features for group in groups]
    embeds, extra = policy.embed_with_video(ids, is_prompt, features, samples=row.group[None].to(device))
    output = policy.language_model(
        inputs_embeds=embeds,
        attention_mask=row.attention_mask(device, embeds.dtype),
        position_ids=policy.family.language_positions(row.positions[:, None].to(device)),
        use_cache=False,
        **extra,
    )
    flat = token_log_probs(
        output.last_hidden_state[0, row.predictors.to(device)],
        row.targets.to(device),
        policy.head,
        banned=policy.banned,
        temperature=temperature,
    )
    parts = flat.split([int(group.completions.mask.sum()) for group in groups])
    return [
        part.new_zeros(group.completions.mask.shape).masked_scatter(group.completions.mask.to(device), part)
        for part, group in zip(parts, groups, strict=True)
    ]


class PackedRow:
    """The layout of several groups in one row of L tokens, without any padding.

    `ids`, `group`, `completion` [L] (`completion` is -1 on prompt tokens), `positions` [3, L]; `predictors`
    and `targets` [tokens]: where each completion token is predicted, and which token it is.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        ids: list[Tensor] = []
        positions: list[Tensor] = []
        owners: list[tuple[int, int, int]] = []
        predictors: list[Tensor] = []
        targets: list[Tensor] = []
        end = 0
        for index, group in enumerate(groups):
            last_prompt = end + len(group.prompt) - 1
            pieces = [group.prompt.input_ids]
            positions.append(group.prompt.position_ids)
            owners.append((index, -1, len(group.prompt)))
            end += len(group.prompt)
            for number, length in enumerate(group.completions.lengths):
                tokens = group.completions.ids[number, :length]
                steps = torch.arange(length)
                predictors.append(torch.cat([torch.tensor([last_prompt]), end + steps[:-1]])[:length])
                targets.append(tokens)
                pieces.append(tokens)
                positions.append((group.prompt.next_position + steps).expand(3, -1))
                owners.append((index, number, length))
                end += length
            ids.extend(pieces)
        lengths = torch.tensor([owner[2] for owner in owners])
        self.ids = torch.cat(ids)
        self.positions = torch.cat(positions, dim=1)
        self.group = torch.tensor([owner[0] for owner in owners]).repeat_interleave(lengths)
        self.completion = torch.tensor([owner[1] for owner in owners]).repeat_interleave(lengths)
        self.predictors = torch.cat(predictors)
        self.targets = torch.cat(targets)

    def attention_mask(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        """Additive mask [1, 1, L, L]: same group, not later, and the key in the prompt or in the same completion."""
        group, completion = self.group.to(device), self.completion.to(device)
        order = torch.arange(len(group), device=device)
        visible = (
            (group[:, None] == group)
            & (order[:, None] >= order)
            & ((completion == -1) | (completion[:, None] == completion))
        )
        mask = torch.zeros(visible.shape, dtype=dtype, device=device)
        return mask.masked_fill_(~visible, torch.finfo(dtype).min)[None, None]


def pack(groups: Sequence[Group], token_budget: int) -> list[list[int]]:
    """Indices of `groups` for each pass: similar lengths together, at most `token_budget` tokens with padding.

    A group above the budget gets a pass of its own: groups are never split.
    """
    order = sorted(range(len(groups)), key=lambda index: (len(groups[index].prompt), index))
    passes: list[list[int]] = []
    for index in order:
        if passes and padded_tokens([groups[member] for member in [*passes[-1], index]]) <= token_budget:
            passes[-1].append(index)
        else:
            passes.append([index])
    return passes


def padded_tokens(groups: Sequence[Group]) -> int:
    """Tokens one pass computes: B * P + R * C with the longest P and C."""
    prompt = max(len(group.prompt) for group in groups)
    completion = max(group.completions.ids.shape[1] for group in groups)
    return len(groups) * prompt + sum(_size(group) for group in groups) * completion


def _size(group: Group) -> int:
    return int(group.completions.ids.shape[0])


def _stack(tensors: Sequence[Tensor]) -> Tensor:
    """[G, C] tensors of several groups -> [R, C], padded on the right with 0."""
    width = max(tensor.shape[1] for tensor in tensors)
    return torch.cat([torch.nn.functional.pad(tensor, (0, width - tensor.shape[1])) for tensor in tensors])
