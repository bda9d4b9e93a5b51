"""Tiny models of the real classes, their batches, and the plain reference of routed models as one fixture."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.plain import PlainForm, PlainTokens, plain_forward
from torch import Tensor

FAMILIES = ["llava", "qwen2_vl", "qwen2_5_vl", "qwen3_vl"]
VOCABULARY, IMAGE, VIDEO, START, END = 120, 100, 101, 102, 103
TEXT = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 6,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512,
    "tie_word_embeddings": False, "eos_token_id": 1, "pad_token_id": 0, "bos_token_id": 2,
}  # fmt: skip
ROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}


def build_model(
    family: str, *, attention: str = "sdpa", seed: int = 0, text: dict[str, Any] | None = None, image: int = IMAGE
) -> Any:
    """A tiny model of the real class, with weights large enough for every branch to matter."""
    import transformers

    ids = {
        "image_token_id": IMAGE, "video_token_id": VIDEO, "vision_start_token_id": START, "vision_end_token_id": END,
    }  # fmt: skip
    rope = ROPE | ({"mrope_interleaved": True} if family == "qwen3_vl" else {})
    llama = TEXT | {"model_type": "llama"} | (text or {})
    text = TEXT | {"rope_parameters": rope}
    if family == "llava":
        vision = {
            "model_type": "clip_vision_model", "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 2, "image_size": 56, "patch_size": 14,
        }  # fmt: skip
        config: Any = transformers.LlavaConfig(
            text_config=llama, vision_config=vision, image_token_index=image, image_seq_length=16
        )
    elif family == "qwen3_vl":
        vision = {
            "depth": 2, "hidden_size": 16, "intermediate_size": 32, "num_heads": 2, "patch_size": 14,
            "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": 32, "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0, 1],
        }  # fmt: skip
        config = transformers.Qwen3VLConfig(text_config=text, vision_config=vision, **ids)
    elif family == "qwen2_5_vl":
        vision = {
            "depth": 2, "hidden_size": 16, "intermediate_size": 32, "num_heads": 2, "patch_size": 14,
            "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": 32, "window_size": 56,
            "fullatt_block_indexes": [1],
        }  # fmt: skip
        config = transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **ids)
    else:
        vision = {
            "depth": 2, "embed_dim": 16, "hidden_size": 32, "mlp_ratio": 2, "num_heads": 2, "patch_size": 14,
            "spatial_merge_size": 2, "temporal_patch_size": 2,
        }  # fmt: skip
        config = transformers.Qwen2VLConfig(text_config=text, vision_config=vision, **ids)
    config._attn_implementation = attention
    torch.manual_seed(seed)
    model = transformers.AutoModelForImageTextToText.from_config(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim >= 2:
                parameter.normal_(0, 1 if "embed" in name else parameter[0].numel() ** -0.5)
    return model


def randomise_routers(model: Any, *, seed: int = 1) -> None:
    from reeltune.models.mixture_of_depths.install import routers

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for router in routers(model).values():
            router.weight.normal_(0, 0.25, generator=generator)
            router.bias.normal_(0, 0.25, generator=generator)


def make_batch(family: str, images: list[int], *, side: str = "left", seed: int = 0) -> dict[str, Tensor]:
    """Rows with `images` pictures each (16 vision tokens a picture), padded on `side`."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for row, count in enumerate(images):
        ids = torch.randint(3, 99, (5 + row,), generator=generator).tolist()
        for _ in range(count):
            ids += [START, *[IMAGE] * 16, END, *torch.randint(3, 99, (2,), generator=generator).tolist()]
        rows.append(ids + torch.randint(3, 99, (4,), generator=generator).tolist())
    width = max(map(len, rows))
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for index, row_ids in enumerate(rows):
        place = slice(width - len(row_ids), width) if side == "left" else slice(len(row_ids))
        ids[index, place], mask[index, place] = torch.tensor(row_ids), 1
    batch = {"input_ids": ids, "attention_mask": mask}
    if total := sum(images):
        if family == "llava":
            batch["pixel_values"] = torch.randn(total, 3, 56, 56, generator=generator)
        else:
            batch["pixel_values"] = torch.randn(total * 64, 3 * 2 * 14 * 14, generator=generator)
            batch["image_grid_thw"] = torch.tensor([[1, 8, 8]] * total)
    if family != "llava":
        batch["mm_token_type_ids"] = (ids == IMAGE).int()
    return batch


