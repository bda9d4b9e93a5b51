"""Mixtures of experts: which experts a pass chooses, and the loss that keeps all of them in use.

Shape letters: T tokens of a pass, E experts, K experts of one token, G completions, C completion tokens.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from reeltune.errors import InputError
from reeltune.models._transformers import after_forward, versions
from reeltune.models.model import Policy
from reeltune.models.shared_prefix.decoding import Decoder
from reeltune.models.shared_prefix.row import group_log_probs, prefill
from reeltune.models.types import Group

EQUAL, EQUAL_IN_16_BITS = 0.999, 0.8


@dataclass
class Routed:
    """What the routers of a pass said, call by call: `logits` [T, E] and `chosen` [T, K]."""

    logits: list[Tensor] = field(default_factory=list)
    chosen: list[Tensor] = field(default_factory=list)

    def note(self, _module: nn.Module, _args: Any, output: tuple[Tensor, Tensor, Tensor]) -> None:
        logits, _, chosen = output
        self.logits.append(logits)
        self.chosen.append(chosen)


def routers(policy: Policy) -> list[nn.Module]:
    """The router of each layer that has experts; none in a dense model."""
    gates = [getattr(layer.mlp, "gate", None) for layer in policy.language_model.layers]
    return [gate for gate in gates if gate is not None and hasattr(gate, "num_experts")]


@contextmanager
def watched(policy: Policy) -> Iterator[Routed]:
    """Note what the routers say until the end of the block; recomputed layers after it are not noted again."""
    found = Routed()
    hooks = [after_forward(router, found.note) for router in routers(policy)]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def load_balancing_coefficient(policy: Policy) -> float:
    """The share of the load-balancing loss in the whole one: `router_aux_loss_coef` of a config whose
    `output_router_logits` asks for it, as stock models add it; else 0."""
    config = policy.text_config
    asked = bool(getattr(config, "output_router_logits", False)) and bool(routers(policy))
    return float(config.router_aux_loss_coef) if asked else 0.0


def load_balancing_loss(routed: Routed) -> Tensor:
    """E * sum over experts of (share of the choices) * (mean probability), over the tokens of all layers together.

    Switch Transformer (arXiv 2101.03961, equations 4 to 6) as transformers computes it. A row holds its prompts once,
    so each of their tokens counts once and not G times: our choice.
    """
    experts, choices = routed.logits[0].shape[-1], torch.cat(routed.chosen)
    probabilities = torch.cat([each.float().softmax(-1) for each in routed.logits])
    share = torch.zeros(experts, device=choices.device)
    share = share.scatter_add(0, choices.flatten(), torch.ones(choices.numel(), device=choices.device)) / len(choices)
    return experts * (share * probabilities.mean(0)).sum()


@torch.no_grad()
def expert_agreement(policy: Policy, group: Group, *, tokens: int = 16) -> float:
    """The share, over layers and completion tokens, of equal sets of experts in a packed row and in decoding.

    Of each completion the first `tokens` tokens count. 1.0 for a model without experts.
    """
    if not routers(policy):
        return 1.0
    ids, lengths = (
        group.completions.ids.to(policy.device),
        [min(each - 1, tokens) for each in group.completions.lengths],
    )
    steps = max(lengths)
    if steps < 1:
        return 1.0
    with watched(policy) as row:
        group_log_probs(policy, [group])
    decoder = Decoder(prefill(policy, [group]), len(ids))
    decoded = []
    for step in range(steps):
        place = torch.full((len(ids),), group.prompt.next_position + step, device=policy.device)
        with watched(policy) as found:
            policy.decode(ids[:, step], place, decoder)
        decoder.step()
        decoded.append(found.chosen)
    # A row's completions end every call of a router, each without its last token.
    sizes = [max(each - 1, 0) for each in group.completions.lengths]
    equal, counted = 0, 0
    for layer, chosen in enumerate(row.chosen):
        completions = chosen[len(chosen) - sum(sizes) :].split(sizes)
        for index, (own, length) in enumerate(zip(completions, lengths, strict=True)):
            for step in range(length):
                same = torch.equal(own[step].sort().values, decoded[step][layer][index].sort().values)
                equal, counted = equal + same, counted + 1
    return equal / counted


def require_equal_experts(policy: Policy, group: Group) -> None:
    """InputError where rollout and update would send a completion's tokens through other experts.

    All but rare ties must be equal in float32; in 16 bits routers round, and one choice of five may differ: our choice.
    """
    exact = policy.model.dtype in (torch.float32, torch.float64) and not torch.is_autocast_enabled(policy.device.type)
    wanted = EQUAL if exact else EQUAL_IN_16_BITS
    found = expert_agreement(policy, group)
    if found < wanted:
        raise InputError(
            f"{policy.source}: rollout and update choose the same experts for {found:.1%} of tokens and layers; at "
            f"least {wanted:.1%} must be equal, or the update would train experts that did not produce the tokens. "
            f"Use model.dtype=float32 and optim.precision=float32 ({versions()})"
        )
