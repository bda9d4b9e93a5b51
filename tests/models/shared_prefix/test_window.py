"""Layers with a sliding window over a row of prompts and completions: one dense masked attention, at most `window`
tokens kept, and whole models equal to the stock class, which counts distances in tokens.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.families.generated import SIDE, build, class_of
from tests.models.families.test_parity import make_groups, open_stock, slopes, stock_greedy, stock_log_probs
from tests.models.shared_prefix.test_attention import ROWS
from torch import Tensor
from torch.nn import functional

from reeltune.config.mixture_of_depths import MixtureOfDepthsConfig
from reeltune.config.model import AdapterConfig
from reeltune.errors import InputError
from reeltune.models.adapter import adapter_tensors, install
from reeltune.models.policy import load_policy
from reeltune.models.shared_prefix import window as window_module
from reeltune.models.shared_prefix.attention import OverPrompts, Recording, RowAttention
from reeltune.models.shared_prefix.decoding import Decoder
from reeltune.models.shared_prefix.row import group_log_probs, prefill
from reeltune.models.types import PromptState
from reeltune.rollout.engine import Request, SamplingParams
from reeltune.rollout.hf import HFEngine

WINDOW = 6
LONG = ([70, 33], [[9, 4, 17], [5, 5]])


def masked(
    query: Tensor, key: Tensor, value: Tensor, prompts: list[int], completions: list[list[int]], window: int
) -> Tensor:
    """The definition, sequence by sequence: a token sees those of its prompt and its completion less than `window`
    before it, and itself."""
    share = query.shape[1] // key.shape[1]
    key, value = (each.repeat_interleave(share, dim=1) for each in (key, value))
    outputs, starts, start, end = [], [], 0, sum(prompts)
    for length in prompts:
        starts.append(range(start, start + length))
        start += length
    sequences = [(list(tokens), 0) for tokens in starts]
    for tokens, lengths in zip(starts, completions, strict=True):
        for length in lengths:
            sequences.append(([*tokens, *range(end, end + length)], len(tokens)))
            end += length
    for places, first in sequences:
        order = torch.arange(len(places))
        distance = order[:, None] - order
        parts = (each[:, :, places] for each in (query, key, value))
        mask = (distance >= 0) & (distance < window)
        found = functional.scaled_dot_product_attention(*parts, attn_mask=mask, scale=0.3)
        outputs.append(found[:, :, first:])
    return torch.cat(outputs, dim=2).transpose(1, 2)


@pytest.mark.parametrize(("prompts", "completions"), [*ROWS, LONG])
@pytest.mark.parametrize("window", [1, 2, 7, 40])
@pytest.mark.parametrize("way", ["row", "over known prompts"])
def test_output_and_gradients_are_those_of_a_dense_mask(
    prompts: list[int], completions: list[list[int]], window: int, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_module, "BLOCK", 16)
    tokens, end = sum(prompts) + sum(map(sum, completions)), sum(prompts)
    generator = torch.Generator().manual_seed(0)
    inputs = [
        torch.randn(1, heads, tokens, 8, generator=generator, dtype=torch.float64, requires_grad=True)
        for heads in (4, 2, 2)
    ]
    weights = torch.randn(1, tokens, 4, 8, generator=generator, dtype=torch.float64)
    wanted = masked(*inputs, prompts, completions, window)
    wanted_slopes = torch.autograd.grad((wanted * weights).sum(), inputs, retain_graph=True)
    if way == "row":
        found = RowAttention(prompts, completions).attend(0, *inputs, 0.3, window)
    elif not sum(map(sum, completions)):
        pytest.skip("without completions there is no row over known prompts")
    else:
        cache: list[Any] = []
        before, after = ([each[:, :, span] for each in inputs] for span in (slice(end), slice(end, None)))
        first = Recording(RowAttention(prompts, [[] for _ in prompts]), cache).attend(0, *before, 0.3, window)
        assert [state.keys.shape[1] for state in cache[0]] == [min(length, window) for length in prompts]
        found = torch.cat([first, OverPrompts(cache, completions).attend(0, *after, 0.3, window)], dim=1)
    assert torch.allclose(found, wanted, atol=1e-10)
    for slope, wanted_slope in zip(torch.autograd.grad((found * weights).sum(), inputs), wanted_slopes, strict=True):
        assert torch.allclose(slope, wanted_slope, atol=1e-10)


@torch.no_grad()
@pytest.mark.parametrize("window", [1, 3, 7, 80])
def test_decoded_rows_see_their_window_and_keep_no_more(window: int) -> None:
    """Rows leave at different steps, a whole group among them; prompts are shorter and longer than the window."""
    prompts, size, steps = [9, 2, 5], 2, 75
    row = torch.randn(3, 1, 4, sum(prompts), 8)
    cache: list[Any] = []
    shared = Recording(RowAttention(prompts, [[] for _ in prompts]), cache)
    shared.attend(0, row[0], row[1, :, :2], row[2, :, :2], 0.3, window)
    decoder = Decoder([PromptState((state,), row[0, 0, 0, 0]) for state in cache[0]], size)
    own = torch.randn(3, len(prompts) * size, 4, steps, 8)
    alive = torch.arange(len(prompts) * size)
    for step in range(steps):
        token = own[:, alive, :, step : step + 1]
        found = decoder.attend(0, token[0], token[1, :, :2], token[2, :, :2], 0.3, window)
        decoder.step()
        for index, place in enumerate(alive.tolist()):
            start = sum(prompts[: place // size])
            whole = torch.cat(
                [row[:, 0, :, start : start + prompts[place // size]], own[:, place, :, : step + 1]], dim=2
            )
            sequence = [whole.shape[2]]
            parts = (whole[0, None], whole[1, None, :2], whole[2, None, :2])
            wanted = masked(*parts, sequence, [[]], window)[0, -1]
            assert torch.allclose(found[index, 0], wanted, atol=1e-5)
        if (kept := {1: [0, 1, 3, 4, 5], 30: [0, 3, 4]}.get(step)) is not None:
            decoder.keep(torch.tensor(kept))
            alive = alive[kept]
    layer = decoder.layers[0]
    assert layer.own_keys.shape[2] <= max(window, 1)
    # What has left the window is given back, half of it at a time.
    assert layer.keys.shape[2] <= max(0, 2 * (window - steps) + 1)


def test_a_kept_prompt_does_not_hold_what_left_the_window() -> None:
    cache: list[Any] = []
    query, key, value = (torch.randn(1, heads, 500, 8) for heads in (4, 2, 2))
    Recording(RowAttention([300, 200], [[], []]), cache).attend(0, query, key, value, 0.3, 16)
    for state in cache[0]:
        assert state.keys.untyped_storage().nbytes() == 4 * state.keys.numel()


def test_no_tensor_of_the_whole_row_squared_exists() -> None:
    row = RowAttention([4000], [[8] * 4])
    inputs = [torch.randn(1, heads, 4032, 8, requires_grad=True) for heads in (4, 2, 2)]
    with torch.profiler.profile(profile_memory=True) as profile:
        row.attend(0, *inputs, 0.3, 64).sum().backward()
    largest = max(event.nbytes() for event in profile.profiler.kineto_results.events() if event.name() == "[memory]")
    assert largest < 4032 * 4032 / 8


# Whole models

KINDS = ["sliding_attention", "full_attention", "sliding_attention"]
MODELS = ["qwen2_vl", "qwen2_5_vl", "llava_onevision", "internvl", "mistral"]


def windowed(folder: Path, name: str, kinds: list[str] = KINDS) -> Path:
    """A tiny model whose layers have windows shorter than its prompts and completions; "mistral": LLaVA over one."""
    kind = "llava" if name == "mistral" else name
    text: dict[str, Any] = {"layer_types": kinds, "use_sliding_window": True, "sliding_window": WINDOW}
    text |= {"max_window_layers": 1}
    if name == "mistral":
        text = {"model_type": "mistral", "sliding_window": WINDOW}
    return build(folder / "model", kind, class_of(kind), seed=1, text=text)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Any:
    built: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in built:
            built[name] = windowed(tmp_path_factory.mktemp(name), name)
        return built[name]

    return get


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("way", ["row", "checkpointing", "kept", "adapter"])
def test_log_probs_and_gradients_are_those_of_one_stock_forward_per_completion(
    name: str, way: str, clip_of: Any, directory: Any
) -> None:
    policy = load_policy(directory(name), gradient_checkpointing=way in ("checkpointing", "adapter")).train()
    stock = open_stock(directory(name))
    if way == "adapter":
        install(policy, AdapterConfig(rank=4, alpha=8, targets="all"))
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for each in adapter_tensors(policy).values():
                each.add_(torch.randn(each.shape, generator=generator) * 0.05)
        stock = policy.model
    groups = make_groups(policy, clip_of)
    if way == "kept":
        groups = [replace(group, state=prefill(policy, [group])[0]) for group in groups]
    ours = {}
    found = group_log_probs(policy, groups)
    ours = {key: each.clone() for key, each in slopes(policy.model, _weighted(found)).items()}
    policy.zero_grad()
    wanted = [stock_log_probs(policy, stock, group) for group in groups]
    for values, rows in zip(found, wanted, strict=True):
        assert all(torch.allclose(value[: len(row)], row, atol=1e-5) for value, row in zip(values, rows, strict=True))
    theirs = slopes(stock, sum(_weighted_row(values, rows) for values, rows in zip(found, wanted, strict=True)))
    assert ours.keys() == theirs.keys()
    scale = max(float(each.abs().max()) for each in theirs.values())
    assert all(float((ours[key] - each).abs().max()) <= 1e-5 * scale for key, each in theirs.items())


def _weighted(found: list[Tensor]) -> Any:
    return sum((torch.linspace(-1, 1, each.numel()).view_as(each) * each).sum() for each in found)


def _weighted_row(values: Tensor, rows: list[Tensor]) -> Any:
    weights = torch.linspace(-1, 1, values.numel()).view_as(values)
    return sum((weight[: len(row)] * row).sum() for weight, row in zip(weights, rows, strict=True))


@pytest.mark.parametrize("name", MODELS)
def test_the_window_matters(name: str, clip_of: Any, directory: Any, tmp_path: Path) -> None:
    """The same weights without windows say something else; else the tests above would prove nothing."""
    found = _log_probs(directory(name), clip_of)
    config = json.loads((directory(name) / "config.json").read_text())
    (tmp_path / "wide").mkdir()
    for file in directory(name).iterdir():
        (tmp_path / "wide" / file.name).symlink_to(file)
    config["text_config"]["sliding_window"] = 4096
    (tmp_path / "wide" / "config.json").unlink()
    (tmp_path / "wide" / "config.json").write_text(json.dumps(config))
    wide = _log_probs(tmp_path / "wide", clip_of)
    assert max(float((one - two).abs().max()) for one, two in zip(found, wide, strict=True)) > 1e-2


@torch.no_grad()
def _log_probs(directory: Path, clip_of: Any) -> list[Tensor]:
    policy = load_policy(directory)
    return group_log_probs(policy, make_groups(policy, clip_of))


@torch.no_grad()
@pytest.mark.parametrize("name", MODELS)
def test_no_mask_of_the_whole_row_is_built(name: str, clip_of: Any, directory: Any) -> None:
    """Transformers would build one for each pass: a row's tokens squared, which nothing reads."""
    policy = load_policy(directory(name))
    groups, masks = make_groups(policy, clip_of), []
    for layer in policy.language_model.layers:
        layer.register_forward_pre_hook(
            lambda _m, _a, kwargs: masks.append(kwargs["attention_mask"].numel()), with_kwargs=True
        )
    group_log_probs(policy, groups)
    assert masks == [1] * len(policy.language_model.layers)


