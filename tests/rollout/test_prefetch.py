"""What is read ahead is what would be read at once, errors included, while something else runs."""

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reeltune.config.recipe import VideoConfig
from reeltune.errors import VideoError
from reeltune.models.policy import load_policy
from reeltune.rollout.prefetch import Prefetch
from reeltune.rollout.reader import InputReader
from reeltune.sample import Sample, to_sample
from reeltune.tasks import sample_types
from reeltune.video.contained import index_video
from reeltune.video.encode import write_video


def ask(folder: Path, name: str) -> Sample:
    row = {"id": name, "task": "open_ended", "video": name, "question": "What?", "target": "x"}
    return to_sample(row, sample_types(), path=folder / "s.jsonl")


def test_the_same_prompts_and_errors_with_and_without(tmp_path: Path, tiny_models: Any) -> None:
    rng = np.random.default_rng(0)
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, rng.integers(0, 256, (40, 64, 64, 3), dtype=np.uint8), 10)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    samples = [ask(tmp_path, name) for name in ("a.mp4", "broken.mp4", "b.mp4")]
    policy = load_policy(tiny_models("qwen2_5_vl"), self_check=False)
    readers = [
        InputReader(policy, VideoConfig(prefetch=number), cache=tmp_path / str(number), mode="direct")
        for number in (0, 2)
    ]
    for reader in readers:
        reader.ahead.want(samples)
    for sample in samples:
        if sample.id == "broken.mp4":
            for reader in readers:
                with pytest.raises(VideoError, match=r"broken\.mp4"):
                    reader.prompt(sample)
            continue
        plain, ahead = (reader.prompt(sample) for reader in readers)
        assert plain.input_ids.tolist() == ahead.input_ids.tolist()
        assert np.array_equal(plain.clip.frames, ahead.clip.frames) and plain.clip.duration == ahead.clip.duration
    assert [reader.frames.misses for reader in readers] == [3, 3], "nothing is looked for or decoded twice"
    for reader in readers:
        reader.ahead.close()


def test_it_runs_beside_and_is_bounded(tmp_path: Path) -> None:
    running, most, loaded = 0, 0, []
    lock = threading.Lock()

    def load(sample: Sample) -> Any:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.1)
        with lock:
            running -= 1
            loaded.append((sample.id, threading.current_thread().name))
        return [sample.id]

    samples = [ask(tmp_path, str(number)) for number in range(6)]
    ahead = Prefetch(load, 2)
    ahead.want(samples[:4])
    deadline = time.monotonic() + 10
    while len(loaded) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert most == 2 and all(name.startswith("prefetch") for _, name in loaded)
    assert [ahead.take(sample) for sample in samples[:5]] == [[sample.id] for sample in samples[:5]]
    assert loaded[-1] == ("4", threading.current_thread().name), "not wanted ahead: loaded when asked for"
    ahead.want(samples)
    ahead.want(samples[5:])  # the others are given up
    assert ahead.take(samples[5]) == ["5"]
    ahead.close()
    assert len(loaded) < 5 + 6


def decoders() -> set[str]:
    """The child processes of this one that decode."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended since
            found |= {child for child in (task / "children").read_text().split() if _decodes(child)}
    return found


def _decodes(process: str) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return b"reeltune.video.worker" in Path(f"/proc/{process}/cmdline").read_bytes()
    return False


def test_decoders_end_when_it_is_closed(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", np.zeros((4, 32, 32, 3), np.uint8), 10)
    before = decoders()
    both = threading.Barrier(2)

    def load(sample: Sample) -> Any:
        both.wait(timeout=30)
        assert sample.video_path is not None
        return index_video(sample.video_path)

    ahead = Prefetch(load, workers=2)
    samples = [ask(tmp_path, "a.mp4") for _ in range(2)]
    ahead.want(samples)
    for sample in samples:
        ahead.take(sample)
    assert len(decoders() - before) == 2, "a worker decodes in a process of its own"
    ahead.close()
    end = time.monotonic() + 10
    while left := decoders() - before:
        assert time.monotonic() < end, f"processes {left} outlive the run that started them"
        time.sleep(0.05)
