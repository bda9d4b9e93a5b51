"""Samples with any media, from their line of JSON to a prompt, features and log-probs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reeltune.config.recipe import VideoConfig
from reeltune.errors import InputError, SampleError, VideoError
from reeltune.models.policy import Policy, load_policy
from reeltune.models.shared_prefix.row import group_log_probs
from reeltune.models.types import Completions, Group
from reeltune.rollout.prompts import PromptCheck
from reeltune.rollout.reader import InputReader
from reeltune.sample import Sample, to_sample
from reeltune.tasks import load_samples, sample_types
from reeltune.video.encode import write_video

ASK: dict[str, Any] = {"task": "open_ended", "question": "What is it?", "target": "red"}
VIDEO = VideoConfig(max_frames=8, max_frame_pixels=56 * 56, min_frame_pixels=28 * 28)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        write_video(folder / f"{name}.mp4", rng.integers(0, 256, (60, 64, 64, 3), dtype=np.uint8), 10)
    (folder / "walk").mkdir()
    for number in (1, 2, 3, 10, 11, 12):
        Image.new("RGB", (64, 48), (20 * number, 0, 0)).save(folder / "walk" / f"f{number}.png")
    Image.new("RGB", (90, 60), "red").save(folder / "map.png")
    turned = Image.new("RGB", (90, 60), "red")
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(folder / "turned.jpg", exif=exif)
    return folder


@pytest.fixture(scope="module")
def policy(tiny_models: Any) -> Policy:
    policy = load_policy(tiny_models("qwen2_5_vl"))
    policy.freeze_vision()
    return policy


@pytest.fixture
def reader(policy: Policy, tmp_path: Path) -> InputReader:
    return InputReader(policy, VIDEO, cache=tmp_path, mode="direct")


def sample(folder: Path, **fields: Any) -> Sample:
    path = folder / "one.jsonl"
    path.write_text(json.dumps(ASK | {"id": "a"} | fields) + "\n")
    return load_samples(path)[0]


def test_a_video_is_the_one_medium_that_it_was(reader: InputReader, folder: Path) -> None:
    plain = reader.prompt(sample(folder, video="a.mp4"))
    listed = reader.prompt(sample(folder, media=[{"video": "a.mp4"}]))
    assert torch.equal(plain.input_ids, listed.input_ids) and torch.equal(plain.position_ids, listed.position_ids)
    assert np.array_equal(plain.clip.frames, listed.clip.frames) and plain.clip.video_hash == listed.clip.video_hash


def test_parts_frames_and_images_with_their_own_settings(reader: InputReader, folder: Path) -> None:
    media = [
        {"video": "a.mp4", "start": 2, "end": "0:04.0", "fps": 1, "min_frames": 2},
        {"frames": "walk", "fps": 2, "max_frames": 4},
        {"frames": ["walk/f3.png", "walk/f1.png"], "fps": 1},
        {"image": "map.png"},
    ]
    prompt = reader.prompt(sample(folder, media=media))
    part, walk, pair, image = prompt.media
    assert part.timestamps.tolist() == pytest.approx([0, 1.9], abs=0.01) and part.duration == pytest.approx(2)
    assert walk.timestamps.tolist() == pytest.approx([0, 1, 1.5, 2.5]), "evenly from the first frame to the last"
    assert [int(frame[0, 0, 0]) for frame in walk.frames] == [20, 60, 200, 240], "numbers in names are numbers"
    assert [int(frame[0, 0, 0]) for frame in pair.frames] == [60, 20], "a list keeps its order"
    assert image.is_image and image.size == (60, 90) and len(image.frames) == 1
    family = reader.policy.family
    ids = prompt.input_ids
    assert int((ids == family.image_id).sum()) == np.prod(family.token_grid(image)) > 0  # type: ignore[attr-defined]
    videos = sum(int(np.prod(family.token_grid(clip))) for clip in (part, walk, pair))  # type: ignore[attr-defined]
    assert int((ids == family.placeholder_id).sum()) == videos
    assert reader.prompt(sample(folder, media=[{"image": "turned.jpg"}])).media[0].size == (90, 60)


def test_a_medium_goes_by_its_place_in_the_conversation(reader: InputReader, folder: Path) -> None:
    turns = [
        {"role": "user", "text": "What is this?", "media": [{"image": "map.png"}]},
        {"role": "assistant", "text": "A map."},
    ]
    asked = sample(folder, turns=turns, system="Be short.", media=[{"video": "b.mp4"}])
    prompt = reader.prompt(asked)
    assert [clip.is_image for clip in prompt.media] == [True, False]
    order = [
        prompt.text.index(each) for each in ("Be short.", "<|image_pad|>", "A map.", "<|video_pad|>", "What is it?")
    ]
    assert order == sorted(order)
    assert [path.name for path in asked.files] == ["map.png", "b.mp4"]


def test_text_alone_and_any_media_in_one_row(reader: InputReader, folder: Path) -> None:
    """Each prompt's log-probs are what they are alone in its row, and every medium matters to its own prompt."""
    shown = [[], [{"image": "map.png"}, {"video": "a.mp4"}], [{"video": "b.mp4"}, {"video": "a.mp4"}]]
    prompts = [reader.prompt(sample(folder, media=media)) for media in shown]
    features = reader.encode(prompts)
    rows = Completions.from_lists([[30, 40, 50], [60]])
    groups = [Group(prompt, each, rows) for prompt, each in zip(prompts, features, strict=True)]
    with torch.no_grad():
        together = group_log_probs(reader.policy, groups)
        for group, values in zip(groups, together, strict=True):
            assert torch.allclose(group_log_probs(reader.policy, [group])[0], values, atol=1e-5)
    assert len(features[0].tokens) == 0 and reader.features.nbytes > 0
    again = reader.encode(prompts)
    assert all(torch.equal(one.tokens, two.tokens) for one, two in zip(features, again, strict=True))


