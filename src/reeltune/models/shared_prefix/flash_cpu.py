"""A row's attention on a CPU: a flash pass per prompt, one over all completions as a batch of rows, and one per prompt
for its completions."""

import torch
from torch import Tensor

from reeltune.models._transformers import flash_on_cpu, flash_on_cpu_backward
from reeltune.models.shared_prefix.provider import Provider, Row


def forward(row: Row, query: Tensor, key: Tensor, value: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """See `Provider`."""
    # The output projection wants heads last: written in that layout at once, `output` is a view, no copy follows.
    heads_last = query.new_empty(1, query.shape[2], query.shape[1], query.shape[3])
    output = heads_last.transpose(1, 2)
    # Logs of sums stay float32 in bfloat16 too: their difference is the share below.
    sums = query.new_empty(query.shape[:3], dtype=torch.promote_types(query.dtype, torch.float32))
    missing = row.missing(query, key)
    # 1. Each prompt over itself, causally. Done already where the row's queries are the completions alone.
    for span in [] if missing else row.prompt_spans:
        part = (each[:, :, span] for each in (query, key, value))
        output[:, :, span], sums[:, :, span] = flash_on_cpu(*part, causal=True, scale=scale)
    # 2. Each completion over itself, all of them as one batch of rows: completions never see each other.
    if row.padding:
        own = (row.padding.split(row.of_completions(each)) for each in (query, key, value))
        own_output, own_sums = flash_on_cpu(*own, causal=True, scale=scale)
        row.of_completions(output).copy_(row.padding.join(own_output))
        row.of_completions(sums).copy_(row.padding.join(own_sums))
    # 3. All completions of a prompt over that prompt, as one long query: every key is visible, so no mask. Then the
    #    two softmaxes become the one over both key sets: exp(sum of one - sum of both) is the share of each.
    for prompt, span in row.pairs(missing):
        keys = (key[:, :, prompt], value[:, :, prompt])
        over_prompt, prompt_sums = flash_on_cpu(query[:, :, span], *keys, causal=False, scale=scale)
        total = torch.logaddexp(prompt_sums, sums[:, :, span])
        share = (prompt_sums - total).exp()[..., None].to(output.dtype)
        output[:, :, span] += (over_prompt - output[:, :, span]) * share
        sums[:, :, span] = total
    return heads_last, sums


def backward(
    row: Row,
    gradient: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    output: Tensor,
    sums: Tensor,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `Provider`. The parts are those of `forward`, each given the merged `output` and `sums`: with them its
    probabilities are shares of the whole softmax, and the parts' gradients add up to that of one attention."""
    gradient, output = gradient.transpose(1, 2), output.transpose(1, 2)
    # Parts 1 and 2 write, part 3 adds: between them the first two cover every place once.
    to_query, to_key, to_value = (torch.empty_like(each) for each in (query, key, value))
    missing = row.missing(query, key)
    if missing:  # no query of the prompts: part 1 is left out, and part 3 adds to zeros
        for each in (to_key, to_value):
            each[:, :, : row.prompt_tokens] = 0
    # 1. Each prompt over itself.
    for span in [] if missing else row.prompt_spans:
        part = (each[:, :, span] for each in (gradient, query, key, value, output, sums))
        found = flash_on_cpu_backward(*part, causal=True, scale=scale)
        to_query[:, :, span], to_key[:, :, span], to_value[:, :, span] = found
    # 2. Each completion over itself, as a batch of rows.
    if row.padding:
        tokens = (gradient, query, key, value, output, sums)
        own_gradient, *own = (row.padding.split(row.of_completions(each)) for each in tokens)
        # Filled places repeat a real token: with a gradient they would count it twice.
        own_gradient = row.padding.without_filled(own_gradient)
        found = flash_on_cpu_backward(own_gradient, *own, causal=True, scale=scale)
        for into, each in zip((to_query, to_key, to_value), found, strict=True):
            row.of_completions(into).copy_(row.padding.join(each))
    # 3. All completions of a prompt over it: a prompt's keys have gradient from itself and from every completion.
    for prompt, span in row.pairs(missing):
        keys = (key[:, :, prompt], value[:, :, prompt])
        rest = (output[:, :, span], sums[:, :, span])
        tokens = (gradient[:, :, span], query[:, :, span], *keys, *rest)
        found = flash_on_cpu_backward(*tokens, causal=False, scale=scale)
        to_query[:, :, span] += found[0]
        to_key[:, :, prompt] += found[1]
        to_value[:, :, prompt] += found[2]
    return to_query, to_key, to_value


CPU = Provider("flash on CPU", forward, backward)
