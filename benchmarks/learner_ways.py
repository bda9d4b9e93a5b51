"""Ways to get one group's log-probs, from its frames to a number to differentiate. Each returns [G, C] log-probs.

`ours` is the package's own path; the others are what it is measured against, and what was tried and lost.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from models import model_inputs
from reeltune.models._transformers import CACHE
from reeltune.models.logits import policy_logits
from reeltune.models.policy import Policy
from reeltune.models.shared_prefix.row import group_log_probs, prefill
from reeltune.models.types import Completions, Group, Prompt

Way = Callable[[Policy, Prompt, Completions], Tensor]


def ours(policy: Policy, prompt: Prompt, completions: Completions) -> Tensor:
    [features] = policy.encode([prompt.clip])
    [log_probs] = group_log_probs(policy, [Group(prompt, features, completions)])
    return log_probs


def duplicated_rows(policy: Policy, prompt: Prompt, completions: Completions) -> Tensor:
    """G rows of prompt and completion through the stock model, logits on completions only."""
    rows, width = completions.ids.shape
    inputs = model_inputs(policy, prompt, completions, rows)
    logits = policy.model(**inputs, use_cache=False, logits_to_keep=width + 1).logits[:, :-1]
    return _log_probs(policy, logits, completions)


def floor(policy: Policy, prompt: Prompt, completions: Completions) -> Tensor:
    """One plain causal pass over P + G * C tokens, the video once: not the same function, and a whole last layer.

    Completions attend to one another here, which costs where G * C is long; ours can be below it.
    """
    device = policy.device
    [features] = policy.encode([prompt.clip])
    ids = torch.cat([prompt.input_ids, completions.ids.flatten()])[None].to(device)
    is_prompt = (torch.arange(ids.shape[1], device=device) < len(prompt))[None]
    embeds, extra = policy.embed_with_video(ids, is_prompt, [features])
    steps = prompt.next_position + torch.arange(completions.ids.numel())
    positions = torch.cat([prompt.position_ids, steps.expand(3, -1)], dim=1)[:, None].to(device)
    hidden = policy.language_model(
        inputs_embeds=embeds,
        attention_mask=torch.ones_like(ids),
        position_ids=policy.family.language_positions(positions),
        use_cache=False,
        **extra,
    ).last_hidden_state[0, len(prompt) - 1 : -1]
    return _log_probs(policy, policy.head(hidden).view(*completions.ids.shape, -1), completions)


def dense_mask(policy: Policy, prompt: Prompt, completions: Completions) -> Tensor:
    """One row of prompt and completions under a dense 4-D mask [1, 1, L, L]."""
    device = policy.device
    [features] = policy.encode([prompt.clip])
    rows, width = completions.ids.shape
    ids = torch.cat([prompt.input_ids, completions.ids.flatten()])[None].to(device)
    owner = torch.cat([torch.full((len(prompt),), -1), torch.arange(rows).repeat_interleave(width)]).to(device)
    order = torch.arange(len(owner), device=device)
    visible = (order[:, None] >= order) & ((owner == -1) | (owner[:, None] == owner))
    embeds, extra = policy.embed_with_video(ids, (owner == -1)[None], [features])
    steps = (prompt.next_position + torch.arange(width)).repeat(rows)
    positions = torch.cat([prompt.position_ids, steps.expand(3, -1)], dim=1)[:, None].to(device)
    hidden = policy.language_model(
        inputs_embeds=embeds,
        attention_mask=torch.zeros(visible.shape, dtype=embeds.dtype, device=device).masked_fill_(
            ~visible, torch.finfo(embeds.dtype).min
        )[None, None],
        position_ids=policy.family.language_positions(positions),
        use_cache=False,
        **extra,
    ).last_hidden_state[0]
    own = hidden[len(prompt) :].view(rows, width, -1)
    before = torch.cat([hidden[len(prompt) - 1].expand(rows, 1, -1), own[:, :-1]], dim=1)
    return _log_probs(policy, policy.head(before), completions)


def prefix_cache(policy: Policy, prompt: Prompt, completions: Completions) -> Tensor:
    """The prompt by the plain causal path, its cache kept in the graph and copied G times, completions on top."""
    device = policy.device
    [features] = policy.encode([prompt.clip])
    rows, width = completions.ids.shape
    ids = prompt.input_ids[None].to(device)
    embeds, extra = policy.embed_with_video(ids, torch.ones_like(ids).bool(), [features])
    prefix = policy.language_model(
        inputs_embeds=embeds,
        position_ids=policy.family.language_positions(prompt.position_ids[:, None].to(device)),
        use_cache=True,
        **{CACHE: DynamicCache(config=policy.text_config)},
        **extra,
    )
    cache = getattr(prefix, CACHE)
    cache.batch_repeat_interleave(rows)
    positions = (prompt.next_position + torch.arange(width - 1, device=device)).expand(3, rows, -1)
    hidden = policy.language_model(
        inputs_embeds=policy.embed(completions.ids[:, :-1].to(device)),
        attention_mask=torch.ones(rows, len(prompt) + width - 1, dtype=torch.long, device=device),
        position_ids=policy.family.language_positions(positions),
        use_cache=True,
        **{CACHE: cache},
    ).last_hidden_state
    hidden = torch.cat([prefix.last_hidden_state[:, -1:].expand(rows, -1, -1), hidden], dim=1)
    return _log_probs(policy, policy.head(hidden), completions)


WAYS: dict[str, Way] = {
    "ours": ours,
    "rows": duplicated_rows,
    "floor": floor,
    "dense mask": dense_mask,
    "prefix cache": prefix_cache,
}
AFTER_ROLLOUT = "after rollout"
EXACT = ("ours", AFTER_ROLLOUT, "rows", "dense mask", "prefix cache")


def backward(policy: Policy, way: Way, prompt: Prompt, completions: Completions) -> dict[str, Tensor]:
    """One step's forward and backward of a group with fixed advantages; leaves the gradient in the parameters."""
    policy.zero_grad(set_to_none=True)
    log_probs = way(policy, prompt, completions)
    rows = log_probs.shape[0]
    advantage = torch.linspace(-1, 1, rows, device=log_probs.device)[:, None]
    loss: Any = -(log_probs * advantage).sum() / log_probs.numel()
    loss.backward()
    return {"log_probs": log_probs.detach(), "loss": loss.detach()}


