"""The recipes of the published systems train: read as they are, on the real class cut to two layers.

The model has the published head and layer shapes divided by eight and random weights, the videos are generated; only
paths, steps, lengths and pixel budgets are overridden. `make test-slow` runs the full width.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from reeltune.config.recipe import load_recipe
from reeltune.training.train import train

ROOT = Path(__file__).parents[2]
RECIPES = sorted(
    [*(ROOT / "recipes" / "videochat-r1").glob("*.yaml"), *(ROOT / "recipes" / "temporal-rlt").glob("*.yaml")]
)
TASKS = ("temporal_grounding", "object_tracking", "multiple_choice", "grounded_qa", "classification")
# hidden, MLP, heads, key-value heads, tied embeddings
SHAPES = {"7B": (3584, 18944, 28, 4, False), "3B": (2048, 11008, 16, 2, True)}


def two_layers(directory: Path, size: str, divide: int) -> Path:
    """Qwen2.5-VL of that size, two decoder and two vision layers, sides divided by `divide`."""
    from transformers import GenerationConfig, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    from reeltune.toyworld.tokenizer import train_tokenizer

    hidden, mlp, heads, kv_heads, tied = SHAPES[size]
    tokenizer = train_tokenizer(["When does it happen? <think>a</think><answer>1.0 to 2.5</answer>"], vocabulary=340)
    vocabulary = tokenizer.get_vocab()
    names = {"image": "<|image_pad|>", "video": "<|video_pad|>"}
    ids = {
        f"{name}_token_id": vocabulary[names.get(name, f"<|{name}|>")]
        for name in ("image", "video", "vision_start", "vision_end")
    }
    head = 128 // divide
    section = [head // 2 - 2 * (head // 2 * 3 // 8), head // 2 * 3 // 8, head // 2 * 3 // 8]
    text = {
        "vocab_size": len(tokenizer), "hidden_size": heads * head, "intermediate_size": mlp // divide,
        "num_hidden_layers": 2, "num_attention_heads": heads, "num_key_value_heads": kv_heads,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": section},
        "eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0, "bos_token_id": None, "tie_word_embeddings": tied,
    }  # fmt: skip
    vision = {
        "depth": 2, "hidden_size": 1280 // divide, "intermediate_size": 3420 // divide, "num_heads": 16 // divide * 2,
        "out_hidden_size": heads * head, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
        "window_size": 112, "fullatt_block_indexes": [1], "tokens_per_second": 2,
    }  # fmt: skip
    assert hidden // divide == heads * head
    torch.manual_seed(0)
    model = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(text_config=text, vision_config=vision, **ids, tie_word_embeddings=tied)
    )
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    GenerationConfig(eos_token_id=tokenizer.eos_token_id, pad_token_id=0).save_pretrained(directory)
    return directory


def take_one_step(recipe_path: Path, folder: Path, divide: int) -> dict[str, Any]:
    size = "3B" if "3B" in recipe_path.read_text() else "7B"
    sources = len(load_recipe(recipe_path).data.train)
    tasks = TASKS[:1] if sources == 1 else TASKS
    recipe = load_recipe(
        recipe_path,
        [
            f"model.path={two_layers(folder / 'model', size, divide)}",
            f"data.train={[f'toyworld:train/{task}' for task in tasks]}",
            f"toyworld.dir={folder / 'toyworld'}",
            "toyworld.train_videos=4",
            f"run.dir={folder / 'run'}",
            "video.min_frame_pixels=3136",
            "video.max_frame_pixels=3136",
            "rl.steps=1",
            "rl.max_new_tokens=8",
            "parallel={}",
        ],
    )
    assert train(recipe)
    [row] = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
    return row


# The wide ones take a minute each: one of them goes with every run of the tests.
QUICK = ("grounding-3b", "grounding-3b-lora", "grounding")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            each,
            marks=[] if each.stem in QUICK else pytest.mark.slow,
        )
        for each in RECIPES
    ],
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_a_published_recipe_takes_a_step(path: Path, tmp_path: Path) -> None:
    row = take_one_step(path, tmp_path, divide=8)
    assert row["step"] == 1 and "reward" in row and row["kl"] == pytest.approx(0, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("path", RECIPES[:1], ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_published_recipe_takes_a_step_at_full_width(path: Path, tmp_path: Path) -> None:
    assert take_one_step(path, tmp_path, divide=1)["step"] == 1
