"""The plan's numbers: the paper's figures, and the operations that a real model is seen to run."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.families.generated import SIDE, build, class_of
from torch.utils.flop_counter import FlopCounterMode

from reeltune.config.mixture_of_depths import MixtureOfDepthsConfig
from reeltune.models.policy import load_policy
from reeltune.models.shared_prefix.row import prefill
from reeltune.models.types import Group
from reeltune.planning.architecture import Architecture, Decoder, Tower, read_architecture
from reeltune.planning.costs import attention_flops, prompt_cost, tower_flops
from reeltune.planning.known import KNOWN
from reeltune.planning.source import largest_video, read_plan

RECIPES = Path(__file__).parents[2] / "recipes" / "p-mod"


@pytest.mark.parametrize(
    ("file", "dense", "routed"), [("llava-1.5-7b.yaml", 8.38, 4.92), ("llava-next-7b.yaml", 39.46, 21.94)]
)
def test_the_papers_four_figures_and_its_cache_share(file: str, dense: float, routed: float) -> None:
    plan = read_plan(RECIPES / file)
    [vision] = plan.vision_tokens
    sizes = {"text_tokens": plan.text_tokens, "vision_tokens": vision}
    before = prompt_cost(plan.architecture, **sizes)
    after = prompt_cost(plan.architecture, **sizes, routing=plan.routing)
    assert before.paper_flops / 1e12 == pytest.approx(dense, rel=0.002)
    assert after.paper_flops / 1e12 == pytest.approx(routed, rel=0.002)
    assert after.vision_cache_share == pytest.approx(0.538, rel=0.002)
    text_and_vision = {576: 0.579, 2928: 0.546}[vision]
    assert after.cache_bytes / before.cache_bytes == pytest.approx(text_and_vision, abs=0.0005)


def flops_of(model: Any, inputs: dict[str, Any]) -> dict[str, int]:
    """Operations by module name, as torch counts them while the model runs."""
    counter = FlopCounterMode(display=False, depth=9)
    with torch.no_grad(), counter:
        model(**inputs, use_cache=False)
    return {name: sum(counts.values()) for name, counts in counter.get_flop_counts().items()}


@pytest.mark.parametrize("routing", [None, MixtureOfDepthsConfig()])
def test_a_decoder_runs_the_operations_that_the_plan_counts(routing: MixtureOfDepthsConfig | None) -> None:
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    from reeltune.models.mixture_of_depths.install import install

    text = {
        "model_type": "llama", "vocab_size": 90, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 6,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0,
    }  # fmt: skip
    vision = {
        "model_type": "clip_vision_model", "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "image_size": 56, "patch_size": 14,
    }  # fmt: skip
    config = LlavaConfig(text_config=text, vision_config=vision, image_token_index=80)
    config._attn_implementation = "eager"
    model = LlavaForConditionalGeneration(config).eval()
    architecture = read_architecture(config.to_dict(), "here")
    if routing:
        install(model, routing)
    ids = torch.tensor([[5] * 7 + [80] * 32 + [6] * 4])
    counts = flops_of(model, {"input_ids": ids, "pixel_values": torch.zeros(2, 3, 56, 56)})
    cost = prompt_cost(architecture, text_tokens=11, vision_tokens=32, routing=routing)
    # Without a fused kernel, attention also computes the upper half that the mask then hides.
    whole_squares = sum(4 * 32 * layer.tokens**2 for layer in cost.layers)
    linear = sum(layer.linear_flops + layer.router_flops for layer in cost.layers)
    decoder = counts["LlavaForConditionalGeneration.model.language_model"]
    assert decoder == linear + whole_squares
    assert counts["LlavaForConditionalGeneration.lm_head"] == cost.head_flops_all
    tower = sum(
        counts[f"LlavaForConditionalGeneration.model.{name}"] for name in ("vision_tower", "multi_modal_projector")
    )
    # The patch embedding skips the class token, which the plan does not.
    assert tower == cost.vision_flops - 2 * 2 * 16 * 3 * 14**2
    assert architecture.weights == sum(
        p.numel()
        for name, p in model.named_parameters()
        if p.ndim >= 2 and "router" not in name and "position" not in name
    )


def test_causal_attention_is_counted_token_by_token() -> None:
    decoder = Decoder(layers=1, hidden=8, intermediate=8, heads=2, kv_heads=1, head_dim=4, vocabulary=10)
    cost = prompt_cost(Architecture(decoder=decoder), text_tokens=5, vision_tokens=0)
    assert cost.layers[0].attention_flops == sum(2 * 2 * 8 * keys for keys in range(1, 6))
    assert cost.cache_bytes == 5 * 2 * 4 * 2


def test_windowed_towers_attend_in_windows_but_for_their_full_layers() -> None:
    tower = Tower(
        layers=3, hidden=8, intermediate=16, gated_mlp=True, patch_values=6, patches_per_token=4, tokens_per_image=64,
        window=16, full_layers=1, projector=((32, 8),),
    )  # fmt: skip
    patches = 256
    linear = 2 * patches * (3 * (4 * 64 + 3 * 8 * 16) + 48)
    attention = 4 * 8 * patches * (1 * 256 + 2 * 16)
    assert tower_flops(tower, 128) == 2 * (linear + attention) + 2 * 128 * 32 * 8
    assert tower_flops(tower, 0) == 0


def test_real_configs_have_their_published_sizes() -> None:
    from transformers import Qwen2_5_VLConfig, Qwen2VLConfig, Qwen3VLConfig

    for config in (Qwen2VLConfig(), Qwen2_5_VLConfig(), Qwen3VLConfig()):
        found = read_architecture(config.to_dict(), "here")
        assert found.decoder.layers == config.text_config.num_hidden_layers
        assert found.vision is not None and found.vision.layers == config.vision_config.depth
    # Qwen2.5-VL-7B has 8.29 billion weights.
    assert read_plan(RECIPES / "qwen2.5-vl-7b.yaml").architecture.weights == pytest.approx(8.29e9, rel=0.001)


def test_the_longest_video_of_a_recipe() -> None:
    from reeltune.config.recipe import VideoConfig

    # VideoChat-R1's rule: the total, unless so many frames at their least size exceed it.
    assert largest_video(VideoConfig(max_frames=64), 28) == 3584
    assert largest_video(VideoConfig(max_frames=768), 28) == 6451
    assert largest_video(VideoConfig(max_frames=8, max_frame_pixels=28 * 28 * 16), 28) == 64


def test_hybrids_and_mixtures_count_the_weights_of_the_real_classes() -> None:
    """Every matrix of the decoder, and what one token passes; embeddings and head apart."""
    import torch
    from tests.models.families.generated import TEXT
    from transformers import AutoConfig, AutoModelForImageTextToText

    for kind in ("qwen3_5", "qwen3_5_moe", "qwen3_vl_moe", "internvl", "llava_onevision", "smolvlm", "glm46v"):
        default = AutoConfig.for_model(kind).to_dict()["text_config"]
        text = {"model_type": default["model_type"]} | {name: value for name, value in TEXT.items() if name in default}
        config = AutoConfig.for_model(kind, text_config=text | {"num_hidden_layers": 4})
        found = read_architecture(config.to_dict(), "here").decoder
        with torch.device("meta"):
            model = AutoModelForImageTextToText.from_config(config)
        layers = getattr(model.model, "text_model" if kind == "smolvlm" else "language_model").layers
        matrices = sum(each.numel() for each in layers.parameters() if each.ndim > 1)
        assert found.layers * (found.mixer_weights + found.mlp_weights(found.experts)) == matrices, kind
        assert found.recurrent_layers == sum(hasattr(layer, "linear_attn") for layer in layers)
        if found.experts:
            passed = found.weights - found.layers * 3 * 32 * 24 * (found.experts - found.experts_per_token)
            assert found.layers * found.layer_weights == passed - 2 * found.head_weights


def test_a_published_hybrid_has_its_size_and_keeps_keys_in_one_layer_of_four() -> None:
    from transformers import AutoConfig

    found = read_architecture(AutoConfig.for_model("qwen3_5").to_dict(), "here").decoder
    assert (found.layers, found.recurrent_layers) == (32, 24)
    assert found.cache_values == 2 * 4 * 256 // 4
    # 32 value heads of 128 x 128, and three inputs of the convolution's 8192 channels.
    assert found.state_values == 32 * 128 * 128 + 3 * 8192


WINDOWS = {"num_hidden_layers": 4, "sliding_window": 8}


@pytest.mark.parametrize(
    ("text", "sliding"),
    [
        ({"use_sliding_window": True, "max_window_layers": 3}, 1),
        ({"use_sliding_window": True, "layer_types": ["sliding_attention", "full_attention"] * 2}, 2),
        ({"use_sliding_window": False, "max_window_layers": 0}, 0),
        ({"max_window_layers": 0}, 0),  # as published: what a class has by default is left out
        ({"model_type": "mistral"}, 4),
        ({"model_type": "mistral", "sliding_window": None}, 0),
    ],
)
def test_windows_are_read_in_every_form_that_configs_have(text: dict[str, Any], sliding: int) -> None:
    sizes = {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 100,
    }
    vision = KNOWN["llava-1.5-7b"]["vision_config"]
    found = read_architecture({"text_config": sizes | WINDOWS | text, "vision_config": vision}, "here").decoder
    assert (found.sliding_layers, found.window) == (sliding, 8 if sliding else 0)
    assert found.kept_tokens(100) == (4 - sliding) * 100 + sliding * 8


def test_a_windowed_layer_is_planned_with_the_cache_that_a_prompt_leaves(tmp_path: Path, clip_of: Any) -> None:
    directory = build(
        tmp_path / "model",
        "qwen2_5_vl",
        class_of("qwen2_5_vl"),
        text={"use_sliding_window": True, "sliding_window": 6, "layer_types": None, "max_window_layers": 1},
    )
    architecture = read_architecture(json.loads((directory / "config.json").read_text()), "here")
    policy = load_policy(directory)
    clip = clip_of(4, SIDE)
    prompt = policy.prompt("When does it happen?", clip)
    with torch.no_grad():
        [state] = prefill(policy, [Group(prompt, policy.encode([clip])[0])])
    layers: list[Any] = list(state.layers)
    vision = int((prompt.input_ids == policy.family.placeholder_id).sum())
    cost = prompt_cost(architecture, text_tokens=len(prompt) - vision, vision_tokens=vision, cache_value_bytes=4)
    assert [each.cached_tokens for each in cost.layers] == [len(prompt), 6, 6]
    assert [each.cache_bytes for each in cost.layers] == [
        each.keys.numel() * 4 + each.values.numel() * 4 for each in layers
    ]


def test_attention_over_a_window_grows_with_the_sequence_and_not_with_its_square() -> None:
    assert attention_flops(1, 10, 4) == 4 * sum(min(token + 1, 4) for token in range(10))
    assert attention_flops(1, 3, 4) == attention_flops(1, 3)
