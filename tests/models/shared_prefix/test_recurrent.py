"""A gated delta net over a row of prompts and completions equals its definition, token by token, in each sequence."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.models.families.generated import build, class_of
from tests.models.shared_prefix.test_attention import ROWS
from torch import Tensor
from torch.nn import functional
from transformers import Qwen3_5TextConfig
from transformers.models.qwen3_5.modeling_qwen3_5 import Qwen3_5GatedDeltaNet

from reeltune.errors import InputError
from reeltune.models.policy import load_policy
from reeltune.models.shared_prefix.attention import OverPrompts, Recording, RowAttention
from reeltune.models.shared_prefix.decoding import Decoder
from reeltune.models.shared_prefix.recurrent import enable
from reeltune.models.types import PromptState

HIDDEN, KEY_HEADS, VALUE_HEADS, KEY, VALUE, KERNEL = 16, 2, 4, 6, 5, 4


class Layer(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        config = Qwen3_5TextConfig(
            hidden_size=HIDDEN,
            num_hidden_layers=1,
            linear_num_key_heads=KEY_HEADS,
            linear_num_value_heads=VALUE_HEADS,
            linear_key_head_dim=KEY,
            linear_value_head_dim=VALUE,
            linear_conv_kernel_dim=KERNEL,
        )
        torch.manual_seed(0)
        self.linear_attn = Qwen3_5GatedDeltaNet(config, 0)
        self.layers = [self]
        with torch.no_grad():
            for parameter in self.linear_attn.parameters():
                if parameter.ndim > 1:
                    parameter.normal_(0, 0.5)
            # Decays of which some keep the prompt for long: else a lost state would go unnoticed.
            self.linear_attn.A_log.copy_(torch.tensor([-4.0, -3.0, -2.0, 0.0]))


@pytest.fixture
def net() -> Any:
    layer = Layer()
    enable(layer)
    return layer.linear_attn


def plain(net: Any, hidden: Tensor) -> Tensor:
    """[L, H] -> [L, H] by the definition (arXiv 2412.06464, section 3): S <- a S + b k (v - (a S)^T k)^T, o = S^T q."""
    mixed = hidden @ net.in_proj_qkv.weight.T
    beta = torch.sigmoid(hidden @ net.in_proj_b.weight.T)
    keep = torch.exp(-torch.exp(net.A_log) * functional.softplus(hidden @ net.in_proj_a.weight.T + net.dt_bias))
    gate = (hidden @ net.in_proj_z.weight.T).view(-1, VALUE_HEADS, VALUE)
    states = [torch.zeros(KEY, VALUE) for _ in range(VALUE_HEADS)]
    outputs = []
    for place in range(len(hidden)):
        taps = [
            mixed[place - back] * net.conv1d.weight[:, 0, KERNEL - 1 - back] for back in range(KERNEL) if place >= back
        ]
        query, key, value = functional.silu(sum(taps)).split([KEY_HEADS * KEY, KEY_HEADS * KEY, VALUE_HEADS * VALUE])
        heads = []
        for head in range(VALUE_HEADS):
            at = head // (VALUE_HEADS // KEY_HEADS)
            q, k = (each.view(KEY_HEADS, KEY)[at] for each in (query, key))
            q, k = (each / torch.sqrt((each**2).sum() + 1e-6) for each in (q, k))
            v = value.view(VALUE_HEADS, VALUE)[head]
            faded = keep[place, head] * states[head]
            states[head] = faded + torch.outer(k, beta[place, head] * (v - faded.T @ k))
            out = states[head].T @ q / KEY**0.5
            out = net.norm.weight * out / torch.sqrt((out**2).mean() + net.norm.variance_epsilon)
            heads.append(out * functional.silu(gate[place, head]))
        outputs.append(net.out_proj.weight @ torch.cat(heads))
    return torch.stack(outputs)


def wanted_row(net: Any, hidden: Tensor, prompts: list[int], completions: list[list[int]]) -> Tensor:
    """Each completion behind its own copy of its prompt."""
    starts = hidden[: sum(prompts)].split(prompts)
    rest = hidden[sum(prompts) :].split([length for row in completions for length in row])
    owners = [index for index, row in enumerate(completions) for _ in row]
    outputs = [plain(net, start) for start in starts]
    outputs += [
        plain(net, torch.cat([starts[owner], each]))[len(starts[owner]) :]
        for owner, each in zip(owners, rest, strict=True)
        if len(each)
    ]
    return torch.cat(outputs)


@pytest.mark.parametrize(("prompts", "completions"), ROWS)
@pytest.mark.parametrize("way", ["row", "over known prompts"])
def test_outputs_and_gradients_are_those_of_whole_sequences(
    net: Any, prompts: list[int], completions: list[list[int]], way: str
) -> None:
    hidden = torch.randn(sum(prompts) + sum(map(sum, completions)), HIDDEN, requires_grad=True)
    weights = torch.randn_like(hidden)
    wanted = wanted_row(net, hidden, prompts, completions)
    if way == "row":
        found = net(hidden[None], shared=RowAttention(prompts, completions))[0]
    else:
        if not sum(map(sum, completions)):
            pytest.skip("without completions there is no row over known prompts")
        cache: list[Any] = []
        end = sum(prompts)
        first = net(hidden[None, :end], shared=Recording(RowAttention(prompts, [[] for _ in prompts]), cache))[0]
        found = torch.cat([first, net(hidden[None, end:], shared=OverPrompts(cache, completions))[0]])
    assert torch.allclose(found, wanted, atol=1e-5)
    inputs = [hidden, *net.parameters()]
    ours, theirs = (torch.autograd.grad((each * weights).sum(), inputs) for each in (found, wanted))
    scale = max(float(each.abs().max()) for each in theirs)
    assert all(float((one - two).abs().max()) <= 1e-5 * scale for one, two in zip(ours, theirs, strict=True))
    without = wanted_row(net, hidden.index_fill(0, torch.tensor([0]), 0.0), prompts, completions)
    if any(completions[0]):  # the prompt's first token matters to its completions
        assert float((without - wanted)[sum(prompts) :].abs().max()) > 1e-3


@torch.no_grad()
def test_decoded_rows_go_on_from_their_own_states(net: Any) -> None:
    """Rows leave at different steps, a whole group among them; those that stay are what whole sequences give."""
    prompts, size, steps = [7, 2], 3, 6
    hidden = torch.randn(sum(prompts), HIDDEN)
    cache: list[Any] = []
    net(hidden[None], shared=Recording(RowAttention(prompts, [[], []]), cache))
    decoder = Decoder([PromptState((state,), hidden[0]) for state in cache[0]], size)
    tokens = torch.randn(len(prompts) * size, steps, HIDDEN)
    alive = torch.arange(len(prompts) * size)
    for step in range(steps):
        found = net(tokens[alive, step][:, None], shared=decoder)[:, 0]
        decoder.step()
        for row, output in zip(alive.tolist(), found, strict=True):
            start = hidden.split(prompts)[row // size]
            assert torch.allclose(output, plain(net, torch.cat([start, tokens[row, : step + 1]]))[-1], atol=1e-5)
        kept = {1: [0, 2, 3, 4], 3: [0, 1]}.get(step)
        if kept is not None:
            decoder.keep(torch.tensor(kept))
            alive = alive[kept]
            assert all(len(part) == len(alive) for part in decoder.layers[0].state)


@torch.no_grad()
def test_a_kept_state_does_not_hold_its_prompt(net: Any) -> None:
    cache: list[Any] = []
    net(torch.randn(1, 500, HIDDEN), shared=Recording(RowAttention([300, 200], [[], []]), cache))
    for state in cache[0]:
        assert sum(part.untyped_storage().nbytes() for part in state) <= 2 * 4 * sum(part.numel() for part in state)


def test_without_shared_the_layer_is_the_stock_one(net: Any) -> None:
    stock = Layer().linear_attn
    hidden = torch.randn(2, 9, HIDDEN)
    assert type(stock) is not type(net)
    assert isinstance(net, Qwen3_5GatedDeltaNet)
    assert torch.equal(net(hidden), stock(hidden))


def test_a_recurrent_layer_of_another_class_is_refused() -> None:
    layer = Layer()
    layer.linear_attn = torch.nn.Linear(2, 2)
    with pytest.raises(InputError, match=r"layer 0 is a recurrent layer of class Linear; only \['Qwen3_5GatedDelta"):
        enable(layer)
    # Declared by its kind, whatever its class calls the part that has the state.
    other: Any = torch.nn.Module()
    other.layers, other.config = [torch.nn.Linear(2, 2)], SimpleNamespace(layer_types=["linear_attention"])
    with pytest.raises(InputError, match="layer 0 is a recurrent layer of class Linear"):
        enable(other)


def test_layers_of_an_unknown_kind_are_refused_by_kind(tmp_path: Path) -> None:
    directory = build(tmp_path / "model", "qwen3_5", class_of("qwen3_5"))
    text = (directory / "config.json").read_text()
    (directory / "config.json").write_text(text.replace('"full_attention"', '"chunked_attention"'))
    with pytest.raises(InputError, match=r"layers of type \['chunked_attention'\] cannot"):
        load_policy(directory)
