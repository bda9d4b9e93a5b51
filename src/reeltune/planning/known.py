"""The published sizes of models that recipes name, as their config.json has them: a plan needs no download.

Only what a plan reads. The directory's own config.json comes first where there is one.
"""

from typing import Any

_QWEN2_VISION = {
    "depth": 32, "embed_dim": 1280, "mlp_ratio": 4, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
}  # fmt: skip
_QWEN2_5_VISION = {
    "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "patch_size": 14, "spatial_merge_size": 2,
    "temporal_patch_size": 2, "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31],
}  # fmt: skip
_QWEN3_VISION = {
    "depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "patch_size": 16, "spatial_merge_size": 2,
    "temporal_patch_size": 2, "deepstack_visual_indexes": [5, 11, 17],
}  # fmt: skip
_QWEN3_VISION_LARGE = {
    **_QWEN3_VISION, "depth": 27, "hidden_size": 1152, "intermediate_size": 4304,
    "deepstack_visual_indexes": [8, 16, 24],
}  # fmt: skip


def _text(
    hidden: int, layers: int, intermediate: int, heads: int, kv_heads: int, vocabulary: int, head_dim: int = 128
) -> dict[str, Any]:
    return {
        "hidden_size": hidden, "num_hidden_layers": layers, "intermediate_size": intermediate,
        "num_attention_heads": heads, "num_key_value_heads": kv_heads, "head_dim": head_dim, "vocab_size": vocabulary,
    }  # fmt: skip


def _model(
    kind: str, text: dict[str, Any], vision: dict[str, Any], *, tied: bool = False, **others: Any
) -> dict[str, Any]:
    return {"model_type": kind, "text_config": text, "vision_config": vision, "tie_word_embeddings": tied, **others}


KNOWN: dict[str, dict[str, Any]] = {
    "Qwen2-VL-2B": _model("qwen2_vl", _text(1536, 28, 8960, 12, 2, 151936), _QWEN2_VISION, tied=True),
    "Qwen2-VL-7B": _model("qwen2_vl", _text(3584, 28, 18944, 28, 4, 152064), _QWEN2_VISION),
    "Qwen2.5-VL-3B": _model("qwen2_5_vl", _text(2048, 36, 11008, 16, 2, 151936), _QWEN2_5_VISION, tied=True),
    "Qwen2.5-VL-7B": _model("qwen2_5_vl", _text(3584, 28, 18944, 28, 4, 152064), _QWEN2_5_VISION),
    "Qwen2.5-VL-32B": _model(
        "qwen2_5_vl", _text(5120, 64, 27648, 40, 8, 152064), {**_QWEN2_5_VISION, "intermediate_size": 3456}
    ),
    "Qwen2.5-VL-72B": _model(
        "qwen2_5_vl", _text(8192, 80, 29568, 64, 8, 152064), {**_QWEN2_5_VISION, "intermediate_size": 3456}
    ),
    "Qwen3-VL-2B": _model("qwen3_vl", _text(2048, 28, 6144, 16, 8, 151936), _QWEN3_VISION, tied=True),
    "Qwen3-VL-4B": _model("qwen3_vl", _text(2560, 36, 9728, 32, 8, 151936), _QWEN3_VISION, tied=True),
    "Qwen3-VL-8B": _model("qwen3_vl", _text(4096, 36, 12288, 32, 8, 151936), _QWEN3_VISION_LARGE),
    "SmolVLM2-256M": _model(
        "smolvlm",
        _text(576, 30, 1536, 9, 3, 49280, head_dim=64),
        {
            "model_type": "smolvlm_vision",
            "hidden_size": 768,
            "num_hidden_layers": 12,
            "intermediate_size": 3072,
            "patch_size": 16,
            "image_size": 512,
        },
        scale_factor=4,
    ),
    "llava-1.5-7b": _model(
        "llava",
        _text(4096, 32, 11008, 32, 32, 32064),
        {"hidden_size": 1024, "num_hidden_layers": 24, "intermediate_size": 4096, "patch_size": 14, "image_size": 336},
    ),
}
"""Name -> what is read of its config.json."""
ENDINGS = ("-instruct", "-thinking", "-hf", "-video")


def known_config(name: str) -> dict[str, Any] | None:
    """The config of a model directory called `name`, such as Qwen2.5-VL-7B-Instruct; None: not known."""
    plain = name.lower()
    for ending in ENDINGS:
        plain = plain.removesuffix(ending)
    return {each.lower(): config for each, config in KNOWN.items()}.get(plain)
