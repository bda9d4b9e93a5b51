"""The digest of a video tells damage that a decoder cannot see: recorded by data check, compared by all that reads."""

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from reeltune.config.recipe import VideoConfig
from reeltune.data.findings import check_samples
from reeltune.data.fix import fix_samples
from reeltune.errors import VideoError
from reeltune.models.policy import load_policy
from reeltune.rollout.reader import InputReader
from reeltune.tasks import load_samples
from reeltune.video import contained


def write_vp9(path: Path) -> None:
    """A codec whose pictures have no redundancy."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx-vp9", rate=4)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for number in range(8):
            frame = np.roll(rng.integers(0, 256, (64, 64, 3), np.uint8), number, axis=0)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def flip_unseen(path: Path) -> None:
    """Flip a bit that changes frames without a word of the decoder."""

    def frames() -> np.ndarray:
        index = contained.index_video(path)
        return np.stack(contained.decode_frames(index, range(len(index.times)), lambda frame: frame)[0])

    whole, before = path.read_bytes(), frames()
    for at in range(len(whole) // 2, len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 16
        path.write_bytes(damaged)
        try:
            found = frames()
        except VideoError:
            continue
        if found.shape == before.shape and np.abs(found.astype(int) - before).mean() > 1:
            return
    raise AssertionError("every flipped bit was seen: the test shows nothing")


def test_a_flipped_bit_that_no_decoder_sees_is_told(tmp_path: Path, tiny_models: Any) -> None:
    write_vp9(tmp_path / "a.webm")
    source, checked = tmp_path / "source.jsonl", tmp_path / "checked.jsonl"
    row = {"id": "a", "task": "numeric", "video": "a.webm", "question": "How many?", "target": 3, "meta": {"by": "me"}}
    source.write_text(json.dumps(row) + "\n")
    fix_samples(source, checked, decode=True)
    [meta] = [json.loads(line)["meta"] for line in checked.read_text().splitlines()]
    assert meta["by"] == "me" and len(meta["video_digest"]) == 32
    policy = load_policy(tiny_models("qwen3_vl"))
    video = VideoConfig(min_frame_pixels=4096, max_frame_pixels=4096)
    reader = InputReader(policy, video, cache=tmp_path / "cache", mode="direct")
    [unrecorded], [sample] = load_samples(source), load_samples(checked)
    reader.prompt(sample)
    assert not check_samples(checked, decode=True).errors

    flip_unseen(tmp_path / "a.webm")
    reader.prompt(unrecorded)
    with pytest.raises(VideoError, match="its bytes are not those that were checked"):
        reader.prompt(sample)
    [kind] = check_samples(checked, decode=True).errors
    assert kind == "videos have changed since they were checked"
    again = fix_samples(checked, tmp_path / "again.jsonl", decode=True)
    assert any("recorded anew" in change for change in again.changes)
