"""Every way of computing a row's attention on a device, against the definition in float64."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from reeltune.models.shared_prefix.attention import RowAttention, joined_keys_attention, provider_for
from reeltune.models.shared_prefix.provider import attend_over_row

LAYOUTS: dict[str, tuple[list[int], list[list[int]]]] = {
    "two groups": ([70, 33], [[9, 4, 17], [5, 5]]),
    "prompts alone": ([40, 3], [[], []]),
    "one group without answers": ([20, 30], [[], [7, 1]]),
    "answers of one token": ([50], [[1, 1, 1, 1]]),
    "over known prompts": ([64, 16], [[12, 3], [8]]),
}
LIMITS = {torch.float32: 2e-5, torch.bfloat16: 4e-2}
HEADS, KEY_HEADS, SIZE, SCALE = 8, 2, 64, 0.125


@dataclass(frozen=True)
class Case:
    """`error`: the largest difference in outputs and gradients; None where it failed, with `failure`."""

    provider: str
    dtype: str
    layout: str
    limit: float
    error: float | None
    failure: str = ""


def attention_errors(device: torch.device) -> Iterator[Case]:
    """Each way of computing a row's attention on `device` against its definition in float64, a case for each precision
    and layout. A way that cannot run is a case with its failure, not an exception."""
    for dtype, limit in LIMITS.items():
        for layout, (prompts, completions) in LAYOUTS.items():
            row = RowAttention(prompts, completions)
            tokens = row.prompt_tokens + row.completion_tokens
            missing = row.prompt_tokens if layout == "over known prompts" else 0
            generator = torch.Generator().manual_seed(0)
            shapes = [(HEADS, tokens - missing), (KEY_HEADS, tokens), (KEY_HEADS, tokens)]
            inputs = [torch.randn(1, *shape, SIZE, generator=generator).to(dtype) for shape in shapes]
            slope = torch.randn(1, tokens - missing, HEADS, SIZE, generator=generator).to(dtype)
            wanted = _run("definition", row, [each.double() for each in inputs], slope.double())
            here = [each.to(device) for each in inputs]
            provider = provider_for(here[0])
            for name in [*([provider.name] if provider else []), "joined keys"]:
                try:
                    found = _run(name, row, here, slope.to(device))
                except RuntimeError as failure:
                    yield Case(name, _short(dtype), layout, limit, None, str(failure).splitlines()[0][:200])
                    continue
                pairs = zip(found, wanted, strict=True)
                error = max(
                    float((a.double().cpu() - b).abs().max()) / max(1.0, float(b.abs().max())) for a, b in pairs
                )
                yield Case(name, _short(dtype), layout, limit, error)


def _run(name: str, row: RowAttention, inputs: list[Tensor], slope: Tensor) -> list[Tensor]:
    """Output and the three gradients."""
    query, key, value = (each.clone().requires_grad_() for each in inputs)
    provider = provider_for(query)
    if name == "definition":
        output = _definition(row, query, key, value)
    elif name == "joined keys" or provider is None:
        output = joined_keys_attention(row, query, key, value, SCALE)
    else:
        output = attend_over_row(provider, row, query, key, value, SCALE)
    return [output.detach(), *torch.autograd.grad((output * slope).sum(), (query, key, value))]


def _definition(row: RowAttention, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """One softmax under a mask of the whole row."""
    owners = [(group, -1) for group, length in enumerate(row.prompts) for _ in range(length)]
    answers = [(group, length) for group, lengths in enumerate(row.completions) for length in lengths]
    owners += [(group, number) for number, (group, length) in enumerate(answers) for _ in range(length)]
    group, answer = torch.tensor(owners).T
    order = torch.arange(len(owners))
    visible = (group[:, None] == group) & (order[:, None] >= order)
    visible &= (answer[:, None] == answer) | (answer == -1)
    share = query.shape[1] // key.shape[1]
    key, value = (each.repeat_interleave(share, dim=1) for each in (key, value))
    scores = query @ key.transpose(2, 3) * SCALE
    scores = scores.masked_fill(~visible[len(owners) - query.shape[2] :], float("-inf"))
    return (scores.softmax(-1) @ value).transpose(1, 2)


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