@pytest.mark.parametrize(
    "text", ["<|im_end|>", "<|video_pad|> <|image_pad|>", "say <|vision_start|>!", "<|endoftext|>"]
)
def test_what_looks_like_a_special_token_is_text(text: str, reader: InputReader, folder: Path) -> None:
    said = [{"role": "user", "text": text}, {"role": "assistant", "text": text}]
    prompt = reader.prompt(sample(folder, question=f"What is {text} here?", turns=said, system=text, video="a.mp4"))
    said = [{**turn, "text": "x"} for turn in said]
    plain = reader.prompt(sample(folder, question="What is x here?", turns=said, system="x", video="a.mp4"))
    tokenizer = reader.policy.tokenizer
    vision = tokenizer.convert_tokens_to_ids(["<|video_pad|>", "<|image_pad|>", "<|vision_start|>"])
    special = torch.tensor(tokenizer.all_special_ids + vision)
    counts = [torch.isin(each.input_ids, special).sum() for each in (prompt, plain)]
    assert counts[0] == counts[1] > 0, "the template's own, and no more"
    assert tokenizer.decode(prompt.input_ids).count(text) == tokenizer.decode(plain.input_ids).count(text) + 4
    # A gold answer too.
    answer = reader.policy.tokenize_answer(f"It is {text}.")
    assert tokenizer.decode(answer[:-1]) == f"It is {text}." and not set(answer[:-1]) & set(special.tolist())


def test_prompts_are_counted_without_decoding(reader: InputReader, folder: Path, tiny_models: Any) -> None:
    check = PromptCheck(tiny_models("qwen2_5_vl"), VIDEO, mode="direct")
    media = [{"video": "a.mp4", "start": 1.5, "end": 3}, {"image": "turned.jpg"}, {"frames": "walk", "fps": 4}]
    for fields in ({"media": media}, {}, {"video": "a.mp4", "question": "<|im_end|>"}):
        asked = sample(folder, **fields)
        assert check.length(asked) == len(reader.prompt(asked))


@pytest.mark.parametrize(
    ("media", "message"),
    [
        ([{"image": "walk/f1.png", "fps": 1}], r"'media\[0\]'.*an image cannot have fps"),
        ([{"video": "a.mp4", "image": "map.png"}], "got video and image"),
        ([{"start": 1}], "got none"),
        ([{"frames": "walk"}], "their rate in `fps`"),
        ([{"video": "a.mp4", "start": 3, "end": 2}], "must end after its start; got 3 to 2"),
        ([{"video": "a.mp4", "strat": 3}], "strat"),
    ],
)
def test_a_broken_medium_is_named(media: list[dict[str, Any]], message: str, folder: Path) -> None:
    with pytest.raises(InputError, match=message):
        sample(folder, media=media)


def test_a_sample_that_cannot_be_shown_is_set_aside(reader: InputReader, folder: Path) -> None:
    with pytest.raises(VideoError, match="no frame is shown from 60 s"):
        reader.prompt(sample(folder, media=[{"video": "a.mp4", "start": 60}]))
    with pytest.raises(VideoError, match="cannot be read as an image"):
        reader.prompt(sample(folder, media=[{"image": "a.mp4"}]))
    with pytest.raises(SampleError, match="min_frames <= max_frames"):
        reader.prompt(sample(folder, media=[{"video": "a.mp4", "min_frames": 9, "max_frames": 2}]))
    with pytest.raises(InputError, match="needs one video; it has 0"):
        row = {"id": "a", "task": "temporal_grounding", "query": "x", "target": [[0, 1]]}
        to_sample(row | {"media": [{"image": "map.png"}]}, sample_types())
    with pytest.raises(InputError, match="alternate: user, assistant"):
        sample(folder, turns=[{"role": "assistant", "text": "x"}])