def backward_in_slices(policy: Policy, prompt: Prompt, completions: Completions, at_once: int) -> dict[str, Tensor]:
    """`backward` of duplicated rows, `at_once` of them at a time, their gradients added up."""
    policy.zero_grad(set_to_none=True)
    rows, count = completions.ids.shape[0], completions.ids.numel()
    advantage = torch.linspace(-1, 1, rows, device=policy.device)[:, None]
    found, total = [], torch.zeros((), device=policy.device)
    for start in range(0, rows, at_once):
        part = slice(start, start + at_once)
        log_probs = duplicated_rows(policy, prompt, Completions(completions.ids[part], completions.mask[part]))
        loss: Any = -(log_probs * advantage[part]).sum() / count
        loss.backward()
        found.append(log_probs.detach())
        total += loss.detach()
    return {"log_probs": torch.cat(found), "loss": total}


class AfterRollout:
    """What is left of the update where the rollout, of the same weights, kept tower and prompt in the graph.

    `prepare` is the rollout's share and not timed with it: without this way the rollout does the same work, and the
    update does it again.
    """

    def __init__(self, policy: Policy, prompt: Prompt, completions: Completions) -> None:
        self.policy, self.prompt, self.completions = policy, prompt, completions
        self.group: Group | None = None

    def prepare(self) -> None:
        [features] = self.policy.encode([self.prompt.clip])
        group = Group(self.prompt, features, self.completions)
        [state] = prefill(self.policy, [group])
        self.group = replace(group, state=state)

    def __call__(self) -> dict[str, Tensor]:
        if self.group is None:
            self.prepare()
        [group], self.group = [self.group], None
        return backward(self.policy, lambda *_: group_log_probs(self.policy, [group])[0], self.prompt, self.completions)


def _log_probs(policy: Policy, logits: Tensor, completions: Completions) -> Tensor:
    logits = policy_logits(logits, banned=policy.banned, temperature=1.0)
    ids = completions.ids.to(logits.device)
    return logits.log_softmax(-1).gather(-1, ids[..., None])[..., 0]
