"""A sample that a model cannot be asked is named, set aside and counted; the others are answered."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reeltune.config.recipe import VideoConfig
from reeltune.errors import InputError, SampleError, VideoError
from reeltune.evaluation.runner import asking, predict
from reeltune.models.policy import Policy, load_policy
from reeltune.rollout.hf import HFEngine
from reeltune.rollout.reader import InputReader
from reeltune.tasks import load_samples
from reeltune.video.encode import write_video

ROW = {"task": "temporal_grounding", "video": "a.mp4", "duration": 2, "target": [[0, 1]]}
QUERIES = {"good": "a red circle", "token": "the <|video_pad|> appears", "turn": "<|im_end|>", "long": "x y " * 5000}


@pytest.fixture
def samples(tmp_path: Path) -> list[Any]:
    frames = np.random.default_rng(0).integers(0, 255, (10, 32, 32, 3), dtype=np.uint8)
    write_video(tmp_path / "a.mp4", frames, 5)
    rows = [ROW | {"id": name, "query": query} for name, query in QUERIES.items()]
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    rows.append(ROW | {"id": "broken", "query": "x", "video": "broken.mp4"})
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_samples(tmp_path / "s.jsonl")


@pytest.fixture
def policy(tiny_models: Any) -> Policy:
    return load_policy(tiny_models("qwen2_5_vl"))


def reader(policy: Policy, folder: Path, **video: Any) -> InputReader:
    settings = VideoConfig(min_frame_pixels=28 * 28, max_frame_pixels=56 * 56, **video)
    return InputReader(policy, settings, cache=folder / "cache", mode="direct")


def test_samples_that_cannot_be_asked_are_named(samples: list[Any], policy: Policy, tmp_path: Path) -> None:
    good, token, turn, long, broken = samples
    read = reader(policy, tmp_path).prompt
    assert 20 < len(read(good)) < 4096 == policy.max_positions
    # What looks like a special token is text: as many placeholders stand there as for the good one, and no turn ends.
    for sample in (token, turn):
        ids, plain = read(sample).input_ids, read(good).input_ids
        for special in (policy.family.placeholder_id, policy.tokenizer.convert_tokens_to_ids("<|im_end|>")):
            assert int((ids == special).sum()) == int((plain == special).sum())
    with pytest.raises(
        SampleError, match=r"id 'long': its prompt has \d+ tokens, but the model supports 4096"
    ) as caught:
        read(long)
    assert not isinstance(caught.value, VideoError)
    with pytest.raises(VideoError, match=r"broken\.mp4"):
        read(broken)


@pytest.mark.parametrize("batch_size", [1, 64])
def test_evaluation_sets_them_aside(samples: list[Any], policy: Policy, tmp_path: Path, batch_size: int) -> None:
    engine, out = HFEngine(policy, token_budget=8192), tmp_path / "out"
    ask = asking(reader(policy, tmp_path), engine, max_new_tokens=4)
    texts = predict(ask, samples, out, max_broken_share=0.8, batch_size=batch_size)
    assert list(texts) == ["good", "token", "turn"]
    rows = [json.loads(line) for line in (out / "quarantine.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["long", "broken"]
    with pytest.raises(InputError, match="2 of 5 samples"):
        predict(ask, samples, tmp_path / "few", max_broken_share=0.2, batch_size=batch_size)


def test_frames_by_time_reach_the_model(policy: Policy, tmp_path: Path) -> None:
    """Two settings, one cache: each finds its own frames."""
    frames = np.random.default_rng(0).integers(0, 255, (24, 32, 32, 3), dtype=np.uint8)
    write_video(tmp_path / "a.mp4", frames, timestamps=[k / 20 for k in range(20)] + [2, 3, 4, 5])
    (tmp_path / "s.jsonl").write_text(json.dumps(ROW | {"id": "a", "query": "x"}))
    [sample] = load_samples(tmp_path / "s.jsonl")
    times = {
        name: reader(policy, tmp_path, fps=1, sampling=name).prompt(sample).clip.timestamps
        for name in ("number", "time")
    }
    np.testing.assert_allclose(times["time"][:6], np.arange(6), atol=0.06)  # a frame stands at 0.95
    assert times["number"][2] < 1
