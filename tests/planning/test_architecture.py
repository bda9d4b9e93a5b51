"""A plan reads any config by its form: each family's tower, also one of one's own, has the real class's sizes."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from tests.models.families.generated import SIDE, build
from transformers import AutoConfig

from reeltune.config.recipe import parse_recipe
from reeltune.errors import InputError
from reeltune.models.families import FAMILIES
from reeltune.planning.architecture import read_architecture
from reeltune.planning.known import KNOWN
from reeltune.planning.source import plan_recipe

OWN = f"{Path(__file__).parents[2] / 'examples' / 'own_family.py'}:LlavaNextVideo"
KINDS = {name: name for name in FAMILIES} | {"llava_next_video": OWN}
# What no vision token passes: positions, the class token, the pooling head that SigLIP has for classification.
NOT_PASSED = re.compile(r"pos|cls_token|^head\.")


@pytest.mark.parametrize(("kind", "name"), KINDS.items(), ids=list(KINDS))
def test_a_tower_has_the_matrices_of_its_real_class(kind: str, name: str, tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText

    build(tmp_path, kind, FAMILIES.get(name))
    found = read_architecture(json.loads((tmp_path / "config.json").read_text()), "here", tokens_per_image=16)
    model: Any = AutoModelForImageTextToText.from_pretrained(tmp_path)
    family = FAMILIES.get(name)(model.config, {})
    matrices = sum(
        weight.numel()
        for module in family.vision_modules(model)
        for part, weight in module.named_parameters()
        if weight.ndim > 1 and not NOT_PASSED.search(part)
    )
    assert matrices and found.vision is not None and found.vision.weights == matrices
    assert found.vision.tokens_per_image == getattr(family, "frame_tokens", 16)


@pytest.mark.parametrize(("kind", "name"), KINDS.items(), ids=list(KINDS))
def test_the_plan_of_a_recipe_counts_the_vision_tokens_of_its_longest_video(
    kind: str, name: str, tmp_path: Path, clip_of: Any
) -> None:
    model = build(tmp_path / "model", kind, FAMILIES.get(name))
    side, frames = 2 * SIDE, 8
    tree = {
        "method": "grpo",
        "model": {"path": str(model)},
        "data": {"train": "none.jsonl"},
        "video": {"max_frames": frames, "total_pixels": 10**9, "max_frame_pixels": side**2, "min_frame_pixels": 1},
    }
    family = FAMILIES.get(name)(AutoConfig.from_pretrained(model), {})
    one = getattr(family, "frame_tokens", None)
    wanted = one * frames if one else math.prod(family.token_grid(clip_of(frames, side)))  # type: ignore[attr-defined]
    assert plan_recipe(parse_recipe(tree, where="here"), name="here").vision_tokens == (wanted,)


def test_a_config_of_another_form_says_what_it_lacks() -> None:
    with pytest.raises(InputError, match=r"here: .* 'bert' without the key 'vision_config'.*plan file"):
        read_architecture({"model_type": "bert"}, "here")


# As their config.json files are published: what the classes have by default is left out.
LLAVA = {
    "model_type": "llava", "image_token_index": 32000, "projector_hidden_act": "gelu",
    "text_config": {
        "_name_or_path": "lmsys/vicuna-7b-v1.5", "model_type": "llama", "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-05, "vocab_size": 32064,
    },
    "vision_config": {
        "hidden_size": 1024, "image_size": 336, "intermediate_size": 4096, "model_type": "clip_vision_model",
        "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14, "projection_dim": 768,
    },
}  # fmt: skip
SMOLVLM = {
    "model_type": "smolvlm", "scale_factor": 4, "tie_word_embeddings": False,
    "text_config": {
        "model_type": "llama", "hidden_size": 576, "num_hidden_layers": 30, "intermediate_size": 1536, "head_dim": 64,
        "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49280, "tie_word_embeddings": False,
    },
    "vision_config": {
        "model_type": "smolvlm_vision", "hidden_size": 768, "image_size": 512, "patch_size": 16,
        "intermediate_size": 3072, "num_attention_heads": 12,
    },
}  # fmt: skip


@pytest.mark.parametrize(("config", "name"), [(LLAVA, "llava-1.5-7b"), (SMOLVLM, "SmolVLM2-256M")])
def test_a_published_config_is_planned_as_the_model_that_is_known_by_name(config: dict[str, Any], name: str) -> None:
    assert read_architecture(config, "here") == read_architecture(KNOWN[name], "there")
