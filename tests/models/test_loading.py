"""Every weight comes from the file, or one message says what is missing, unexpected, of another shape or damaged."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.models.families.generated import build, class_of
from transformers import GenerationConfig

from reeltune.errors import InputError
from reeltune.models.loading import check_weight_files
from reeltune.models.policy import load_policy

NAME = "model.language_model.layers.1.mlp.up_proj.weight"


@pytest.fixture
def model(tiny_models: Any, tmp_path: Path) -> Path:
    """A copy of a sound model to damage."""
    directory: Path = shutil.copytree(tiny_models("qwen3_vl"), tmp_path / "model")
    load_policy(directory)
    return directory


def edit(directory: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    file = directory / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, metadata={"format": "pt"})


def message(directory: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        load_policy(directory, **options)
    return str(caught.value)


def test_a_missing_weight_is_named(model: Path) -> None:
    edit(model, lambda tensors: tensors.pop(NAME))
    assert f"1 missing: {NAME}" in message(model)


def test_a_missing_head_that_is_not_tied_is_named_and_a_tied_one_is_not_missing(model: Path, tmp_path: Path) -> None:
    edit(model, lambda tensors: tensors.pop("lm_head.weight"))
    assert "1 missing: lm_head.weight" in message(model)
    config = json.loads((model / "config.json").read_text())
    config["tie_word_embeddings"] = config["text_config"]["tie_word_embeddings"] = True
    (model / "config.json").write_text(json.dumps(config))
    policy = load_policy(model)
    assert policy.head.weight is policy.model.get_input_embeddings().weight


def test_an_unexpected_weight_and_another_shape_are_named_in_one_message(model: Path) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors["model.language_model.layers.7.mlp.up_proj.weight"] = torch.zeros(4, 4)
        tensors[NAME] = tensors[NAME][:-1].clone()

    edit(model, change)
    found = message(model)
    assert "1 unexpected: model.language_model.layers.7.mlp.up_proj.weight" in found
    assert f"1 of another shape: {NAME} ((63, 32) in the file, (64, 32) by config.json)" in found


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_weight_that_is_not_finite_is_named(model: Path, value: float) -> None:
    edit(model, lambda tensors: tensors[NAME].view(-1).__setitem__(5, value))
    assert f"1 weights hold NaN or infinity: {NAME}" in message(model)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_named(model: Path, part: float) -> None:
    file = model / "model.safetensors"
    body = file.read_bytes()
    file.write_bytes(body[: int(len(body) * part)])
    assert file.stat().st_size < len(body)
    assert f"{file}: damaged or cut off at {file.stat().st_size} bytes" in message(model)


def sharded(model: Path) -> list[Path]:
    from transformers import AutoModelForImageTextToText

    opened = AutoModelForImageTextToText.from_pretrained(model)
    (model / "model.safetensors").unlink()
    opened.save_pretrained(model, max_shard_size="60KB")
    files = sorted(model.glob("model-*.safetensors"))
    assert len(files) > 2
    return files


def test_sharded_weights_are_whole_or_the_lost_shard_is_named(model: Path) -> None:
    files = sharded(model)
    load_policy(model)
    body = files[2].read_bytes()
    files[2].write_bytes(body[:-10])
    assert f"{files[2]}: damaged or cut off" in message(model)
    files[2].unlink()
    assert f"lists ['{files[2].name}'], which are missing" in message(model)


def test_a_shard_without_one_of_its_weights_is_found(model: Path) -> None:
    files = sharded(model)
    tensors = load_file(files[1])
    lost = sorted(tensors)[0]
    tensors.pop(lost)
    save_file(tensors, files[1], metadata={"format": "pt"})
    assert lost in message(model)


def test_an_adapter_directory_says_how_to_merge_it(model: Path) -> None:
    (model / "config.json").unlink()
    (model / "adapter_config.json").write_text("{}")
    found = message(model)
    assert "is an adapter, not a model" in found
    assert f"reeltune merge {model} -o DIR" in found


def test_a_hub_name_says_how_to_download_it() -> None:
    found = message(Path("Qwen/Qwen2.5-VL-7B-Instruct"))
    assert "there is no directory 'Qwen/Qwen2.5-VL-7B-Instruct' here" in found
    assert found.endswith("hf download Qwen/Qwen2.5-VL-7B-Instruct")


@pytest.mark.parametrize(
    ("kind", "says"), [("nothing", "does not exist"), ("folder", "has no config.json"), ("file", "is not a directory")]
)
def test_what_is_no_model_directory_is_said(kind: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "there"
    if kind == "folder":
        path.mkdir()
    elif kind == "file":
        path.write_text("x")
    assert says in message(path)


def test_damaged_json_files_are_named(model: Path) -> None:
    (model / "tokenizer.json").write_text("{")
    assert "its tokenizer cannot be loaded" in message(model)
    (model / "config.json").write_text("{")
    assert "config.json cannot be read" in message(model)
    (model / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(InputError, match="not a weight index"):
        check_weight_files(model)


def test_flash_attention_without_its_package_is_one_message(model: Path) -> None:
    from transformers.utils import is_flash_attn_2_available

    if is_flash_attn_2_available():
        pytest.skip("flash-attn is installed here")
    assert "pip install flash-attn" in message(model, attention="flash_attention_2")


def test_a_type_without_a_family_and_a_family_that_is_none_are_errors(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("Mine = dict\n")
    assert "must be a subclass of reeltune.models.families.Family" in message(model, family=f"{file}:Mine")
    assert "did you mean 'qwen3_vl'" in message(model, family="qwen3vl")
    config = json.loads((model / "config.json").read_text())
    # Known to transformers, not known to it, and one whose class refuses the other values of this file.
    for kind, near in (("glm4v", "glm46v"), ("qwen4_vl", "qwen3_vl"), ("llava_next_video", "llava_onevision")):
        (model / "config.json").write_text(json.dumps(config | {"model_type": kind}))
        found = message(model)
        assert f"no family supports model type '{kind}'; the nearest is '{near}'" in found
        assert "docs/new-family.md" in found


def test_code_that_a_directory_brings_along_is_neither_run_nor_asked_about(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that is published with its own code, as InternVL's first form is, has the type of no family."""
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question at the terminal"))
    written = json.loads((model / "config.json").read_text())
    (model / "own.py").write_text("raise SystemExit('this ran')")
    own = {"model_type": "internvl_chat", "auto_map": {"AutoConfig": "own.Config"}}
    (model / "config.json").write_text(json.dumps(written | own))
    found = message(model)
    assert "the nearest is 'internvl'" in found and "named ...-hf" in found
    (model / "mine.py").write_text("from reeltune.models.families.qwen3_vl import Qwen3VL\n")
    assert "config.json cannot be read" in message(model, family=f"{model / 'mine.py'}:Qwen3VL")
    (model / "config.json").write_text(json.dumps(written))
    (model / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": ["own.Tokenizer", null]}}')
    load_policy(model)


def test_a_config_that_its_class_refuses_is_one_message(model: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    config["text_config"]["layer_types"] = ["full_attention"]
    (model / "config.json").write_text(json.dumps(config))
    assert "must be equal to the number of `layer_types` (1)" in message(model)
    (model / "config.json").write_text("[]")
    assert "config.json must be a JSON object; got list" in message(model)


def test_pickled_weights_are_not_opened_whatever_stands_beside_them(model: Path, tmp_path: Path) -> None:
    torch.save(load_file(model / "model.safetensors"), model / "pytorch_model.bin")
    load_policy(model)
    (model / "model.safetensors").rename(tmp_path / "weights.safetensors")
    found = message(model)
    assert "it has pytorch_model.bin. Pickled weights can run code" in found
    assert f"AutoModelForImageTextToText.from_pretrained('{model}').save_pretrained(DIRECTORY)" in found
    save_file({"weight": torch.zeros(1)}, model / "adapter_model.safetensors")
    assert "it has pytorch_model.bin. Pickled weights" in message(model)
    (model / "pytorch_model.bin").unlink()
    assert "it has adapter_model.safetensors. Rename them, or save" in message(model)


def test_a_file_of_weights_of_another_model_is_not_taken(tmp_path: Path) -> None:
    one = build(tmp_path / "one", "llava", class_of("llava"))
    other = build(tmp_path / "other", "internvl", class_of("internvl"))
    shutil.copy(other / "model.safetensors", one / "model.safetensors")
    found = message(one)
    assert "missing" in found
    assert "unexpected" in found


def test_generation_settings_that_transformers_calls_invalid_are_kept(model: Path, tmp_path: Path) -> None:
    """Published folders hold a temperature without sampling: a run must not end with a model it cannot save."""
    file = model / "generation_config.json"
    settings = json.loads(file.read_text()) | {"do_sample": False, "temperature": 0.1}
    with pytest.raises(ValueError, match="GenerationConfig is invalid"):
        GenerationConfig(**settings).save_pretrained(tmp_path / "refused")
    file.write_text(json.dumps(settings))
    load_policy(model).save(tmp_path / "saved")
    assert settings.items() <= json.loads((tmp_path / "saved" / "generation_config.json").read_text()).items()
    load_policy(tmp_path / "saved")