@torch.no_grad()
@pytest.mark.parametrize("name", MODELS)
def test_greedy_is_the_stock_models_generate(name: str, clip_of: Any, directory: Any) -> None:
    policy, stock = load_policy(directory(name)).eval(), open_stock(directory(name))
    clip = clip_of(2 if name.startswith("qwen2") else 6, SIDE)
    prompts = [policy.prompt(question, clip) for question in ("When does it happen?", "Where?")]
    [features] = policy.encode([clip])
    params = SamplingParams(temperature=0.0, max_new_tokens=24)
    rollouts = HFEngine(policy).generate([Request(prompt, features, 0) for prompt in prompts], 2, params)
    for prompt, rollout in zip(prompts, rollouts, strict=True):
        wanted = stock_greedy(policy, stock, prompt, clip, params.max_new_tokens)
        for row, length in zip(rollout.completions.ids, rollout.completions.lengths, strict=True):
            assert row[:length].tolist() == wanted


# Refusals


def test_a_window_without_a_size_is_refused(tmp_path: Path) -> None:
    directory = windowed(tmp_path, "qwen2_5_vl")
    config = json.loads((directory / "config.json").read_text())
    config["text_config"]["use_sliding_window"] = False
    (directory / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"sliding_attention but no sliding_window \(got None\)"):
        load_policy(directory)


def test_a_class_without_windows_is_refused_where_its_config_asks_for_them(tmp_path: Path) -> None:
    directory = build(tmp_path / "model", "qwen3_vl", class_of("qwen3_vl"))
    config = json.loads((directory / "config.json").read_text())
    config["text_config"] |= {"layer_types": KINDS, "sliding_window": WINDOW}
    (directory / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="layer 0 a sliding_attention, but Qwen3VLTextAttention has no windows"):
        load_policy(directory)


def test_depths_are_refused_by_kind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"full attention in every layer; this model has \['sliding_attention'\]"):
        load_policy(windowed(tmp_path, "qwen2_vl"), mixture_of_depths=MixtureOfDepthsConfig())
