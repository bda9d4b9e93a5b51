"""The bytes that one learner pass keeps for its backward pass: what autograd saves of each layer, token by token.

Counted from the modules as transformers writes them (RMS norms in plain torch, a gated MLP, fused attention), held to
measurements on the CPU by `tests/planning/test_activations.py`. Norms save their input, its normed form and what the
linear maps after them take; attention its queries, keys, values and output; the MLP four times its width.

Under autocast the residual stream is float32, and every linear map keeps a bfloat16 copy of its input of its own.
"""

from dataclasses import dataclass
from typing import Literal

from reeltune.planning.architecture import Architecture, Decoder, Tower

Precision = Literal["float32", "bfloat16", "autocast"]
"""What the passes compute in; autocast: float32 weights, bfloat16 linear maps."""
HEAD_ROWS = 1024
"""Rows of logits at a time (`models/logits.py`)."""
HEAD_COPIES = 5
"""Float32 copies of one chunk of logits while its gradient is computed: logits, masked, log-probs, two gradients."""


@dataclass(frozen=True)
class Pass:
    """One learner pass: `groups` prompts of `prompt_tokens` each, and `completion_tokens` of all their completions."""

    groups: int
    prompt_tokens: int
    completion_tokens: int
    vision_tokens: int = 0
    """Of each prompt."""
    completions: int = 0
    """Of all groups; in layers with a sliding window each has a copy of its prompt's last tokens."""

    @property
    def tokens(self) -> int:
        return self.groups * self.prompt_tokens + self.completion_tokens


def activation_bytes(
    architecture: Architecture,
    work: Pass,
    precision: Precision,
    *,
    checkpointing: bool,
    tower_trains: bool = False,
    qk_norm: bool = False,
    adapter: bool = False,
) -> int:
    """The most that a pass holds at once beside weights and gradients: at the end of its forward pass, while the head's
    gradient is computed, or, with checkpointing, while one layer is computed again."""
    decoder = architecture.decoder
    layer = _layer_bytes(decoder, precision, qk_norm=qk_norm)
    if adapter:  # which takes each linear map's input once more, in its own float32
        layer += 4 * (5 * decoder.hidden + decoder.heads * decoder.head_dim + decoder.intermediate)
    ends = work.completion_tokens + work.groups  # the tokens that the last layer computes whole
    transient = _head_bytes(decoder, work.completion_tokens, precision)
    tails = work.completions * min(work.prompt_tokens, decoder.window) * 2 * decoder.kv_heads * decoder.head_dim
    tails *= _value(precision) if decoder.sliding_layers else 0
    if checkpointing:
        kept = decoder.layers * work.tokens * decoder.hidden * _residual(precision)
        # Computed again: what it keeps, and the widest gradient on its way back.
        again = work.tokens * (layer + decoder.intermediate * _value(precision)) + tails
        transient = max(transient, again)
    else:
        kept = (decoder.layers - 1) * work.tokens * layer + ends * layer + _last_keys(decoder, work, precision)
        kept += decoder.sliding_layers * tails
        transient = max(transient, work.tokens * 2 * decoder.intermediate * _value(precision))
    kept += ends * decoder.hidden * 4 * _residual(precision)  # the final norm and what the head takes
    tower = architecture.vision
    if tower_trains and tower:
        kept += _tower_bytes(tower, work.groups * work.vision_tokens, precision, checkpointing=checkpointing)
    return kept + transient


def _value(precision: Precision) -> int:
    return 4 if precision == "float32" else 2


def _residual(precision: Precision) -> int:
    return 2 if precision == "bfloat16" else 4


def _layer_bytes(decoder: Decoder, precision: Precision, *, qk_norm: bool) -> int:
    """Of one token in one layer."""
    hidden, query = decoder.hidden, decoder.heads * decoder.head_dim
    keys = decoder.kv_heads * decoder.head_dim
    value = _value(precision)
    norms = {"float32": 24, "bfloat16": 16, "autocast": 26}[precision] * hidden
    attention = value * (2 * query + 2 * keys) + 4 * decoder.heads
    if qk_norm:
        attention += (8 if precision == "float32" else 6) * (query + keys)
    return norms + attention + 4 * decoder.intermediate * value


def _last_keys(decoder: Decoder, work: Pass, precision: Precision) -> int:
    """What the last layer keeps of the prompts: they owe it keys and values, and nothing more."""
    keys = 2 * decoder.kv_heads * decoder.head_dim * _value(precision)
    return work.groups * work.prompt_tokens * (3 * decoder.hidden * _residual(precision) + keys)


def _head_bytes(decoder: Decoder, tokens: int, precision: Precision) -> int:
    rows = min(tokens, HEAD_ROWS)
    return rows * decoder.vocabulary * (4 * HEAD_COPIES + (0 if precision == "float32" else 2))


def _tower_bytes(tower: Tower, vision_tokens: int, precision: Precision, *, checkpointing: bool) -> int:
    patches = vision_tokens * tower.patches_per_token
    value, hidden = _value(precision), tower.hidden
    norm = 3 if tower.gated_mlp else 2  # RMS norms in plain torch, or torch's own layer norm
    # Queries and keys stand twice, before and after their rotation.
    layer = hidden * (2 * norm + 7) * value + (4 if tower.gated_mlp else 3) * tower.intermediate * value
    ends = sum(inside + outside for inside, outside in tower.projector) * vision_tokens * value
    ends += patches * tower.patch_values * 4  # the pixels, float32
    if checkpointing:
        return patches * (tower.layers * hidden * value + layer) + ends
    return tower.layers * patches * layer + ends
