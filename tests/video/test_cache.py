"""Entries are whole or absent, whoever is killed, whatever the disk does, and stay within the budget."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from reeltune.errors import InputError
from reeltune.files import try_lock
from reeltune.video.cache import FrameCache, clip_key
from reeltune.video.clip import Clip
from reeltune.video.sampling import VIDEOCHAT_R1, FrameSampling, PixelBudget


def _clip(seed: int = 0, frames: int = 4, side: int = 56) -> Clip:
    pixels = np.random.default_rng(seed).integers(0, 256, (frames, side, side, 3), np.uint8)
    return Clip(pixels, np.arange(frames) / 3, frames / 3, f"{seed:032x}")


def _equal(left: Clip, right: Clip) -> bool:
    return (
        np.array_equal(left.frames, right.frames)
        and left.frames.dtype == right.frames.dtype
        and np.array_equal(left.timestamps, right.timestamps)
        and (left.duration, left.video_hash) == (right.duration, right.video_hash)
    )


def _entry(cache: FrameCache) -> Path:
    (path,) = (path for path in cache.directory.iterdir() if not path.name.startswith("."))
    return path


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    cache = FrameCache(tmp_path, 10**7)
    assert cache.get("0" * 32) is None
    cache.put("0" * 32, _clip(1))
    again = FrameCache(tmp_path, 10**7)
    found = again.get("0" * 32)
    assert found is not None and _equal(found, _clip(1))
    assert found.frames.flags.writeable
    assert (cache.hits, cache.misses, again.hits, again.misses) == (0, 1, 1, 0)


def test_every_field_is_in_the_key() -> None:
    sampling, qwen3 = FrameSampling(), PixelBudget(10**6, min_total=10**4)
    keys = [
        clip_key("a", sampling, VIDEOCHAT_R1, 28),
        clip_key("b", sampling, VIDEOCHAT_R1, 28),
        clip_key("a", sampling, VIDEOCHAT_R1, 32),
        clip_key("a", sampling, qwen3, 28),
        *(clip_key("a", FrameSampling(**change), VIDEOCHAT_R1, 28) for change in (
            {"fps": 1.0}, {"min_frames": 2}, {"max_frames": 64}, {"frame_multiple": 1})),
        *(clip_key("a", sampling, PixelBudget(*values), 28) for values in ((1, 2, 3), (2, 2, 3), (1, 1, 3), (1, 2, 4))),
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)
    assert keys[0] == clip_key("a", FrameSampling(), VIDEOCHAT_R1, 28)


@pytest.mark.parametrize("place", [0, 7, 8, 39, 40, 47, 60, 200, 30_000, -1])
def test_a_flipped_bit_is_found(tmp_path: Path, place: int) -> None:
    cache = FrameCache(tmp_path, 10**7)
    cache.put("k", _clip())
    blob = bytearray(_entry(cache).read_bytes())
    blob[place] ^= 4
    _entry(cache).write_bytes(blob)
    assert cache.get("k") is None
    assert (cache.hits, cache.misses, cache.corrupt) == (0, 1, 1)
    cache.put("k", _clip())
    found = cache.get("k")
    assert found is not None and _equal(found, _clip())


@pytest.mark.parametrize("size", [0, 3, 8, 40, 41, 500, 37_000])
def test_a_truncated_entry_is_found(tmp_path: Path, size: int) -> None:
    cache = FrameCache(tmp_path, 10**7)
    cache.put("k", _clip())
    os.truncate(_entry(cache), size)
    assert cache.get("k") is None and cache.corrupt == 1
    assert list(tmp_path.iterdir()) == []


def test_the_least_recently_used_give_way(tmp_path: Path) -> None:
    cache = FrameCache(tmp_path, 10**9)
    cache.put("a", _clip(1))
    size = _entry(cache).stat().st_size
    cache = FrameCache(tmp_path, 3 * size + size // 2)
    for key, seed in (("b", 2), ("c", 3)):
        cache.put(key, _clip(seed))
    for age, key in enumerate("cba"):  # a is oldest, c youngest
        os.utime(tmp_path / f"{key}.clip", (1000 - age, 1000 - age))
    assert cache.get("a") is not None  # used: now b is
    cache.put("d", _clip(4))
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["a", "c", "d"]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= cache.max_bytes


def test_the_budget_holds_while_filling(tmp_path: Path) -> None:
    caches = [FrameCache(tmp_path, 1_000_000) for _ in range(3)]
    for number in range(90):
        caches[number % 3].put(f"{number:03}", _clip(number))
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1_000_000
    kept = sorted(path.stem for path in tmp_path.iterdir())
    assert len(kept) > 20 and kept[-1] == "089"


def test_a_clip_beyond_the_budget_is_not_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = FrameCache(tmp_path, 20_000)
    cache.put("small", _clip(side=28))
    cache.put("large", _clip(side=112))
    assert [path.stem for path in tmp_path.iterdir()] == ["small"]
    assert "exceeds the frame cache" in caplog.text


def test_no_budget_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be positive, got 0"):
        FrameCache(tmp_path, 0)


WRITER = """
import sys
from pathlib import Path
import numpy as np
from reeltune.files import try_lock
from reeltune.video.cache import FrameCache
from reeltune.video.clip import Clip
cache = FrameCache(Path(sys.argv[1]), int(sys.argv[3]))
frames = np.full((32, 112, 112, 3), 7, np.uint8)
print("ready", flush=True)
for number in range(int(sys.argv[2])):
    key = f"{number % 3:032x}"
    clip = cache.get(key)
    if clip is None or number % 2:
        cache.put(key, Clip(frames, np.arange(32.0), 32.0, "h" * 32))
