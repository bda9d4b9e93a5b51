"""Routed models equal the plain formulas: prefill, padding, cached decoding, beams, turns, recomputation, LoRA."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache

from reeltune.config.mixture_of_depths import MixtureOfDepthsConfig
from reeltune.models._transformers import CACHE, enable_checkpointing
from reeltune.models.mixture_of_depths.install import install
from reeltune.models.mixture_of_depths.schedule import layer_ratios

FAMILIES = ["llava", "qwen2_vl", "qwen2_5_vl", "qwen3_vl"]
TINY = pytest.mark.parametrize("family", FAMILIES)
PAPER = MixtureOfDepthsConfig()
RATIOS = layer_ratios(PAPER, 6)
VISION = [100, 101, 102, 103]  # never to be sampled: as in a prompt, they would stand for an image
TOLERANCE = 2e-5  # float32 against float64, at logits of about 4


def routed(plain: Any, family: str, *, config: MixtureOfDepthsConfig = PAPER, attention: str = "sdpa") -> Any:
    model = plain.build(family, attention=attention)
    install(model, config)
    plain.randomise(model)
    return model


def real_logits(logits: Tensor, batch: dict[str, Tensor]) -> list[Tensor]:
    return [row[real] for row, real in zip(logits, batch["attention_mask"].bool(), strict=True)]


def assert_equals_plain(plain: Any, model: Any, batch: dict[str, Tensor], ratios: Any, form: Any = None) -> None:
    with torch.no_grad():
        found = real_logits(model(**batch).logits, batch)
    for row, tokens in zip(found, plain.rows(model, batch), strict=True):
        expected, _ = plain.forward(model, tokens, ratios, form)
        assert float((row - expected).abs().max()) < TOLERANCE


@TINY
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize(("images", "side"), [([2], "left"), ([2, 1, 0], "left"), ([1, 2], "right")])
def test_prefill_and_padded_batches(plain: Any, family: str, attention: str, images: list[int], side: str) -> None:
    model = routed(plain, family, attention=attention)
    assert_equals_plain(plain, model, plain.batch(family, images, side=side), RATIOS)


@pytest.mark.parametrize(
    ("ablation", "change"),
    [
        ({"schedule": "linear"}, {}),
        ({"schedule": "constant"}, {}),
        ({"schedule": "interleaved"}, {}),
        ({"scale_skipped": False}, {"scale_skipped": False}),
        ({"weight": "sigmoid"}, {"weigh": lambda logits: [each.sigmoid() for each in logits]}),
        ({"weight": "softmax"}, {"weigh": lambda logits: list(torch.stack(logits).softmax(0))}),
        ({"alpha": 0.5}, {"weigh": lambda logits: [1 + 0.5 * each.tanh() for each in logits]}),
        ({"floor": 0.3, "dense_above": 0.5}, {}),
    ],
)
def test_each_ablation_is_what_its_name_says(plain: Any, ablation: dict[str, Any], change: dict[str, Any]) -> None:
    config = MixtureOfDepthsConfig(**ablation)
    model = routed(plain, "qwen3_vl", config=config)
    batch = plain.batch("qwen3_vl", [2, 1])
    assert_equals_plain(plain, model, batch, layer_ratios(config, 6), plain.form(**change))


@pytest.mark.parametrize(
    "wrong",
    [
        {"whole_block": True},
        {"scale_skipped": False},
        {"renumber": True},
        {"keep": lambda count, ratio: -int(-count * ratio // 1)},
        {"weigh": lambda logits: [torch.ones(()) for _ in logits]},
    ],
)
def test_the_comparison_would_notice_another_form(plain: Any, wrong: dict[str, Any]) -> None:
    model = routed(plain, "llava")
    batch = plain.batch("llava", [2])
    with torch.no_grad():
        found = model(**batch).logits[0]
    other, _ = plain.forward(model, plain.rows(model, batch)[0], RATIOS, plain.form(**wrong))
    assert float((found - other).abs().max()) > 100 * TOLERANCE


@TINY
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_eight_cached_steps_and_the_cache_lengths_of_every_layer(plain: Any, family: str, attention: str) -> None:
    model = routed(plain, family, attention=attention)
    batch = plain.batch(family, [2, 1])
    result = model.generate(
        **batch,
        max_new_tokens=9,
        min_new_tokens=9,
        do_sample=False,
        suppress_tokens=VISION,
        output_logits=True,
        return_dict_in_generate=True,
    )
    width = batch["input_ids"].shape[1]
    for row, (whole, kept) in enumerate(replay(plain, model, batch, result.sequences[:, width:])):
        steps = torch.stack([step[row] for step in result.logits])
        assert float((steps - whole[-10:-1]).abs().max()) < TOLERANCE
        if row == 0:  # the widest row is not padded; the last token was never fed back
            assert [layer.keys.shape[-2] for layer in getattr(result, CACHE).layers] == [len(k) - 1 for k in kept]
            text = len(kept[0]) - 32
            assert [len(k) for k in kept] == [text + n for n in (32, 32, 20, 11, 4, 4)]


def replay(plain: Any, model: Any, batch: dict[str, Tensor], answers: Tensor) -> list[tuple[Tensor, list[list[int]]]]:
    """The plain formulas on each whole conversation: prompt and answer in one go, without a cache."""
    ids = torch.cat([batch["input_ids"], answers], dim=1)
    longer = batch | {"input_ids": ids, "attention_mask": torch.cat([batch["attention_mask"], answers * 0 + 1], dim=1)}
    if "mm_token_type_ids" in batch:
        longer["mm_token_type_ids"] = (ids == plain.image).int()
    return [plain.forward(model, tokens, RATIOS) for tokens in plain.rows(model, longer)]


@TINY
def test_beam_search_scores_are_the_plain_log_probs_of_its_sequences(plain: Any, family: str) -> None:
    model = routed(plain, family)
    batch = plain.batch(family, [2, 1])
    options = {"num_beams": 3, "num_return_sequences": 3, "max_new_tokens": 5, "min_new_tokens": 5, "do_sample": False}
    options |= {
        "suppress_tokens": VISION,
        "length_penalty": 0.0,
        "output_scores": True,
        "return_dict_in_generate": True,
    }
    result = model.generate(**batch, **options)
    uncached = model.generate(**batch, **options, use_cache=False)
    assert torch.equal(result.sequences, uncached.sequences)
    width = batch["input_ids"].shape[1]
    moved = False
    for beam in range(3):
        rows = [beam, 3 + beam]
        answers = result.sequences[rows, width:]
        for row, (whole, _) in zip(rows, replay(plain, model, batch, answers), strict=True):
            answer = result.sequences[row, width:]
            steps = whole[-6:-1].log_softmax(-1)
            score = steps.gather(-1, answer[:, None]).sum()
            assert float((result.sequences_scores[row] - score).abs()) < 5 * TOLERANCE
        moved |= bool((result.beam_indices[rows, :5] != result.beam_indices[rows, :1]).any())
    assert moved, "no beam ever changed its row: this would not notice a cache left in the old order"


@TINY
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_second_turns_with_text_and_with_new_images(plain: Any, family: str, attention: str) -> None:
    model = routed(plain, family, attention=attention)
    language_model = model.model.language_model
    tokens = [plain.rows(model, plain.batch(family, [count], seed=count))[0] for count in (2, 0, 1)]
    cache, length, outputs = DynamicCache(config=model.config.get_text_config()), 0, []
    whole = plain.tokens(torch.zeros(0, 32), torch.zeros(0, 8), torch.zeros(0, 8), [], [])
    for turn, part in enumerate(tokens):
        count = len(part.vision)
        positions = torch.arange(length, length + count)[None]
        length += count
        axes = positions if family == "llava" else positions.expand(3, 1, -1)
        part.cos, part.sin = (each[0] for each in language_model.rotary_emb(part.embeds[None], axes))
        vision = torch.tensor([part.vision])
        extra = {}
        if part.deepstack and sum(part.vision):
            extra = {"visual_pos_masks": vision, "deepstack_visual_embeds": part.deepstack}
        with torch.no_grad():
            output = language_model(
                inputs_embeds=part.embeds[None],
                attention_mask=torch.ones(1, length, dtype=torch.long),
                position_ids=axes,
                **{CACHE: cache},
                use_cache=True,
                vision_samples=torch.where(vision, 0, -1),
                **extra,
            )
        outputs.append(model.lm_head(output.last_hidden_state[0]))
        whole = plain.tokens(
            torch.cat([whole.embeds, part.embeds]), torch.cat([whole.cos, part.cos]), torch.cat([whole.sin, part.sin]),
            whole.vision + part.vision, whole.turn + [turn] * count,
            [torch.cat(pair) for pair in zip(whole.deepstack, part.deepstack, strict=True)] if turn and part.deepstack
            else whole.deepstack or part.deepstack,
        )  # fmt: skip
    expected, kept = plain.forward(model, whole, RATIOS)
    assert float((torch.cat(outputs).detach() - expected).abs().max()) < TOLERANCE
    assert [layer.keys.shape[-2] for layer in cache.layers] == [len(k) for k in kept]


def coefficients(logits: Tensor) -> Tensor:
    return torch.randn(logits.shape, generator=torch.Generator().manual_seed(3)).to(logits)


def gradients(model: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    model.zero_grad()
    logits = torch.cat(real_logits(model(**batch, use_cache=False).logits, batch))
    (logits * coefficients(logits)).sum().backward()
    return {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}


@TINY
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_gradient_checkpointing_changes_no_gradient_and_gradients_are_those_of_the_formulas(
    plain: Any, family: str, attention: str
) -> None:
    model = routed(plain, family, attention=attention).train()
    batch = plain.batch(family, [2, 1])
    found = gradients(model, batch)
    enable_checkpointing(model)
    again = gradients(model, batch)
    assert found.keys() == again.keys()
    assert all(torch.allclose(found[name], again[name], rtol=1e-4, atol=1e-5) for name in found)

    slow = deepcopy(model).double()
    rows = [plain_logits(plain, slow, tokens) for tokens in plain.rows(model, batch)]
    logits = torch.cat(rows)
    (logits * coefficients(logits)).sum().backward()
    for name, value in slow.named_parameters():
        if "language_model.layers" in name:
            assert value.grad is not None and float(value.grad.abs().max()) > 0, name
            assert float((value.grad - found[name]).abs().max()) < 1e-5 + 2e-4 * float(value.grad.abs().max()), name


def plain_logits(plain: Any, slow: Any, tokens: Any) -> Tensor:
    tokens.embeds = tokens.embeds.detach()
    return plain.forward_of(slow, tokens, RATIOS)[0]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_samples_packed_into_one_row_under_a_4d_mask_are_routed_apart(plain: Any, attention: str) -> None:
    model = routed(plain, "llava", attention=attention)
    samples = [plain.rows(model, plain.batch("llava", [count], seed=count))[0] for count in (2, 1, 3)]
    lengths = [len(each.vision) for each in samples]
    owner = torch.arange(3).repeat_interleave(torch.tensor(lengths))
    order = torch.arange(len(owner))
    visible = (owner[:, None] == owner) & (order[:, None] >= order)
    vision = torch.tensor([flag for each in samples for flag in each.vision])
    with torch.no_grad():
        hidden = model.model.language_model(
            inputs_embeds=torch.cat([each.embeds for each in samples])[None],
            attention_mask=torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)[None, None],
            position_ids=torch.cat([torch.arange(length) for length in lengths])[None],
            use_cache=False,
            vision_samples=torch.where(vision, owner, -1)[None],
        ).last_hidden_state[0]
        found = model.lm_head(hidden).split(lengths)
    for logits, tokens in zip(found, samples, strict=True):
        expected, _ = plain.forward(model, tokens, RATIOS)
        assert float((logits - expected).abs().max()) < TOLERANCE
