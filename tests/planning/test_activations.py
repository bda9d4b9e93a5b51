"""The plan's activations against what a learner pass is seen to hold, three shapes, within 15 percent; with sliding
windows too, whose prompts' last tokens each completion has a copy of."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from reeltune.models.policy import Policy, load_policy
from reeltune.models.shared_prefix.row import group_log_probs
from reeltune.models.types import Completions, Group
from reeltune.planning.activations import Pass, activation_bytes
from reeltune.planning.architecture import read_architecture

TEXT = {
    "hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 6, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 4096, "tie_word_embeddings": False,
}  # fmt: skip
TOWER = {
    "depth": 4, "hidden_size": 64, "intermediate_size": 160, "num_heads": 4, "spatial_merge_size": 2,
    "temporal_patch_size": 2, "out_hidden_size": 128,
}  # fmt: skip


def build(family: str, directory: Path, window: int | None = None) -> Path:
    """A model whose layers outweigh its logits, as those of large ones do."""
    from transformers import AutoModelForImageTextToText, GenerationConfig, Qwen2_5_VLConfig, Qwen3VLConfig

    from reeltune.toyworld.tokenizer import train_tokenizer

    tokenizer = train_tokenizer(["When does it appear? <answer>1.0 to 2.5</answer>"], vocabulary=340)
    names = {"image": "<|image_pad|>", "video": "<|video_pad|>"}
    ids: Any = {
        f"{name}_token_id": tokenizer.get_vocab()[names.get(name, f"<|{name}|>")]
        for name in ("image", "video", "vision_start", "vision_end")
    }
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 6, 6]}
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0, "bos_token_id": None}
    text = TEXT | ends | {"vocab_size": len(tokenizer), "rope_parameters": rope}
    if window:
        text |= {"use_sliding_window": True, "sliding_window": window, "max_window_layers": 2}
    config: Any
    if family == "qwen3_vl":
        text["rope_parameters"] = rope | {"mrope_interleaved": True}
        vision = TOWER | {"patch_size": 16, "num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1]}
        config = Qwen3VLConfig(text_config=text, vision_config=vision, **ids, tie_word_embeddings=False)
    else:
        vision = TOWER | {"patch_size": 14, "window_size": 56, "fullatt_block_indexes": [1], "tokens_per_second": 2}
        config = Qwen2_5_VLConfig(text_config=text, vision_config=vision, **ids, tie_word_embeddings=False)
    AutoModelForImageTextToText.from_config(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    GenerationConfig(eos_token_id=tokenizer.eos_token_id, pad_token_id=0).save_pretrained(directory)
    return directory


def peak_bytes(way: Any) -> int:
    """The most bytes of tensors that `way` held at once, beyond those that were there before."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        way()
    events: Any = [each for each in profile.profiler.kineto_results.events() if each.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda each: each.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def hold(policy: Policy, clip: Any, group_size: int, length: int, *, tower: bool) -> tuple[int, Pass]:
    """Measured bytes of a pass, forward and backward, and its shape. Gradients are there before."""
    prompt = policy.prompt("When?", clip)
    ids = torch.randint(5, 60, (group_size, length), generator=torch.Generator().manual_seed(0))
    completions = Completions(ids, torch.ones_like(ids).bool())
    with torch.no_grad():
        known = policy.encode([clip])[0]

    def once() -> None:
        features = policy.encode([clip])[0] if tower else known
        group_log_probs(policy, [Group(prompt, features, completions)])[0].sum().backward()

    once()
    vision = int((prompt.input_ids == policy.family.placeholder_id).sum())
    return peak_bytes(once), Pass(1, len(prompt), group_size * (length - 1), vision, group_size)


@pytest.mark.parametrize(
    ("family", "checkpointing", "tower", "window"),
    [
        ("qwen2_5_vl", False, False, None),
        ("qwen3_vl", False, True, None),
        ("qwen2_5_vl", True, False, None),
        ("qwen2_5_vl", False, False, 64),
        ("qwen2_5_vl", True, False, 64),
    ],
)
def test_activations_are_what_a_pass_holds(
    family: str, checkpointing: bool, tower: bool, window: int | None, tmp_path: Path, clip_of: Any
) -> None:
    directory = build(family, tmp_path, window)
    architecture = read_architecture(json.loads((directory / "config.json").read_text()), "here")
    policy = load_policy(directory, gradient_checkpointing=checkpointing, self_check=False)
    policy.train()
    if not tower:
        policy.freeze_vision()
    for frames, group_size, length in ((16, 4, 16), (32, 8, 8), (4, 8, 64)):
        clip = clip_of(frames, 128 if family == "qwen3_vl" else 112)
        measured, work = hold(policy, clip, group_size, length, tower=tower)
        planned = activation_bytes(
            architecture,
            work,
            "float32",
            checkpointing=checkpointing,
            tower_trains=tower,
            qk_norm=family == "qwen3_vl",
        )
        assert planned == pytest.approx(measured, rel=0.15), work
