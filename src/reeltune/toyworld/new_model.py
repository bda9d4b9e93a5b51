"""Builds the directory of a small Qwen3-VL from nothing: tokenizer, processor files, random weights.

The classes, the file names and the token names are those of a published Qwen3-VL, so the code that opens an
8B model opens this one. The sizes are our choice: about a million parameters, 64 x 64 frames as four tokens a
second.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from reeltune.errors import InputError
from reeltune.files import whole_folder, write_json
from reeltune.toyworld.tokenizer import WORDS, train_tokenizer


@dataclass(frozen=True)
class ModelSize:
    """Head widths (hidden / heads) are even, those of the vision tower multiples of four."""

    hidden: int = 128
    layers: int = 4
    heads: int = 4
    intermediate: int = 384
    vision_hidden: int = 64
    vision_depth: int = 2
    vision_heads: int = 4
    patch: int = 16
    positions: int = 16  # learned places of the vision tower: 4 x 4 patches
    vocabulary: int = 640
    words: str = WORDS
    sinusoidal_places: bool = False
    """The vision tower's places start as waves instead of noise: see `waves`."""


def build_model(directory: Path, texts: Iterable[str], *, seed: int = 0, size: ModelSize | None = None) -> None:
    """Write a model directory whose tokenizer is trained on `texts`; whole or not at all.

    Equal arguments give equal bytes. Raises InputError when `directory` exists.
    """
    if directory.exists():
        raise InputError(f"a new model needs a new directory, but {directory} exists: remove it, or give another")
    size = size or ModelSize()
    tokenizer = train_tokenizer(texts, vocabulary=size.vocabulary, words=size.words)
    config = model_config(tokenizer, size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen3VLForConditionalGeneration(config)
    if size.sinusoidal_places:
        places = model.model.visual.pos_embed.weight
        with torch.no_grad():
            places.copy_(waves(*places.shape))
    with whole_folder(directory) as scratch:
        model.save_pretrained(scratch)
        tokenizer.save_pretrained(scratch)
        generation_config(tokenizer).save_pretrained(scratch)
        write_processor_files(scratch, size)


def waves(places: int, width: int) -> Tensor:
    """[places, width] of a square of places: half the features are waves over its rows, half over its columns.

    A patch of color is some 2 in size where it enters, a place drawn like a weight 0.12: a place is then all but
    unseen, and boxes stayed at chance for 600 steps. Trained like any weight; our choice.
    """
    side = math.isqrt(places)
    speeds = math.pi * torch.linspace(0.5, side / 2, width // 4)
    angles = torch.linspace(0, 1, side)[:, None] * speeds
    along = torch.cat([angles.sin(), angles.cos()], dim=1)
    rows, columns = along[:, None].expand(-1, side, -1), along[None].expand(side, -1, -1)
    return torch.cat([rows, columns], dim=2).reshape(places, width)


def model_config(tokenizer: PreTrainedTokenizerFast, size: ModelSize) -> Qwen3VLConfig:
    head = size.hidden // size.heads
    side = head // 2 // 3
    token = tokenizer.convert_tokens_to_ids
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": size.hidden,
        "intermediate_size": size.intermediate,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.heads,
        "head_dim": head,
        "max_position_embeddings": 32768,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            # Time, height and width share the head's frequencies; height and width get a third each.
            "mrope_section": [head // 2 - 2 * side, side, side],
            "mrope_interleaved": True,
        },
        "pad_token_id": token("<|endoftext|>"),
        "bos_token_id": token("<|endoftext|>"),
        "eos_token_id": token("<|im_end|>"),
        "tie_word_embeddings": True,
        # Small networks want larger weights than the usual 0.02: with it this one needs twice the steps.
        "initializer_range": 0.06,
    }
    vision = {
        "depth": size.vision_depth,
        "hidden_size": size.vision_hidden,
        "intermediate_size": 4 * size.vision_hidden,
        "num_heads": size.vision_heads,
        "patch_size": size.patch,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "out_hidden_size": size.hidden,
        "num_position_embeddings": size.positions,
        "deepstack_visual_indexes": [0],
        "initializer_range": 0.12,
    }
    return Qwen3VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )


def generation_config(tokenizer: PreTrainedTokenizerFast) -> GenerationConfig:
    ends = [tokenizer.convert_tokens_to_ids(name) for name in ("<|im_end|>", "<|endoftext|>")]
    return GenerationConfig(do_sample=True, temperature=1.0, eos_token_id=ends, pad_token_id=ends[1])


def write_processor_files(directory: Path, size: ModelSize) -> None:
    """What AutoProcessor reads beside the tokenizer, with the pixel statistics of Qwen3-VL."""
    shared: dict[str, Any] = {
        "patch_size": size.patch,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "processor_class": "Qwen3VLProcessor",
    }
    image_size = {"longest_edge": 16777216, "shortest_edge": 4096}
    write_json(
        directory / "preprocessor_config.json",
        {"size": image_size, **shared, "image_processor_type": "Qwen2VLImageProcessorFast"},
    )
    video_size = {"longest_edge": 25165824, "shortest_edge": 4096}
    write_json(
        directory / "video_preprocessor_config.json",
        {"size": video_size, **shared, "video_processor_type": "Qwen3VLVideoProcessor"},
    )
