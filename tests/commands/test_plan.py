"""`reeltune plan`: plan files, recipes and model directories, printed and as JSON."""

import json
from pathlib import Path
from typing import Any

import pytest

from reeltune.cli import main

RECIPES = Path(__file__).parents[2] / "recipes"


def test_a_plan_file_is_printed_by_layer_and_written_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "plan.json"
    assert main(["plan", str(RECIPES / "p-mod/llava-1.5-7b.yaml"), "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "8.378     4.923" in printed and "8.380     4.920" in printed
    assert "no attention products" in printed and "vision tower" in printed
    assert sum(line.split()[0].isdigit() for line in printed.splitlines() if line.startswith("    ")) == 32
    report = json.loads(file.read_text())
    layers = report["prompts"][0]["routed"]["layers"]
    assert [layer["vision_tokens"] for layer in layers][7:10] == [576, 486, 464]
    assert report["prompts"][0]["dense"]["paper_flops"] == pytest.approx(8.378e12, rel=1e-3)


def test_other_prompts_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    source = str(RECIPES / "p-mod/qwen2.5-vl-7b.yaml")
    assert main(["plan", source, "--vision", "100", "200", "--text", "10", "--summary"]) == 0
    printed = capsys.readouterr().out
    assert "100 vision + 10 text tokens" in printed and "200 vision + 10 text tokens" in printed
    assert main(["plan", source, "--summary"]) == 0
    printed = capsys.readouterr().out
    assert all(f"{count} vision + 64" in printed for count in (1024, 6144, 16384))


def test_a_recipe_gets_its_step_and_a_directory_its_model(
    tiny_models: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tiny_models("qwen3_vl")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"method: grpo\nmodel: {{path: {model}, mixture_of_depths: {{}}}}\ndata: {{train: samples.jsonl}}\n"
        "rl: {groups_per_step: 2, group_size: 4, max_new_tokens: 16}\n"
        "video: {max_frames: 8, total_pixels: 65536, min_frame_pixels: 4096, max_frame_pixels: 4096}\n"
    )
    file = tmp_path / "plan.json"
    assert main(["plan", str(recipe), "--json", str(file)]) == 0
    step = json.loads(file.read_text())["step"]
    # 4 pairs of 64 x 64 frames at 32 x 32 pixels a token.
    assert step["prompt_tokens"] == 64 + 16
    assert step["learner_tokens"] == 2 * (80 + 4 * 16) and step["separate_tokens"] == 2 * 4 * (80 + 16)
    assert "learner tokens" in capsys.readouterr().out
    cached = sum(layer["tokens"] for layer in json.loads(file.read_text())["prompts"][0]["routed"]["layers"])
    keys_and_values = 2 * 2 * 8 * 4  # of one token in one layer: two heads of 8, float32
    assert step["cache_bytes"] == 2 * (cached + 3 * 4 * 16) * keys_and_values
    assert step["reference_bytes"] == 0
    assert main(["plan", str(recipe), "rl.group_size=6", "--json", str(file), "rl.max_new_tokens=20", "rl.kl=0.1"]) == 0
    step = json.loads(file.read_text())["step"]
    assert step["reference_bytes"] == step["weight_bytes"] > 0
    assert json.loads(file.read_text())["step"]["learner_tokens"] == 2 * (80 + 6 * 20)
    capsys.readouterr()
    assert main(["plan", str(model), "--vision", "64"]) == 0
    assert "3 decoder layers" in capsys.readouterr().out
    assert main(["plan", str(model), "rl.group_size=6"]) == 2
    assert "accepts no overrides; got 'rl.group_size=6'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("decoder: {layers: 0}\nname: x\n", "decoder.layers"),
        ("- a\n", "must be a mapping"),
        ("name: x\ndecoder: [\n", "not valid YAML"),
        (
            "name: x\n"
            "decoder: {layers: 4, hidden: 8, intermediate: 8, heads: 1, kv_heads: 1, head_dim: 8, vocabulary: 9}\n"
            "mixture_of_depths: {dense_above: 1.0}\n",
            "layer 0 must stay dense",
        ),
    ],
)
def test_broken_plans_are_refused_with_the_key(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(text)
    assert main(["plan", str(file)]) == 2
    assert message in capsys.readouterr().err


def test_missing_sources_and_unknown_models_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(tmp_path / "none.yaml")]) == 2
    assert "does not exist" in capsys.readouterr().err
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    assert main(["plan", str(tmp_path)]) == 2
    assert "cannot plan a config of model type 'bert' without the key" in capsys.readouterr().err
