"""Tiny models of the real classes, with random weights, and clips that the tests make."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.workshop import workshop

from reeltune.video.clip import Clip

__all__ = ["workshop"]

torch.set_num_threads(1)
# Before huggingface_hub reads it: no test asks the network for a model.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
}
ROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2], "mrope_interleaved": True}
TOKEN_IDS = ("image", "video", "vision_start", "vision_end")
NAMES = {"image": "<|image_pad|>", "video": "<|video_pad|>"}


def _config(family: str, tokenizer: Any) -> Any:
    from transformers import Qwen2_5_VLConfig, Qwen2VLConfig, Qwen3VLConfig

    vocabulary = tokenizer.get_vocab()
    ids = {f"{name}_token_id": vocabulary[NAMES.get(name, f"<|{name}|>")] for name in TOKEN_IDS}
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0, "bos_token_id": None}
    text = TEXT | ends | {"vocab_size": len(tokenizer), "rope_parameters": dict(ROPE)}
    if family == "qwen3_vl":
        vision = {
            "depth": 2, "hidden_size": 16, "intermediate_size": 32, "num_heads": 2, "patch_size": 16,
            "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": 32,
            "num_position_embeddings": 16, "deepstack_visual_indexes": [0, 1],
        }  # fmt: skip
        return Qwen3VLConfig(text_config=text, vision_config=vision, **ids, tie_word_embeddings=False)
    vision = {"depth": 2, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2, "num_heads": 2}
    if family == "qwen2_5_vl":
        vision |= {
            "hidden_size": 16, "intermediate_size": 32, "out_hidden_size": 32, "window_size": 56,
            "fullatt_block_indexes": [1], "tokens_per_second": 2,
        }  # fmt: skip
        return Qwen2_5_VLConfig(text_config=text, vision_config=vision, **ids, tie_word_embeddings=False)
    vision |= {"embed_dim": 16, "hidden_size": 32, "mlp_ratio": 2}
    return Qwen2VLConfig(text_config=text, vision_config=vision, **ids, tie_word_embeddings=False)


def build_tiny(directory: Path, family: str, *, seed: int = 0) -> Path:
    """A plain Hugging Face directory of `family` with random weights and a real tokenizer."""
    from transformers import AutoModelForImageTextToText, GenerationConfig

    from reeltune.toyworld.tokenizer import train_tokenizer

    texts = ["When does the red circle appear? <answer>1.0 to 2.5</answer>", "A. blue B. green <think>yes</think>"]
    tokenizer = train_tokenizer(texts, vocabulary=340)
    torch.manual_seed(seed)
    model = AutoModelForImageTextToText.from_config(_config(family, tokenizer))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Larger than the usual initialization, so that the inputs matter to the log-probs.
            parameter.mul_(4.0) if parameter.ndim >= 2 and "embed" not in name else None
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    GenerationConfig(eos_token_id=tokenizer.eos_token_id, pad_token_id=0).save_pretrained(directory)
    (directory / "preprocessor_config.json").write_text(json.dumps({}))
    return directory


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """family name -> model directory, built once per test process."""
    built: dict[str, Path] = {}

    def get(family: str) -> Path:
        if family not in built:
            built[family] = build_tiny(tmp_path_factory.mktemp("models") / family, family)
        return built[family]

    return get


def make_clip(frames: int = 4, side: int = 64, *, seed: int = 0, fps: float = 2.0, width: int | None = None) -> Clip:
    """Random frames of a side that suits the family (56 or 84 for patch 14, 64 or 96 for patch 16)."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (frames, side, width or side, 3), dtype=np.uint8)
    return Clip(pixels, np.arange(frames) / fps, frames / fps, f"clip-{seed}-{frames}-{side}")


@pytest.fixture(scope="session")
def clip_of() -> Any:
    return make_clip
