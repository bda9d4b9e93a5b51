"""Our forward passes against the stock model's, on random tokens of the very model that was opened.

Shared prompts stand on names and habits of transformers that a release may change without an error. So `load_policy`
asks: does one row with its prompt once give what the stock model gives for each completion on its own, and does a
decoding step over cached keys give what the whole pass gives? A handful of tokens and six short passes.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from reeltune.errors import InputError
from reeltune.models._transformers import cached_step, versions
from reeltune.models.experts import require_equal_experts
from reeltune.models.logits import policy_logits
from reeltune.models.mixture_of_depths.install import is_routed
from reeltune.models.model import Policy
from reeltune.models.shared_prefix.decoding import Decoder
from reeltune.models.shared_prefix.row import group_log_probs, prefill
from reeltune.models.types import Completions, Group, Prompt
from reeltune.video.clip import Clip

# Completions of three tokens, so that one predicts within itself and beside another.
ROWS, TOKENS = 2, 3
# The largest difference of a log-prob, as a share of the largest one. Float32 passes differ by about 1e-6 (tiny models,
# CPU); what a wrong mask or position does is 1e-2 and more. Sixteen-bit passes round each of many layers.
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-3}
SIXTEEN_BIT = 1e-1


@torch.no_grad()
def check_against_stock(policy: Policy, *, seed: int = 0) -> None:
    """InputError with versions and the difference, where our passes are not the stock model's (NaN counts).

    It runs where the policy stands: attention has another way on a GPU than on a CPU, so check again after moving.
    """
    was_training = policy.training
    policy.eval()
    try:
        group = _random_group(policy, seed)
        stock = _stock_log_probs(policy, group)
        shared = group_log_probs(policy, [group])[0]
        _compare(policy, "one row with its prompt once", stock, shared)
        _compare(policy, "a decoding step over the prompt's keys", stock[:, 1], _decoded(policy, group))
        require_equal_experts(policy, group)
        if is_routed(policy.model):
            # Our rollout never uses transformers' cache; whoever generates with the routed model does.
            _compare(policy, "a step over transformers' cache", stock[:, -1], _cached(policy, group))
    except (TypeError, ValueError, LookupError, AttributeError, RuntimeError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise InputError(
            f"{policy.source}: the model cannot be run with {versions()}: {type(error).__name__}: {error}"
        ) from error
    finally:
        policy.train(was_training)


def _random_group(policy: Policy, seed: int) -> Group:
    """Random text around one small random clip, and two random completions of it."""
    family, rng = policy.family, np.random.default_rng(seed)
    count, height, width, _ = family.smallest_clip().frames.shape
    frames = rng.integers(0, 256, (2 * count, height, width, 3), dtype=np.uint8)
    clip = Clip(frames, np.arange(len(frames)) / 2, len(frames) / 2, f"self-check-{seed}")
    special = {*policy.tokenizer.all_special_ids, *policy.banned.tolist()}
    words = np.array([token for token in sorted(policy.tokenizer.get_vocab().values()) if token not in special])
    video = policy.tokenizer(family.video_text(clip), add_special_tokens=False)["input_ids"]
    ids = torch.tensor([*rng.choice(words, 4), *video, *rng.choice(words, 4)])
    prompt = Prompt(ids, family.position_ids(ids, [clip]), (clip,))
    completions = Completions.from_lists(rng.choice(words, (ROWS, TOKENS)).tolist())
    return Group(prompt, policy.encode([clip])[0], completions)


def _stock_inputs(policy: Policy, group: Group) -> dict[str, Any]:
    """[prompt | completion] as plain rows for the stock model, without its last token's successor."""
    prompt = group.prompt
    ids = torch.cat([prompt.input_ids.expand(ROWS, -1), group.completions.ids], dim=1).to(policy.device)
    after = (prompt.next_position + torch.arange(TOKENS)).expand(3, -1)
    positions = torch.cat([prompt.position_ids, after], dim=1)[:, None].expand(-1, ROWS, -1).to(policy.device)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "position_ids": policy.family.language_positions(positions),
        **policy.family.stock_inputs(ids, prompt.media),
    }


def _stock_log_probs(policy: Policy, group: Group) -> Tensor:
    """[G, C], float32."""
    inputs = _stock_inputs(policy, group)
    logits = policy.model(**inputs, use_cache=False).logits[:, len(group.prompt) - 1 : -1]
    return _of_tokens(policy, logits, group.completions.ids)


def _of_tokens(policy: Policy, logits: Tensor, ids: Tensor) -> Tensor:
    distribution = policy_logits(logits, banned=policy.banned, temperature=1.0).log_softmax(-1)
    return distribution.gather(-1, ids.to(logits.device)[..., None])[..., 0]


def _decoded(policy: Policy, group: Group) -> Tensor:
    """Log-probs [G] of each completion's second token, after its first was decoded."""
    decoder = Decoder(prefill(policy, [group]), ROWS)
    ids = group.completions.ids.to(policy.device)
    hidden = policy.decode(ids[:, 0], torch.full((ROWS,), group.prompt.next_position, device=policy.device), decoder)
    return _of_tokens(policy, policy.head(hidden), ids[:, 1])


def _cached(policy: Policy, group: Group) -> Tensor:
    """Log-probs [G] of each completion's last token, by a step over the cache that transformers fills."""
    inputs = _stock_inputs(policy, group)
    logits = cached_step(policy.model, inputs, before=inputs["input_ids"].shape[1] - 2)
    return _of_tokens(policy, logits, group.completions.ids[:, -1])


def _compare(policy: Policy, what: str, stock: Tensor, ours: Tensor) -> None:
    difference = float((stock - ours).abs().max())
    allowed = TOLERANCE.get(policy.model.dtype, SIXTEEN_BIT) * max(1.0, float(stock.abs().max()))
    # Written so that NaN fails too.
    if not difference <= allowed:
        raise InputError(
            f"{policy.source}: {what} differs from the stock model by {difference:.3g} in a log-prob (allowed: "
            f"{allowed:.1g}) with {versions()}. Rollout and update would use a different model; install tested "
            "versions"
        )
