"""Positions follow the published rule, not `get_rope_index`: vectors by hand, and a plain reading of the rule."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reeltune.models.families import FAMILIES
from reeltune.models.families.patches import PatchFamily, patch_seconds
from reeltune.models.policy import load_policy
from reeltune.video.clip import Clip

CASES = json.loads((Path(__file__).parent / "position_vectors.json").read_text())["cases"]
VLLM = json.loads((Path(__file__).parent / "vllm_position_vectors.json").read_text())["cases"]
PATCH, MERGE, TEMPORAL = 4, 2, 2


def family_of(name: str, tokens_per_second: float = 2) -> PatchFamily:
    vision = SimpleNamespace(
        patch_size=PATCH,
        spatial_merge_size=MERGE,
        temporal_patch_size=TEMPORAL,
        tokens_per_second=tokens_per_second,
        deepstack_visual_indexes=[],
    )
    family = FAMILIES.get(name)(SimpleNamespace(vision_config=vision, video_token_id=9, image_token_id=8), {})
    assert isinstance(family, PatchFamily)
    return family


def clip_with(grid: tuple[int, int, int], timestamps: list[float], duration: float) -> Clip:
    _, rows, columns = grid
    frames = np.zeros((len(timestamps), rows * PATCH * MERGE, columns * PATCH * MERGE, 3), np.uint8)
    return Clip(frames, np.array(timestamps, np.float64), float(duration), "case")


def plain_positions(
    before: int, after: int, between: int, grid: tuple[int, int, int], times: list[int]
) -> list[list[int]]:
    """The rule, token by token: count on by one; a video's tokens from its start; then on from the largest so far."""
    positions = [[i, i, i] for i in range(before)]
    count, rows, columns = grid

    def next_start() -> int:
        return max(max(each) for each in positions) + 1 if positions else 0

    start = next_start()
    for index in range(count):
        if between:
            start = next_start() if index else start
        for row in range(rows):
            for column in range(columns):
                positions.append([start + (0 if between else times[index]), start + row, start + column])
        for _ in range(between if index + 1 < count else 0):
            positions.append([next_start()] * 3)
    for _ in range(after):
        positions.append([next_start()] * 3)
    return [list(axis) for axis in zip(*positions, strict=True)]


def ids_of(before: int, after: int, between: int, grid: tuple[int, int, int]) -> torch.Tensor:
    count, cell = grid[0], [9] * (grid[1] * grid[2])
    video = [*cell]
    for _ in range(count - 1):
        video += [1] * between + cell
    return torch.tensor([1] * before + video + [1] * after)


@pytest.mark.parametrize("case", VLLM, ids=[f"{number}-{case['family']}" for number, case in enumerate(VLLM)])
def test_positions_are_those_that_vllm_makes(case: dict[str, Any]) -> None:
    """Stored by scripts/vllm_positions.py, which calls vLLM's own methods."""
    family = family_of(case["family"], case.get("tokens_per_second", 2))
    grid, seconds = tuple(case["grid"]), case.get("seconds", 1.0)
    times = [index * seconds / TEMPORAL for index in range(TEMPORAL * grid[0])]
    clip = clip_with(grid, times, grid[0] * seconds)
    assert family.position_ids(torch.tensor(case["ids"]), [clip]).tolist() == case["positions"]


def test_vllms_vectors_tell_time_from_place() -> None:
    """In some of them time reaches further than rows and columns: text after it goes on where older rules go wrong."""

    def late(case: dict[str, Any]) -> bool:
        video = [index for index, token in enumerate(case["ids"]) if token == 9]
        time, *places = ([axis[index] for index in video] for axis in case["positions"])
        return max(time) > max(max(place) for place in places)

    assert {case["family"] for case in VLLM} == {"qwen2_vl", "qwen2_5_vl", "qwen3_vl"}
    assert any(late(case) for case in VLLM if case["family"] == "qwen2_5_vl")


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_positions_are_those_written_by_hand(case: dict[str, Any]) -> None:
    family = family_of(case["family"], case.get("tokens_per_second", 2))
    grid = tuple(case["grid"])
    clip = clip_with(grid, case["timestamps"], case["duration"])
    ids = ids_of(case["text_before"], case["text_after"], case.get("text_between", 0), grid)
    assert family.position_ids(ids, [clip]).tolist() == [case["time"], case["row"], case["column"]]


@settings(deadline=None, max_examples=60)
@given(
    before=st.integers(1, 5),
    after=st.integers(0, 4),
    frames=st.integers(1, 12),
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
    fps=st.sampled_from([0.5, 1, 2, 3, 4, 7.5, 25]),
    per_second=st.sampled_from([1, 2, 4, 25]),
)
@pytest.mark.parametrize("name", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_an_even_clip_has_the_processors_times_and_text_goes_on_after_the_largest(
    name: str, before: int, after: int, frames: int, rows: int, columns: int, fps: float, per_second: int
) -> None:
    grid = (-(-frames // TEMPORAL), rows, columns)
    clip = clip_with(grid, [index / fps for index in range(frames)], frames / fps)
    # second_per_grid_ts of transformers' processor: temporal patch / sample fps, a float32 tensor.
    seconds = torch.tensor(TEMPORAL / (frames / clip.duration))
    times = (torch.arange(grid[0]) * seconds * per_second).long().tolist()
    between = 2 if name == "qwen3_vl" else 0
    if name == "qwen2_vl":
        times = list(range(grid[0]))
    found = family_of(name, per_second).position_ids(ids_of(before, after, between, grid), [clip])
    assert found.tolist() == plain_positions(before, after, between, grid, times)


@settings(deadline=None, max_examples=100)
@given(total=st.integers(8, 2000), fps=st.sampled_from([23.976, 24, 25, 29.97, 30, 50]), data=st.data())
def test_frames_sampled_from_first_to_last_count_as_even(total: int, fps: float, data: Any) -> None:
    frames = 2 * data.draw(st.integers(1, total // 2))
    stamps = np.linspace(0, total - 1, frames).round() / fps
    clip = Clip(np.zeros((frames, 1, 1, 3), np.uint8), stamps, total / fps, "sampled")
    assert np.array_equal(
        patch_seconds(clip, 2), np.arange(frames // 2, dtype=np.float32) * np.float32(2 * total / fps / frames)
    )


@settings(deadline=None, max_examples=100)
@given(gaps=st.lists(st.floats(0.01, 3), min_size=3, max_size=20), data=st.data())
def test_uneven_frames_keep_their_times_and_their_order(gaps: list[float], data: Any) -> None:
    stamps = np.concatenate([[0.0], np.cumsum(gaps)])
    clip = Clip(np.zeros((len(stamps), 1, 1, 3), np.uint8), stamps, float(stamps[-1] + 0.02), "uneven")
    seconds = patch_seconds(clip, 2)
    assert (np.diff(seconds) >= 0).all()
    even = np.linspace(0, stamps[-1], len(stamps))
    if np.abs(stamps - even).max() > 0.02:
        assert np.array_equal(seconds, stamps[::2].astype(np.float32))


def test_the_stock_rope_index_is_never_asked(tiny_models: Any, clip_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("qwen2_vl", "qwen2_5_vl", "qwen3_vl"):
        policy = load_policy(tiny_models(name))

        def asked(*_: Any, **__: Any) -> None:
            raise AssertionError("get_rope_index")

        monkeypatch.setattr(type(policy.model.model), "get_rope_index", asked)
        policy.prompt("When?", clip_of(4, 64 if name == "qwen3_vl" else 56))
