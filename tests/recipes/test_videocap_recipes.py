"""VideoCap-R1's recipes train: read as they are, on Qwen2-VL's real class cut to two layers, on generated videos."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from reeltune.config.recipe import load_recipe
from reeltune.errors import InputError
from reeltune.tasks import load_module
from reeltune.training.train import train

RECIPES = Path(__file__).parents[2] / "recipes" / "videocap-r1"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Qwen2-VL-7B's head and layer shapes divided by eight, two decoder and two vision layers, random weights."""
    from transformers import GenerationConfig, Qwen2VLConfig, Qwen2VLForConditionalGeneration

    from reeltune.toyworld.tokenizer import train_tokenizer

    tokenizer = train_tokenizer(["The red circle appears. <think>a | b; c | d</think>"], vocabulary=340)
    vocabulary = tokenizer.get_vocab()
    names = {"image": "<|image_pad|>", "video": "<|video_pad|>"}
    ids = {
        f"{name}_token_id": vocabulary[names.get(name, f"<|{name}|>")]
        for name in ("image", "video", "vision_start", "vision_end")
    }
    text = {
        "vocab_size": len(tokenizer), "hidden_size": 448, "intermediate_size": 2368, "num_hidden_layers": 2,
        "num_attention_heads": 28, "num_key_value_heads": 4,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]},
        "eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0, "bos_token_id": None, "tie_word_embeddings": False,
    }  # fmt: skip
    vision = {"depth": 2, "embed_dim": 160, "hidden_size": 448, "num_heads": 4, "mlp_ratio": 4, "patch_size": 14,
              "spatial_merge_size": 2, "temporal_patch_size": 2}  # fmt: skip
    torch.manual_seed(0)
    directory = tmp_path_factory.mktemp("qwen2-vl")
    config = Qwen2VLConfig(text_config=text, vision_config=vision, **ids, tie_word_embeddings=False)
    Qwen2VLForConditionalGeneration(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    GenerationConfig(eos_token_id=tokenizer.eos_token_id, pad_token_id=0).save_pretrained(directory)
    return directory


def overrides(model: Path, folder: Path) -> list[str]:
    return [
        f"model.path={model}",
        "data.train=toyworld:train/captioning",
        f"toyworld.dir={folder / 'toyworld'}",
        "toyworld.train_videos=8",
        f"run.dir={folder / 'run'}",
        "video.min_frame_pixels=3136",
        "video.max_frame_pixels=3136",
        "optim.precision=float32",
        "parallel={}",
    ]


def last_metrics(folder: Path) -> dict[str, Any]:
    row: dict[str, Any] = json.loads((folder / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    return row


def test_grpo_takes_a_step_with_the_exact_judge(model: Path, tmp_path: Path) -> None:
    short = ["rl.steps=1", "rl.max_new_tokens=8", "judge.kind=events"]
    recipe = load_recipe(RECIPES / "grpo.yaml", [*overrides(model, tmp_path), *short])
    assert recipe.rl.group_size == 8 and recipe.data.mode == "structured"
    assert train(recipe)
    found = last_metrics(tmp_path)
    assert {"captioning/format", "captioning/think", "captioning/caption"} <= set(found)
    assert found["unjudged"] == 0.0
    (record,) = json.loads((tmp_path / "run" / "judge.json").read_text())
    assert record["judge"] == "events" and record["failures"] == 0


def test_sft_takes_a_step(model: Path, tmp_path: Path) -> None:
    assert train(
        load_recipe(RECIPES / "sft.yaml", [*overrides(model, tmp_path), "sft.steps=1", "sft.samples_per_step=2"])
    )
    assert last_metrics(tmp_path)["completion_tokens"] > 50


def test_the_whole_run_is_within_its_own_budget(model: Path, tmp_path: Path, capsys: Any) -> None:
    """As written it needs its judge: the cost is printed before that fails, and the budget covers it."""
    own = [*overrides(model, tmp_path), "judge.attempts=1", "judge.base_url=http://127.0.0.1:9/v1"]
    short = ["rl.max_new_tokens=1024", "rl.groups_per_step=8"]
    with pytest.raises(InputError, match=r"judge\.budget_tokens=1000: .* may cost"):
        train(load_recipe(RECIPES / "grpo.yaml", [*own, *short, "judge.budget_tokens=1000"]))
    assert "at most 12,032 calls" in capsys.readouterr().err


def test_the_caption_reward_needs_a_judge(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"captioning\.caption needs a judge"):
        train(load_recipe(RECIPES / "grpo.yaml", [*overrides(model, tmp_path), "judge.kind=none"]))
    alone = ["judge.kind=none", "rewards.weights.captioning.caption=0", "rl.steps=0"]
    assert train(load_recipe(RECIPES / "grpo.yaml", [*overrides(model, tmp_path), *alone]))


def test_a_judge_that_fails_now_and_then_costs_no_score(model: Path, tmp_path: Path) -> None:
    """Every third request fails for good: those completions leave their groups, are counted, and are in no mean."""
    tools = load_module(Path(__file__).parents[1] / "judges" / "conftest.py")

    def behavior(handler: Any, body: dict[str, Any], number: int) -> None:
        labels = ["entailment"] * len(tools.asked_statements(body))
        handler.send(500, {}) if number % 3 == 0 else handler.say(json.dumps({"labels": labels}))

    with tools.serving(behavior) as server:
        judge = [f"judge.base_url={server.url}", "judge.attempts=1", "judge.concurrency=4", "checkpoint.every=0"]
        short = ["rl.steps=1", "rl.max_new_tokens=8", "rl.groups_per_step=4"]
        assert train(load_recipe(RECIPES / "grpo.yaml", [*overrides(model, tmp_path), *judge, *short]))
        sent = len(server.requests)
    found = last_metrics(tmp_path)
    (record,) = json.loads((tmp_path / "run" / "judge.json").read_text())
    assert 0.2 < found["unjudged"] < 0.6
    assert found["captioning/caption"] == 1.0
    assert record["failures"] >= sent // 3 and record["calls"] == sent - len(range(0, sent, 3))
    rows = [json.loads(line) for line in (tmp_path / "run" / "rollouts" / "step-000001.jsonl").read_text().splitlines()]
    missing = [value for row in rows for value in row["components"]["caption"]].count(None)
    assert missing == round(found["unjudged"] * 32)
    replies = (tmp_path / "run" / "judge-transcript.jsonl").read_text().count("\n")
    assert replies == record["calls"]
