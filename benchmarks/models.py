"""Models for the benchmarks, of random weights or one's own, and groups of given sizes to run through them."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reeltune.models.families.qwen2_5_vl import Qwen2VL
from reeltune.models.policy import Policy, load_policy
from reeltune.models.types import Completions, Group, Prompt
from reeltune.video.clip import Clip

SIDE = 224  # pixels: 64 vision tokens for every two frames
TOKENS_PER_PATCH = 64
TEXT_TOKENS = 63  # of every prompt, with the two tokens around the video
WORDS = (1000, 2000)  # ids without any special token among them

# Qwen2.5-VL: `small` has 7.9M parameters; `7b` has the published sizes. `hybrid` is a Qwen3.5 of 8M parameters, whose
# layers are six gated delta nets and two of full attention.
SHAPES: dict[str, dict[str, Any]] = {
    "small": {
        "text": {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 6, "num_attention_heads": 4,
                 "num_key_value_heads": 2, "vocab_size": 2048},
        "vision": {"hidden_size": 160, "intermediate_size": 480, "depth": 4, "num_heads": 4, "out_hidden_size": 256,
                   "fullatt_block_indexes": [3]},
        "sections": [8, 12, 12],
    },
    "7b": {
        "text": {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
                 "num_key_value_heads": 4, "vocab_size": 152064},
        "vision": {"hidden_size": 1280, "intermediate_size": 3420, "depth": 32, "num_heads": 16,
                   "out_hidden_size": 3584, "fullatt_block_indexes": [7, 15, 23, 31]},
        "sections": [16, 24, 24],
    },
    "hybrid": {
        "text": {"hidden_size": 256, "intermediate_size": 640, "num_hidden_layers": 8, "num_attention_heads": 4,
                 "num_key_value_heads": 2, "head_dim": 64, "linear_num_key_heads": 4, "linear_num_value_heads": 8,
                 "linear_key_head_dim": 32, "linear_value_head_dim": 32, "vocab_size": 2048},
        "vision": {"hidden_size": 160, "intermediate_size": 480, "depth": 4, "num_heads": 4, "out_hidden_size": 256,
                   "num_position_embeddings": 256},
        "sections": [11, 11, 10],
    },
}  # fmt: skip


def build_policy(shape: str = "small", *, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Policy:
    """A Qwen2.5-VL, or a Qwen3.5, of random weights, always the same, opened by `load_policy` like any directory."""
    from transformers import AutoConfig, AutoModelForImageTextToText, GenerationConfig

    from reeltune.toyworld.tokenizer import train_tokenizer

    sizes = SHAPES[shape]
    tokenizer = train_tokenizer(["When does it happen? <answer>1.0 to 2.5</answer> <think>yes</think>"], vocabulary=340)
    # Every row of the head is a token, as in a published model: rows past the tokenizer are never sampled.
    tokenizer.add_tokens([f"word-{number}" for number in range(len(tokenizer), sizes["text"]["vocab_size"])])
    vocabulary = tokenizer.get_vocab()
    names = {"image": "<|image_pad|>", "video": "<|video_pad|>", "vision_start": "<|vision_start|>",
             "vision_end": "<|vision_end|>"}  # fmt: skip
    ids = {f"{name}_token_id": vocabulary[token] for name, token in names.items()}
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": sizes["sections"]}
    text = sizes["text"] | {"max_position_embeddings": 32768, "rope_parameters": rope, "tie_word_embeddings": False}
    text |= {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0, "bos_token_id": None}
    vision = sizes["vision"] | {"patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2}
    kind = "qwen3_5" if shape == "hybrid" else "qwen2_5_vl"
    if kind == "qwen2_5_vl":
        vision["window_size"] = 112
    config: Any = AutoConfig.for_model(kind, text_config=text, vision_config=vision, **ids, tie_word_embeddings=False)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder, torch.device(device):
        model = AutoModelForImageTextToText.from_config(config, dtype=dtype)
        model.save_pretrained(folder)
        del model
        tokenizer.save_pretrained(folder)
        GenerationConfig(eos_token_id=tokenizer.eos_token_id, pad_token_id=0).save_pretrained(folder)
        return load_policy(Path(folder), dtype=dtype).to(device).train()


def add_model_arguments(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--model", type=Path, help="a Hugging Face directory of any supported family instead")
    arguments.add_argument(
        "--checkpointing", action="store_true", help="compute activations again in the backward pass"
    )
    arguments.add_argument("--shape", choices=list(SHAPES), default="small")
    arguments.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")


def open_policy(options: argparse.Namespace) -> Policy:
    dtype = getattr(torch, options.dtype)
    if options.model is None:
        policy = build_policy(options.shape, device=options.device, dtype=dtype)
    else:
        policy = load_policy(options.model, dtype=dtype).to(options.device).train()
    if options.checkpointing:
        policy.model.gradient_checkpointing_enable({"use_reentrant": False})
    count = sum(parameter.numel() for parameter in policy.parameters()) / 1e6
    name = options.model or f"{policy.config.model_type} of random weights"
    print(f"{name}: {count:.1f}M parameters, {options.dtype}, {options.device}, {options.threads} thread(s)")
    return policy


def prompt_tokens(time_patches: int) -> int:
    return time_patches * TOKENS_PER_PATCH + TEXT_TOKENS


def make_prompt(policy: Policy, time_patches: int, seed: int) -> Prompt:
    """`time_patches` * 64 vision tokens and 63 others, of random frames and words, for Qwen2-VL and Qwen2.5-VL.

    Of another family as many as it makes of the same frames, two for each time patch, and a short question.
    """
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (2 * time_patches, SIDE, SIDE, 3), dtype=np.uint8)
    clip = Clip(frames, np.arange(len(frames)) / 2.0, len(frames) / 2.0, f"benchmark-{seed}-{time_patches}")
    if not isinstance(policy.family, Qwen2VL):  # what it writes around frames is not one block
        return policy.prompt("What happens, and when does it begin and end?", clip)
    config = policy.config
    t, rows, columns = policy.family.grid(clip)
    video = [config.video_token_id] * (t * rows * columns // config.vision_config.spatial_merge_size**2)
    before, after = (rng.integers(*words(policy), count).tolist() for count in (30, TEXT_TOKENS - 32))
    ids = torch.tensor([*before, config.vision_start_token_id, *video, config.vision_end_token_id, *after])
    return Prompt(ids, policy.family.position_ids(ids, [clip]), (clip,))


def make_completions(policy: Policy, lengths: Sequence[int], seed: int) -> Completions:
    rng = np.random.default_rng(seed)
    return Completions.from_lists([rng.integers(*words(policy), length).tolist() for length in lengths])


def words(policy: Policy) -> tuple[int, int]:
    """Where ids of plain words start, and end (exclusive); in a small vocabulary its third quarter."""
    vocabulary = policy.text_config.vocab_size
    return WORDS if vocabulary >= WORDS[1] else (vocabulary // 2, 3 * vocabulary // 4)


def encoded_group(policy: Policy, prompt: Prompt, completions: Completions) -> Group:
    [features] = policy.encode([prompt.clip])
    return Group(prompt, features, completions)


def model_inputs(policy: Policy, prompt: Prompt, completions: Completions, rows: int) -> dict[str, Any]:
    """What the stock model takes for `rows` rows of prompt and completion, the video once per row."""
    device = policy.device
    ids = torch.cat([prompt.input_ids.expand(rows, -1), completions.ids[:rows]], dim=1)
    steps = prompt.next_position + torch.arange(completions.ids.shape[1])
    positions = torch.cat([prompt.position_ids, steps.expand(3, -1)], dim=1)
    return {
        "input_ids": ids.to(device),
        "position_ids": policy.family.language_positions(positions[:, None].expand(-1, rows, -1).to(device)),
        **policy.family.stock_inputs(ids.to(device), prompt.media),
    }


def forbid_ends(policy: Policy) -> None:
    """Give the end tokens probability 0 on both sides, so that every completion has its full length."""
    ends = policy.model.generation_config.eos_token_id
    ends = {*policy.stop_ids, *(ends if isinstance(ends, list) else [ends])}
    policy.banned = torch.tensor(sorted({*policy.banned.tolist(), *ends}), device=policy.device)
    policy.stop_ids = ()
