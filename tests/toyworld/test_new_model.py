from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoTokenizer, Qwen3VLForConditionalGeneration

from reeltune.errors import InputError
from reeltune.toyworld.new_model import ModelSize, build_model, waves
from reeltune.toyworld.tokenizer import train_tokenizer

TEXTS = ["For each second say whether the red circle is visible.", "<answer>2.0 to 5.0</answer> <0.2 seconds>"] * 5


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "small"
    build_model(path, TEXTS, seed=1)
    return path


def test_the_directory_opens_like_a_published_one(directory: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForImageTextToText.from_pretrained(directory)
    assert isinstance(model, Qwen3VLForConditionalGeneration)
    assert model.config.video_token_id == tokenizer.convert_tokens_to_ids("<|video_pad|>")
    assert model.config.vision_start_token_id == tokenizer.convert_tokens_to_ids("<|vision_start|>")
    assert model.generation_config.eos_token_id[0] == tokenizer.eos_token_id
    assert tokenizer.convert_ids_to_tokens(tokenizer.eos_token_id) == "<|im_end|>"
    assert {path.name for path in directory.iterdir()} >= {"preprocessor_config.json", "video_preprocessor_config.json"}
    assert sum(path.stat().st_size for path in directory.iterdir()) < 8_000_000


def test_one_forward_with_a_video_uses_its_pixels(directory: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForImageTextToText.from_pretrained(directory).eval()
    patch = "<|vision_start|>" + "<|video_pad|>" * 4 + "<|vision_end|>"
    content = [{"type": "video"}, {"type": "text", "text": "Is the red circle visible?"}]
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    placeholder = "<|vision_start|><|video_pad|><|vision_end|>"
    assert text.count(placeholder) == 1 and text.endswith("<|im_start|>assistant\n")
    text = text.replace(placeholder, f"<0.2 seconds>{patch}<1.2 seconds>{patch}")
    ids = tokenizer(text, return_tensors="pt").input_ids
    kinds = (ids == model.config.video_token_id).int() * 2
    pixels = torch.from_numpy(np.random.default_rng(0).normal(size=(32, 1536))).float()
    grid = torch.tensor([[2, 4, 4]])
    with torch.no_grad():
        logits, black = (
            model(input_ids=ids, pixel_values_videos=values, video_grid_thw=grid, mm_token_type_ids=kinds).logits
            for values in (pixels, torch.zeros_like(pixels))
        )
    assert logits.shape == (1, ids.shape[1], len(tokenizer))
    assert torch.isfinite(logits).all()
    assert not torch.allclose(logits[0, -1], black[0, -1])


def test_equal_seeds_give_equal_weights_and_the_callers_generator_is_left_alone(
    directory: Path, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build_model(tmp_path / "again", TEXTS, seed=1)
    assert torch.equal(torch.rand(3), expected)
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        assert (tmp_path / "again" / name).read_bytes() == (directory / name).read_bytes()
    build_model(tmp_path / "other", TEXTS, seed=2)
    assert (tmp_path / "other" / "model.safetensors").read_bytes() != (directory / "model.safetensors").read_bytes()


def test_an_existing_directory_is_never_overwritten(directory: Path) -> None:
    with pytest.raises(InputError, match="exists"):
        build_model(directory, TEXTS)


def test_a_failed_build_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("reeltune.toyworld.new_model.write_processor_files", fail)
    with pytest.raises(OSError, match="disk full"):
        build_model(tmp_path / "small", TEXTS)
    assert not list(tmp_path.iterdir())


def test_any_text_comes_back_from_its_tokens_and_digits_stand_alone() -> None:
    tokenizer = train_tokenizer(TEXTS)
    for text in ("<answer>12.5 to 17.0</answer>", "naïve Schrödinger\n\t 北京 🎬", "<think>a</think>"):
        assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True) == text
    digits = tokenizer.tokenize("1234567890")
    assert digits == list("1234567890")
    assert len(tokenizer(TEXTS[0]).input_ids) < 14


def test_places_start_as_waves_that_differ_everywhere_and_change_smoothly(tmp_path: Path) -> None:
    size = ModelSize(patch=8, positions=64, sinusoidal_places=True)
    build_model(tmp_path / "model", ["red circle"], size=size)
    model = Qwen3VLForConditionalGeneration.from_pretrained(tmp_path / "model")
    places = model.model.visual.pos_embed.weight.detach().reshape(8, 8, -1)
    assert 0.6 < float(places.std()) < 0.8 and torch.equal(places.reshape(64, -1), waves(64, 64))
    distances = torch.cdist(places.reshape(64, -1), places.reshape(64, -1)) + 100 * torch.eye(64)
    assert float(distances.min()) > 1
    one, far = (places[:, 1] - places[:, 0]).norm(), (places[:, 7] - places[:, 0]).norm()
    assert float(one) < 0.8 * float(far)
