"""The operations that a group needs, and the rate of plain matrix products here, for the utilization of a way.

A multiplication and an addition are two operations. Counted is what the result needs, whatever a way computes: the
prompt and its video once, of the prompt's last layer the keys and values alone, attention under its mask, and no
recomputation. A way that computes more is credited with no more.
"""

import statistics
import time

import torch

from reeltune.models.mixture_of_depths.install import is_routed
from reeltune.models.policy import Policy
from reeltune.models.types import Prompt
from reeltune.planning.architecture import read_architecture
from reeltune.planning.costs import attention_flops, tower_flops


def forward_flops(policy: Policy, prompt: Prompt, tokens: int, group_size: int) -> int:
    """Tower, prompt of P tokens, G completions of C tokens over it, and the head where a token is predicted."""
    if is_routed(policy.model):
        raise SystemExit(f"{policy.source}: a p-MoD model; mixture_of_depths.py measures those")
    vision = int((prompt.input_ids == policy.family.placeholder_id).sum())
    architecture = read_architecture(
        policy.config.to_dict(), str(policy.source), tokens_per_image=vision // policy.family.grid(prompt.clip)[0]
    )
    decoder, known, predicted = architecture.decoder, len(prompt), group_size * tokens
    # A completion's last token predicts nothing; a prompt's last one is all that its last layer owes beside the keys.
    run = group_size * (tokens - 1)
    width = decoder.heads * decoder.head_dim
    linear = 2 * decoder.layer_weights * ((decoder.layers - 1) * known + decoder.layers * run + 1)
    linear += 2 * decoder.hidden * decoder.cache_values * known + 2 * decoder.head_weights * predicted
    attention = (decoder.layers - 1) * attention_flops(width, known)
    attention += decoder.layers * (4 * width * run * known + group_size * attention_flops(width, tokens - 1))
    tower = tower_flops(architecture.vision, vision) if architecture.vision else 0
    return linear + attention + tower


def matmul_rate(device: str, dtype: torch.dtype) -> float:
    """Operations per second of one large matrix product, the median of ten."""
    size = 8192 if device.startswith("cuda") else 1024
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    clock = time.perf_counter if device.startswith("cuda") else time.process_time
    seconds = []
    for _ in range(12):
        began = clock()
        product = left @ right
        float(product[0, 0])
        seconds.append(clock() - began)
    return 2 * size**3 / statistics.median(seconds[2:])
