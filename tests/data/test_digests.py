"""Digests of media tell damage that a decoder cannot see: recorded where samples are written, compared where they are
read."""

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from reeltune.cli import main
from reeltune.config.recipe import VideoConfig
from reeltune.data.findings import check_samples
from reeltune.data.fix import fix_samples
from reeltune.errors import SampleError, VideoError
from reeltune.models.policy import load_policy
from reeltune.rollout.reader import InputReader
from reeltune.sample import to_sample
from reeltune.tasks import load_samples, sample_types
from reeltune.video import contained
from reeltune.video.clip import video_hash
from reeltune.video.digests import record_digests, require_recorded


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


def metas(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["meta"] for line in path.read_text().splitlines()]


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
    fix_samples(source, checked)
    [meta] = metas(checked)
    assert meta["by"] == "me" and [len(each) for each in meta["media_digests"]] == [32]
    policy = load_policy(tiny_models("qwen3_vl"))
    video = VideoConfig(min_frame_pixels=4096, max_frame_pixels=4096)
    reader = InputReader(policy, video, cache=tmp_path / "cache", mode="direct")
    [unrecorded], [sample] = load_samples(source), load_samples(checked)
    reader.prompt(sample)
    assert not check_samples(checked, decode=True).errors

    flip_unseen(tmp_path / "a.webm")
    reader.prompt(unrecorded)
    with pytest.raises(VideoError, match="its bytes are not those that were recorded"):
        reader.prompt(sample)
    [kind] = check_samples(checked, decode=True).errors
    assert kind == "media have changed since their digests were recorded"
    again = fix_samples(checked, tmp_path / "again.jsonl")
    assert any("recorded again" in change for change in again.changes)
    reader.prompt(load_samples(tmp_path / "again.jsonl")[0])
    fix_samples(checked, tmp_path / "without.jsonl", digests=False)
    assert metas(tmp_path / "without.jsonl") == [{"by": "me"}]


def test_every_writer_of_samples_records_digests(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "videos").mkdir(exist_ok=True)
        write_vp9(tmp_path / "videos" / f"{name}.webm")
    (tmp_path / "videos" / "b.webm").open("ab").write(b"\0")
    spans = {"duration": 2, "timestamps": [[0, 1]], "sentences": ["it rolls"]}
    (tmp_path / "captions.json").write_text(json.dumps({"a": spans, "b": spans, "missing": spans}))
    (tmp_path / "table.csv").write_text("video,query,start,end\na,it rolls,0,1\nb,it rolls,0,1\n")
    videos = str(tmp_path / "videos")
    imported, begun = tmp_path / "new" / "imported.jsonl", tmp_path / "begun"
    read = ["data", "import", "charades-sta", str(tmp_path / "captions.json"), "--videos", videos, "-o", str(imported)]
    begin = ["init", videos, str(tmp_path / "table.csv"), "-o", str(begun)]
    for command, files in ((read, [imported]), (begin, [begun / "train.jsonl", begun / "held_out.jsonl"])):
        assert main(command) == 0
        rows = {Path(row["video"]).stem: row for file in files for row in map(json.loads, file.open())}
        for name in ("a", "b"):
            assert rows[name]["meta"]["media_digests"] == [video_hash(tmp_path / "videos" / f"{name}.webm")]
        assert "missing" not in rows or "media_digests" not in rows["missing"].get("meta", {})
        assert main([*command, "--no-digests"]) == 0
        assert not [row for file in files for row in map(json.loads, file.open()) if row.get("meta")]


def test_each_medium_of_a_conversation_has_its_digest(tmp_path: Path) -> None:
    """A part of a video, an image, a folder of frames, and one that is not there."""
    write_vp9(tmp_path / "a.webm")
    (tmp_path / "walk").mkdir()
    for number in range(3):
        Image.new("RGB", (32, 32), (80 * number, 0, 0)).save(tmp_path / "walk" / f"{number}.png")
    Image.new("RGB", (32, 32)).save(tmp_path / "map.png")
    turns = [
        {"role": "user", "text": "Look.", "media": [{"image": "map.png"}]},
        {"role": "assistant", "text": "A map."},
    ]
    media = [{"video": "a.webm", "start": 0, "end": 1}, {"frames": "walk", "fps": 2}]
    row: dict[str, Any] = {"id": "a", "task": "open_ended", "question": "Where?", "target": "Here.", "turns": turns}
    row["media"] = media
    rows = [row, row | {"id": "b", "media": [*media, {"image": "none.png"}]}]
    assert record_digests(rows, tmp_path) == []
    whole, partial = ([*each["meta"]["media_digests"]] for each in rows)
    assert len(set(whole)) == 3 and None not in whole and partial == [*whole, None]
    sample = to_sample(row, sample_types(), path=tmp_path / "samples.jsonl")
    require_recorded(sample)
    for name in ("map.png", "a.webm", "walk/1.png"):
        path = tmp_path / name
        before = path.read_bytes()
        path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        with pytest.raises(VideoError, match=name.partition("/")[0]):
            require_recorded(sample)
        path.write_bytes(before)
    require_recorded(sample)
    wrong = row | {"meta": {"media_digests": whole[:2]}}
    with pytest.raises(SampleError, match=r"one digest for each medium of the sample \(3\)"):
        require_recorded(to_sample(wrong, sample_types(), path=tmp_path / "samples.jsonl"))