print(cache.corrupt)
"""


def _writer(directory: Path, rounds: int, max_bytes: int = 10**9) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(directory), str(rounds), str(max_bytes)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def test_a_kill_leaves_no_broken_entry(tmp_path: Path) -> None:
    for delay in (None, 0.0, 0.003, 0.01, 0.03, 0.07):
        process = _writer(tmp_path, 10**6)
        # Killed at once, then so long after an entry was seen: on a busy machine no entry may come for a while.
        while delay is not None and not list(tmp_path.glob("[!.]*.clip")):
            time.sleep(0.001)
        time.sleep(delay or 0.0)
        process.send_signal(signal.SIGKILL)
        process.wait()
        reader = FrameCache(tmp_path, 10**9)
        entries = list(tmp_path.glob("[!.]*.clip"))
        assert entries or delay is None
        for path in entries:
            clip = reader.get(path.stem)
            assert clip is not None and clip.frames.min() == clip.frames.max() == 7
            path.unlink()
        assert reader.corrupt == 0


def test_leftovers_of_a_kill_are_cleared(tmp_path: Path) -> None:
    dead, alive = tmp_path / ".a.clip.partial", tmp_path / ".b.clip.partial"
    dead.write_bytes(b"x")
    with alive.open("wb") as file:
        assert try_lock(file.fileno())
        FrameCache(tmp_path, 10**6)
        assert not dead.exists() and alive.exists()


@pytest.mark.parametrize("max_bytes", [10**9, 2_600_000])
def test_two_processes_on_the_same_keys(tmp_path: Path, max_bytes: int) -> None:
    """The smaller budget holds two of the three clips, so each evicts what the other reads."""
    writers = [_writer(tmp_path, 150, max_bytes) for _ in range(2)]
    for writer in writers:
        output, _ = writer.communicate(timeout=60)
        assert writer.returncode == 0 and output == "0\n"
    assert not list(tmp_path.glob(".*"))
    assert len(list(tmp_path.iterdir())) == (3 if max_bytes == 10**9 else 2)


def test_the_folder_is_made_with_the_first_entry(tmp_path: Path) -> None:
    cache = FrameCache(tmp_path / "cache", 10**7)
    assert cache.get("0" * 32) is None and not cache.directory.exists()
    cache.put("0" * 32, _clip(1))
    assert cache.get("0" * 32) is not None


def test_a_cache_that_may_only_be_read_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Someone else's files: touching them is refused, whoever runs the tests."""
    FrameCache(tmp_path, 10**7).put("0" * 32, _clip(1))

    def refused(path: Path, *_: object) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr("os.utime", refused)
    cache = FrameCache(tmp_path, 10**7)
    found = cache.get("0" * 32)
    assert found is not None and _equal(found, _clip(1)) and (cache.hits, cache.misses) == (1, 0)
