"""Features of a frozen tower: kept within budgets, shared by runs and processes, never stale."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.warm import Command

from reeltune.models.features import FeatureCache, feature_disk, tower_name
from reeltune.models.policy import load_policy
from reeltune.models.types import VideoFeatures

CPU = torch.device("cpu")


def features(seed: int, tokens: int = 64) -> VideoFeatures:
    generator = torch.Generator().manual_seed(seed)
    return VideoFeatures(
        torch.randn(tokens, 32, generator=generator), (torch.randn(tokens, 32, generator=generator).bfloat16(),)
    )


def same(found: VideoFeatures | None, wanted: VideoFeatures) -> bool:
    return (
        found is not None
        and torch.equal(found.tokens, wanted.tokens)
        and all(
            torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(found.deepstack, wanted.deepstack, strict=True)
        )
    )


def test_another_run_reads_from_disk_what_the_first_encoded(tmp_path: Path, clip_of: Any) -> None:
    clip = clip_of(seed=1)
    first = FeatureCache(10**6, lambda: "tower", feature_disk(tmp_path, 10**7))
    assert first.get(clip, CPU) is None
    first.put(clip, features(1))
    second = FeatureCache(10**6, lambda: "tower", feature_disk(tmp_path, 10**7))
    assert same(second.get(clip, CPU), features(1))
    assert second.disk is not None and (second.disk.hits, second.disk.misses) == (1, 0)
    assert second.get(clip, CPU) is second.get(clip, CPU) and second.disk.hits == 1  # from memory now


@pytest.mark.parametrize("change", ["tower", "times", "size", "content", "precision"])
def test_whatever_features_depend_on_is_in_the_key(change: str, tmp_path: Path, clip_of: Any) -> None:
    clip = clip_of(4, 64, seed=1)
    FeatureCache(10**6, lambda: "tower", feature_disk(tmp_path, 10**7)).put(clip, features(1))
    other = {
        "times": replace(clip, timestamps=clip.timestamps + 0.5),
        "size": replace(clip, frames=clip.frames[:, :, :32]),
        "content": replace(clip, video_hash="other"),
    }.get(change, clip)
    cache = FeatureCache(10**6, lambda: "other" if change == "tower" else "tower", feature_disk(tmp_path, 10**7))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=change == "precision"):
        assert cache.get(other, CPU) is None


def test_memory_and_disk_stay_within_their_budgets(tmp_path: Path, clip_of: Any) -> None:
    one = features(0).nbytes
    cache = FeatureCache(2 * one, lambda: "tower", feature_disk(tmp_path, 4 * one))
    for seed in range(8):
        cache.put(clip_of(seed=seed), features(seed))
        assert cache.nbytes <= 2 * one
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4 * one
    assert cache.disk is not None
    assert same(cache.get(clip_of(seed=7), CPU), features(7)) and cache.disk.hits == 0
    assert same(cache.get(clip_of(seed=5), CPU), features(5)) and cache.disk.hits == 1
    assert cache.get(clip_of(seed=0), CPU) is None


def test_a_damaged_entry_is_encoded_again(tmp_path: Path, clip_of: Any, caplog: pytest.LogCaptureFixture) -> None:
    clip = clip_of(seed=1)
    FeatureCache(0, lambda: "tower", feature_disk(tmp_path, 10**7)).put(clip, features(1))
    [path] = tmp_path.iterdir()
    blob = bytearray(path.read_bytes())
    blob[-5] ^= 1
    path.write_bytes(blob)
    assert FeatureCache(0, lambda: "tower", feature_disk(tmp_path, 10**7)).get(clip, CPU) is None
    assert "checksum" in caplog.text


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_the_towers_name_follows_its_weights_and_nothing_else(family: str, tiny_models: Any) -> None:
    policy, again = load_policy(tiny_models(family)), load_policy(tiny_models(family))
    name = tower_name(policy)
    with torch.no_grad():
        again.head.weight.add_(1)
    assert tower_name(again) == name
    with torch.no_grad():
        next(again.vision_tower.parameters()).view(-1)[0].add_(1e-3)
    assert tower_name(again) != name


WRITER = """
import sys
from pathlib import Path
import numpy as np
import torch
from reeltune.models.features import FeatureCache, feature_disk
from reeltune.models.types import VideoFeatures
from reeltune.video.clip import Clip

disk = feature_disk(Path(sys.argv[1]), 200_000)
for number in range(150):
    cache = FeatureCache(0, lambda: "tower", disk)
    seed = number % 12
    clip = Clip(np.zeros((4, 8, 8, 3), np.uint8), np.arange(4.0), 4.0, str(seed))
    wanted = torch.full((100, 64), float(seed))
    found = cache.get(clip, torch.device("cpu"))
    if found is None:
        cache.put(clip, VideoFeatures(wanted))
    else:
        assert torch.equal(found.tokens, wanted)
print(disk.corrupt)
"""


def test_two_processes_write_the_same_entries_at_once(tmp_path: Path) -> None:
    program, folder = tmp_path / "writer.py", tmp_path / "features"
    program.write_text(WRITER)
    writers = [Command(folder, program=program) for _ in range(2)]
    done = [writer.finish(timeout=120) for writer in writers]
    assert [each.returncode for each in done] == [0, 0], done
    assert [each.stdout.strip() for each in done] == ["0", "0"]
    assert not list(folder.glob(".*"))
    assert 0 < sum(path.stat().st_size for path in folder.iterdir()) <= 200_000
