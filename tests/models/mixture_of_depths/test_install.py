"""Installed, removed, adapted and refused: what surrounds the routed layers."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import DynamicCache, StaticCache

from reeltune.config.mixture_of_depths import MixtureOfDepthsConfig
from reeltune.errors import InputError
from reeltune.models._transformers import CACHE
from reeltune.models.mixture_of_depths.install import decoder_layers, install, is_routed, remove, routers
from reeltune.models.mixture_of_depths.schedule import layer_ratios

TINY = pytest.mark.parametrize("family", ["llava", "qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
PAPER = MixtureOfDepthsConfig()
RATIOS = layer_ratios(PAPER, 6)
TOLERANCE = 2e-5  # float32 against float64, at logits of about 4


def routed(plain: Any, family: str) -> Any:
    model = plain.build(family)
    install(model, PAPER)
    plain.randomise(model)
    return model


def real_logits(logits: Tensor, batch: dict[str, Tensor]) -> list[Tensor]:
    return [row[real] for row, real in zip(logits, batch["attention_mask"].bool(), strict=True)]


def gradients(model: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    logits = torch.cat(real_logits(model(**batch, use_cache=False).logits, batch))
    logits.square().sum().backward()
    return {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}


@TINY
def test_ratio_1_and_removed_routing_are_the_dense_model_bit_for_bit(plain: Any, family: str) -> None:
    model, batch = plain.build(family), plain.batch(family, [2, 1, 0])
    dense = model.generate(**batch, max_new_tokens=6, do_sample=False, output_logits=True, return_dict_in_generate=True)
    with torch.no_grad():
        prefill = model(**batch).logits
    for config in (
        MixtureOfDepthsConfig(schedule="constant", mean_ratio=1.0),  # every layer but the first routed, keeping all
        MixtureOfDepthsConfig(floor=1.0),  # layers 2 to 5 routed, keeping all
    ):
        install(model, config)
        assert len(routers(model)) >= 4
        again = model.generate(
            **batch, max_new_tokens=6, do_sample=False, output_logits=True, return_dict_in_generate=True
        )
        assert torch.equal(again.sequences, dense.sequences)
        assert all(torch.equal(a, b) for a, b in zip(again.logits, dense.logits, strict=True))
        with torch.no_grad():
            assert torch.equal(model(**batch).logits, prefill)
        remove(model)
    install(model, PAPER)
    remove(model)
    assert not is_routed(model) and not hasattr(model.config, "mixture_of_depths")
    assert not any("router" in name for name in model.state_dict())
    with torch.no_grad():
        assert torch.equal(model(**batch).logits, prefill)


def test_a_random_start_is_small_and_the_same_again(plain: Any) -> None:
    found = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        model = plain.build("llava")
        before = torch.get_rng_state()
        install(model, MixtureOfDepthsConfig(router_std=0.02))
        assert torch.equal(torch.get_rng_state(), before)
        found.append([router.weight.detach() for router in routers(model).values()])
        assert not any(bool(router.bias.any()) for router in routers(model).values())
    first, again = found
    assert len(first) >= 3 and all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], first[1])
    assert 0.01 < float(torch.cat(first, dim=1).std()) < 0.03


def test_new_routers_weigh_every_token_with_1(plain: Any) -> None:
    model = plain.build("llava")
    install(model, PAPER)
    batch = plain.batch("llava", [2])
    with torch.no_grad():
        found = model(**batch).logits[0]
    unweighted = plain.form(weigh=lambda logits: [torch.ones(()) for _ in logits])
    expected, _ = plain.forward(model, plain.rows(model, batch)[0], RATIOS, unweighted)
    assert float((found - expected).abs().max()) < TOLERANCE


def test_lora_trains_the_routers_and_merges_to_the_same_formulas(plain: Any) -> None:
    peft = pytest.importorskip("peft")
    model, batch = routed(plain, "qwen2_5_vl"), plain.batch("qwen2_5_vl", [2, 1])
    config = peft.LoraConfig(
        r=2, target_modules=["q_proj", "v_proj", "down_proj"], modules_to_save=["router"], init_lora_weights=False
    )
    wrapped = peft.get_peft_model(model, config).eval()
    with torch.no_grad():
        found = real_logits(wrapped(**batch).logits, batch)
    trains = [name for name, value in wrapped.named_parameters() if value.requires_grad and "router" in name]
    assert len(trains) == 2 * 4
    merged = deepcopy(wrapped).merge_and_unload()
    for row, tokens in zip(found, plain.rows(merged, batch), strict=True):
        expected, _ = plain.forward(merged, tokens, RATIOS)
        assert float((row - expected).abs().max()) < TOLERANCE
    wrapped.train()
    found_gradients = gradients(wrapped, batch)
    assert all(float(found_gradients[name].abs().max()) > 0 for name in trains)


def test_lora_on_all_linear_layers_can_leave_the_routers_out(plain: Any) -> None:
    peft = pytest.importorskip("peft")

    def adapted(**options: Any) -> list[str]:
        config = peft.LoraConfig(r=2, target_modules="all-linear", **options)
        names = [name for name, _ in peft.get_peft_model(routed(plain, "llava"), config).named_parameters()]
        return [name for name in names if "lora" in name]

    everywhere, without = adapted(), adapted(exclude_modules=r".*\.router")
    assert any("router" in name for name in everywhere), "the routers would have had it"
    assert without == [name for name in everywhere if "router" not in name] != []


def test_a_batch_of_text_reaches_every_router(plain: Any) -> None:
    model = routed(plain, "qwen3_vl").train()
    found = gradients(model, plain.batch("qwen3_vl", [0, 0]))
    names = [name for name, _ in model.named_parameters() if "router" in name]
    assert len(names) == 8 and all(float(found[name].abs().max()) == 0 for name in names)


def test_images_and_videos_can_be_routed_apart(plain: Any) -> None:
    model = plain.build("qwen2_vl")
    install(model, MixtureOfDepthsConfig(route=("video",)))
    plain.randomise(model)
    batch = plain.batch("qwen2_vl", [2])
    with torch.no_grad():
        found = model(**batch)
        remove(model)
        assert torch.equal(found.logits, model(**batch).logits)


def test_hidden_states_and_types_are_still_found(plain: Any) -> None:
    model = plain.build("qwen2_5_vl")
    dense = [type(layer) for layer in decoder_layers(model)]
    install(model, PAPER)
    assert all(isinstance(layer, kind) for layer, kind in zip(decoder_layers(model), dense, strict=True))
    with torch.no_grad():
        output = model(**plain.batch("qwen2_5_vl", [1]), output_hidden_states=True)
    assert len(output.hidden_states) == 7
    assert {state.shape[1] for state in output.hidden_states} == {output.logits.shape[1]}


def test_bfloat16_selects_in_float32(plain: Any) -> None:
    model = routed(plain, "llava").to(torch.bfloat16)
    seen: list[Tensor] = []
    routers(model)[2].register_forward_hook(lambda _m, _i, logits: seen.append(logits))
    batch = plain.batch("llava", [2])
    batch["pixel_values"] = batch["pixel_values"].bfloat16()
    with torch.no_grad():
        assert bool(model(**batch).logits.isfinite().all())
    assert seen[0].dtype == torch.float32
    assert len(seen[0].unique()) == 32 > len((1 + 0.2 * seen[0].bfloat16().tanh()).unique())


def test_what_cannot_be_routed_is_refused(plain: Any) -> None:
    model = plain.build("llava")
    with pytest.raises(InputError, match="layer 0 must stay dense"):
        install(model, MixtureOfDepthsConfig(dense_above=0.99 + 0.01))
    with pytest.raises(InputError, match="no such tokens"):
        install(model, MixtureOfDepthsConfig(route=("video",)))
    with pytest.raises(InputError, match="not installed"):
        remove(model)
    assert not is_routed(model)
    install(model, PAPER)
    with pytest.raises(InputError, match="already"):
        install(model, PAPER)
    batch = plain.batch("llava", [1])
    with pytest.raises(InputError, match="DynamicCache"):
        model.generate(**batch, max_new_tokens=2, cache_implementation="static")
    static = StaticCache(config=model.config.get_text_config(), max_cache_len=64)
    with pytest.raises(InputError, match="lengths differ by layer"):
        model(**batch, **{CACHE: static})
    with pytest.raises(InputError, match="vision tokens"):
        model.model.language_model(inputs_embeds=torch.zeros(1, 4, 32))
    mask = torch.zeros(1, 1, 29, 29)
    with pytest.raises(InputError, match="4-D attention mask with a cache"):
        model(input_ids=batch["input_ids"][:, :29], attention_mask=mask, **{CACHE: DynamicCache()})


def test_a_cache_filled_by_the_dense_model_is_refused(plain: Any) -> None:
    model, batch = plain.build("llava"), plain.batch("llava", [1])
    with torch.no_grad():
        cache = getattr(model(**batch, use_cache=True), CACHE)
    install(model, PAPER)
    with pytest.raises(InputError, match="filled without routing"):
        model(input_ids=torch.tensor([[5]]), **{CACHE: cache})


def test_unknown_decoder_classes_are_refused(plain: Any) -> None:
    class OtherLayer(nn.Linear):
        pass

    model = plain.build("llava")
    model.model.language_model.layers[3] = OtherLayer(2, 2)
    with pytest.raises(InputError, match="decoder layer 3 of class OtherLayer"):
        install(model, PAPER)
    with pytest.raises(InputError, match="a vision language model with a separate language model"):
        install(nn.Linear(2, 2), PAPER)
