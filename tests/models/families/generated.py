"""A tiny model of any family, made from its config class alone: default config, small sizes, random weights."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from reeltune.models.families import FAMILIES, Family
from reeltune.models.families.frames import FrameFamily

SIDE, PATCH = 56, 14
TEXT = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 4096, "tie_word_embeddings": False,
    "attention_dropout": 0.0, "layer_types": None,
    "num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "shared_expert_intermediate_size": 16,
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
}  # fmt: skip
MROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
VISION = {
    "depth": 2, "num_hidden_layers": 2, "num_heads": 2, "num_attention_heads": 2, "embed_dim": 16, "hidden_size": 16,
    "intermediate_size": 32, "mlp_ratio": 2, "image_size": SIDE, "patch_size": PATCH, "out_hidden_size": 32,
    "window_size": 56, "fullatt_block_indexes": [1], "num_position_embeddings": 16,
    "deepstack_visual_indexes": [0, 1], "attention_dropout": 0.0, "projection_dim": 16,
}  # fmt: skip
CHAT = """\
{%- for message in messages -%}{{ message['role'] + ': ' }}
{%- for part in message['content'] -%}
{{- 'PLACEHOLDER\\n' if part['type'] == 'KIND' else 'IMAGE\\n' if part['type'] == 'image' else part['text'] -}}
{%- endfor -%}{%- endfor -%}{{- ' assistant:' -}}"""


def build(
    directory: Path,
    model_type: str,
    family: type[Family],
    *,
    seed: int = 0,
    extra_rows: int = 0,
    text: dict[str, Any] | None = None,
) -> Path:
    """A model directory of `model_type`; `extra_rows`: rows of the vocabulary past the tokenizer; `text`: settings of
    the language model in place of the small ones."""
    from transformers import AutoConfig, AutoModelForImageTextToText, GenerationConfig

    from reeltune.toyworld.tokenizer import train_tokenizer

    tokenizer = train_tokenizer(
        ["When does the red circle appear? <answer>1.0 to 2.5</answer> Frame1:"], vocabulary=340
    )
    tokenizer.add_special_tokens({"additional_special_tokens": [*family.vision_tokens]})
    chat = CHAT.replace("PLACEHOLDER", family.placeholder).replace("KIND", family.content_type)
    tokenizer.chat_template = chat.replace("IMAGE", str(family.image_placeholder))
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0, "bos_token_id": None}
    default = AutoConfig.for_model(model_type).to_dict()
    own_text, text = text or {}, _shrunk(default["text_config"], TEXT)
    text |= ends | {"vocab_size": len(tokenizer) + extra_rows} | own_text
    if "linear_num_key_heads" in text:  # a hybrid: every kind of layer before and after the other
        text["layer_types"] = ["linear_attention", "full_attention", "linear_attention", "full_attention"]
        text["num_hidden_layers"] = 4
    vision = _shrunk(default["vision_config"], VISION)
    config = {"text_config": text, "vision_config": vision, "tie_word_embeddings": False}
    if issubclass(family, FrameFamily):
        ratio = default.get("downsample_ratio", 1)
        config["image_seq_length"] = int((SIDE // PATCH * ratio) ** 2)
        if "image_grid_pinpoints" in default:
            config["image_grid_pinpoints"] = [[SIDE * r, SIDE * c] for r in (1, 2, 3) for c in (1, 2, 3)]
    else:
        text["rope_parameters"] = dict(MROPE)
        if "embed_dim" in vision:  # Qwen2-VL: hidden_size is the width that the tower gives
            vision["hidden_size"] = 32
    config |= {name: tokenizer.convert_tokens_to_ids(token) for name, token in _names(default, family)}
    made = AutoConfig.for_model(model_type, **config)
    field = "video_token_id" if hasattr(made, "video_token_id") else "image_token_id"
    if model_type == "glm46v":  # one token for videos and images
        field = "image_token_id"
    if "<image>" in family.vision_tokens:
        made.image_token_id = tokenizer.convert_tokens_to_ids("<image>")
    setattr(made, field, _placeholder(family(made, {}), tokenizer))
    torch.manual_seed(seed)
    model = AutoModelForImageTextToText.from_config(made)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embed_tokens" in name:  # so that each token matters to what follows
                parameter.mul_(40.0)
            elif parameter.ndim >= 2 and "embed" not in name:
                parameter.mul_(4.0)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    GenerationConfig(eos_token_id=tokenizer.eos_token_id, pad_token_id=0).save_pretrained(directory)
    (directory / "preprocessor_config.json").write_text(json.dumps({}))
    return directory


def _shrunk(config: dict[str, Any], sizes: dict[str, Any]) -> dict[str, Any]:
    small = {name: value for name, value in sizes.items() if name in config}
    for name in ("image_size", "patch_size"):
        if isinstance(config.get(name), list | tuple):
            small[name] = [sizes[name]] * 2
    return {"model_type": config["model_type"]} | small


def _names(default: dict[str, Any], family: type[Family]) -> list[tuple[str, str]]:
    tokens = {"image_token_id": "<|image_pad|>", "vision_start_token_id": "<|vision_start|>"}
    tokens |= {"vision_end_token_id": "<|vision_end|>", "video_token_id": "<|video_pad|>"}
    return [(name, token) for name, token in tokens.items() if name in default and token in family.vision_tokens]


def _placeholder(family: Family, tokenizer: Any) -> int:
    """The vision token that the family writes most often for a video."""
    from tests.conftest import make_clip

    ids = tokenizer(family.video_text(make_clip(4, SIDE)), add_special_tokens=False)["input_ids"]
    vision = set(tokenizer.convert_tokens_to_ids(list(family.vision_tokens)))
    return Counter(token for token in ids if token in vision).most_common(1)[0][0]


def class_of(name: str) -> type[Family]:
    return FAMILIES.get(name)
