"""A Qwen2.5-VL of the real class, two layers of the 7B model's head size, random weights: ours against stock."""

import tempfile
from pathlib import Path

import torch
from transformers import GenerationConfig, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from reeltune.models.policy import load_policy
from reeltune.models.self_check import check_against_stock
from reeltune.toyworld.tokenizer import train_tokenizer


def parity(device: torch.device) -> str:
    """What was seen. InputError where our passes are not the stock model's on this device."""
    with tempfile.TemporaryDirectory() as folder:
        policy = load_policy(_two_layers(Path(folder)), self_check=False)
        policy.to(device)
        check_against_stock(policy)
    return "log-probs of packed groups, prefill and decoding equal the stock model's"


def _two_layers(directory: Path) -> Path:
    tokenizer = train_tokenizer(["When does it happen? <answer>1.0 to 2.5</answer>"], vocabulary=340)
    names = {"image": "<|image_pad|>", "video": "<|video_pad|>"}
    ids = {
        f"{name}_token_id": tokenizer.get_vocab()[names.get(name, f"<|{name}|>")]
        for name in ("image", "video", "vision_start", "vision_end")
    }
    text = {
        "vocab_size": len(tokenizer), "hidden_size": 512, "intermediate_size": 1024, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
        "eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0, "bos_token_id": None, "tie_word_embeddings": False,
    }  # fmt: skip
    vision = {
        "depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 2, "out_hidden_size": 512,
        "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 112,
        "fullatt_block_indexes": [1], "tokens_per_second": 2,
    }  # fmt: skip
    config = Qwen2_5_VLConfig(text_config=text, vision_config=vision, **ids, tie_word_embeddings=False)
    Qwen2_5_VLForConditionalGeneration(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    GenerationConfig(eos_token_id=tokenizer.eos_token_id, pad_token_id=0).save_pretrained(directory)
    return directory