def plain_rows(model: Any, batch: dict[str, Tensor]) -> list[PlainTokens]:
    """What the language model is given for each row of a batch, without the padding. Turn 0 throughout."""
    seen: dict[str, Any] = {}
    language_model = model.model.language_model
    hook = language_model.register_forward_pre_hook(lambda _m, _a, kwargs: seen.update(kwargs), with_kwargs=True)
    with torch.no_grad():
        model(**batch)
    hook.remove()
    embeds, positions = seen["inputs_embeds"], seen["position_ids"]
    if positions is None:
        positions = torch.arange(embeds.shape[1]).expand(len(embeds), -1)
    # Newer transformers put the text positions in front of the three of M-RoPE.
    positions = positions[1:] if positions.ndim == 3 and len(positions) == 4 else positions
    if positions.ndim == 2 and not model.config.model_type.startswith("llava"):
        positions = positions.expand(3, -1, -1)
    cos, sin = language_model.rotary_emb(embeds, positions)
    cos, sin = (each.expand(len(embeds), -1, -1) for each in (cos, sin))
    is_vision = batch["input_ids"] == IMAGE
    deepstack = seen.get("deepstack_visual_embeds") or []
    starts = [0, *is_vision.sum(1).cumsum(0).tolist()]
    rows = []
    for row, real in enumerate(batch["attention_mask"].bool()):
        stacked = [layer[starts[row] : starts[row + 1]] for layer in deepstack]
        vision = is_vision[row, real].tolist()
        rows.append(PlainTokens(embeds[row, real], cos[row, real], sin[row, real], vision, [0] * len(vision), stacked))
    return rows


class Plain:
    """What the tests use of this file."""

    families = FAMILIES
    tokens = PlainTokens
    form = PlainForm
    image = IMAGE
    build = staticmethod(build_model)
    batch = staticmethod(make_batch)
    rows = staticmethod(plain_rows)
    randomise = staticmethod(randomise_routers)

    @staticmethod
    def forward(model: Any, tokens: PlainTokens, ratios: Any, form: Any = None) -> tuple[Tensor, list[list[int]]]:
        with torch.no_grad():
            return plain_forward(deepcopy(model).double(), tokens, ratios, form)

    forward_of = staticmethod(plain_forward)


@pytest.fixture(scope="session")
def plain() -> Plain:
    return Plain()


CHAT = """\
{%- for message in messages -%}{{ message['role'] + ': ' }}
{%- for part in message['content'] -%}
{{- '<image>\\n' if part['type'] == 'image' else part['text'] -}}
{%- endfor -%}{%- endfor -%}{{- ' assistant:' -}}"""


@pytest.fixture(scope="session")
def directories(tiny_models: Any, plain: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Family -> model directory; LLaVA with a tokenizer whose template writes <image>."""

    def get(family: str) -> Path:
        if family != "llava":
            return tiny_models(family)
        from transformers import AutoTokenizer

        directory = tmp_path_factory.getbasetemp() / "llava"
        if not directory.exists():
            tokenizer = AutoTokenizer.from_pretrained(tiny_models("qwen2_vl"))
            tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
            tokenizer.chat_template = CHAT
            text = {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id}
            image = tokenizer.convert_tokens_to_ids("<image>")
            plain.build("llava", text=text, image=image).save_pretrained(directory)
            tokenizer.save_pretrained(directory)
        return directory

    return get
