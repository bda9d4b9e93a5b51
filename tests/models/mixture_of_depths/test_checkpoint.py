"""Routed models through ordinary Hugging Face directories: whole, or an error that says what would be lost."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForImageTextToText

from reeltune.config.mixture_of_depths import MixtureOfDepthsConfig
from reeltune.errors import InputError
from reeltune.models.mixture_of_depths.checkpoint import open_routed
from reeltune.models.mixture_of_depths.install import install, is_routed, remove, routers

CONFIG = MixtureOfDepthsConfig(schedule="linear", floor=0.2)


def save_routed(plain: Any, family: str, directory: Path, **options: Any) -> Any:
    model = plain.build(family)
    install(model, CONFIG)
    plain.randomise(model)
    model.save_pretrained(directory, **options)
    return model


def reopen(directory: Path, wanted: MixtureOfDepthsConfig | None = None) -> Any:
    return open_routed(directory, AutoConfig.from_pretrained(directory), wanted)


@pytest.mark.parametrize("family", ["llava", "qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_a_reopened_model_answers_bit_for_bit_as_the_saved_one(plain: Any, family: str, tmp_path: Path) -> None:
    model = save_routed(plain, family, tmp_path)
    again = reopen(tmp_path).eval()
    assert again.config.mixture_of_depths == CONFIG.model_dump(mode="json")
    batch = plain.batch(family, [2, 1])
    with torch.no_grad():
        assert torch.equal(again(**batch).logits, model(**batch).logits)
    again.save_pretrained(tmp_path / "second")
    assert reopen(tmp_path / "second", CONFIG).state_dict().keys() == model.state_dict().keys()


def test_several_weight_files_and_another_dtype(plain: Any, tmp_path: Path) -> None:
    model = save_routed(plain, "llava", tmp_path, max_shard_size="30KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    again = open_routed(tmp_path, AutoConfig.from_pretrained(tmp_path), dtype=torch.bfloat16)
    for layer, router in routers(again).items():
        assert torch.equal(router.weight, routers(model)[layer].weight.bfloat16())


def test_stock_transformers_opens_the_dense_part_of_the_directory(plain: Any, tmp_path: Path) -> None:
    model = save_routed(plain, "qwen3_vl", tmp_path)
    stock, report = AutoModelForImageTextToText.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    remove(model)
    batch = plain.batch("qwen3_vl", [1])
    with torch.no_grad():
        assert torch.equal(stock.eval()(**batch).logits, model(**batch).logits)


def edit_weights(directory: Path, change: Any) -> None:
    file = directory / "model.safetensors"
    tensors = load_file(file)
    save_file(change(tensors), file, metadata={"format": "pt"})


def test_lost_routers_are_an_error(plain: Any, tmp_path: Path) -> None:
    save_routed(plain, "llava", tmp_path)
    edit_weights(tmp_path, lambda tensors: {k: v for k, v in tensors.items() if "layers.3.router.bias" not in k})
    with pytest.raises(
        InputError, match=r"routes layers \[1, 2, 3, 4, 5\], but the weights include complete routers of layers"
    ):
        reopen(tmp_path)


def test_routers_without_their_config_are_an_error(plain: Any, tmp_path: Path) -> None:
    save_routed(plain, "llava", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["mixture_of_depths"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="the routers would be dropped"):
        reopen(tmp_path)


def test_another_schedule_than_the_saved_one_is_an_error(plain: Any, tmp_path: Path) -> None:
    save_routed(plain, "llava", tmp_path)
    with pytest.raises(InputError, match=r"schedule='linear', not 'cosine', floor=0\.2, not 0\.15"):
        reopen(tmp_path, MixtureOfDepthsConfig())
    with pytest.raises(InputError, match="mixture_of_depths"):
        config = AutoConfig.from_pretrained(tmp_path)
        config.mixture_of_depths = {"schedule": "sine"}
        open_routed(tmp_path, config)


def test_other_missing_weights_of_a_routed_directory_are_an_error(plain: Any, tmp_path: Path) -> None:
    save_routed(plain, "llava", tmp_path)
    edit_weights(tmp_path, lambda tensors: {k: v for k, v in tensors.items() if "layers.3.mlp.up" not in k})
    with pytest.raises(InputError, match=r"1 missing: .*layers\.3\.mlp\.up_proj"):
        reopen(tmp_path)


def test_a_dense_directory_is_routed_on_request_only(plain: Any, tmp_path: Path) -> None:
    plain.build("llava").save_pretrained(tmp_path)
    assert not is_routed(reopen(tmp_path))
    model = reopen(tmp_path, CONFIG)
    assert is_routed(model) and not any(bool(p.any()) for r in routers(model).values() for p in r.parameters())


def test_a_routed_directory_opened_without_its_routers_is_not_routed_anew(plain: Any, tmp_path: Path) -> None:
    """Stock classes drop the routers of such a directory; new ones in their place would pass unseen."""
    save_routed(plain, "qwen3_vl", tmp_path)
    stock = AutoModelForImageTextToText.from_pretrained(tmp_path)
    with pytest.raises(InputError, match="was saved with routers but loaded without them"):
        install(stock, CONFIG)
