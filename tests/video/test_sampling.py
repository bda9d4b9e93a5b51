"""Frame and pixel rules against vectors measured on the published implementations."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltune.errors import InputError
from reeltune.video.sampling import (
    QWEN3_VL,
    VIDEOCHAT_R1,
    FrameSampling,
    PixelBudget,
    frame_count,
    frame_indices,
    resized_size,
    sample_fps,
    video_tokens,
)

# (seconds, fps, height, width) -> (frames, sample fps, height, width, video tokens)
PUBLISHED = [
    ((30.96, 30, 480, 640), (60, 1.93757, 252, 336, 3240)),
    ((8, 30, 480, 640), (16, 2, 476, 644, 3128)),
    ((1.5, 30, 480, 640), (4, 2.6667, 476, 644, 782)),
    ((60, 29.97, 360, 640), (118, 1.96689, 140, 280, 2950)),
    ((180, 30, 480, 640), (360, 2, 84, 140, 2700)),
    ((400, 30, 480, 640), (768, 1.92, 84, 112, 4608)),
]


@pytest.mark.parametrize(("video", "expected"), PUBLISHED)
def test_videochat_r1_vectors(video: tuple[float, float, int, int], expected: tuple[float, ...]) -> None:
    seconds, fps, height, width = video
    total = round(seconds * fps)
    frames = frame_count(total, fps, FrameSampling())
    size = resized_size(frames, height, width, VIDEOCHAT_R1, 28)
    assert (frames, *size, video_tokens(frames, *size, 28)) == (expected[0], *expected[2:])
    assert sample_fps(total, fps, frames) == pytest.approx(expected[1], abs=5e-5)


@pytest.mark.parametrize(
    ("total", "sampling", "expected"),
    [
        (1, FrameSampling(), 2),
        (2, FrameSampling(), 2),
        (3, FrameSampling(), 2),
        (5, FrameSampling(), 4),
        (1, FrameSampling(frame_multiple=1), 1),
        (3, FrameSampling(frame_multiple=1), 3),
        (7, FrameSampling(frame_multiple=4), 4),
        (10_000, FrameSampling(max_frames=33), 32),
        (10_000, FrameSampling(fps=1e6, max_frames=16), 16),
    ],
)
def test_frame_count_at_the_edges(total: int, sampling: FrameSampling, expected: int) -> None:
    assert frame_count(total, 30.0, sampling) == expected


def test_indices_spread_from_first_to_last() -> None:
    assert frame_indices(10, 4) == [0, 3, 6, 9]
    assert frame_indices(6, 3) == [0, 2, 5]  # 2.5 goes to the even 2, as numpy and torch round
    assert frame_indices(1, 2) == [0, 0]
    assert frame_indices(100, 1) == [0]


@given(
    total=st.integers(1, 100_000),
    video_fps=st.floats(0.5, 240),
    fps=st.floats(0.05, 60),
    multiple=st.integers(1, 4),
    bounds=st.tuples(st.integers(4, 64), st.integers(0, 800)),
)
def test_indices_are_in_the_video(
    total: int, video_fps: float, fps: float, multiple: int, bounds: tuple[int, int]
) -> None:
    sampling = FrameSampling(fps, bounds[0], bounds[0] + bounds[1], multiple)
    frames = frame_count(total, video_fps, sampling)
    indices = frame_indices(total, frames)
    assert len(indices) == frames and frames % multiple == 0
    assert frames <= max(multiple, min(total, sampling.max_frames))
    assert indices[0] == 0 and max(indices) == (total - 1 if frames > 1 else 0)
    assert indices == sorted(indices)


@given(
    frames=st.integers(1, 768),
    height=st.integers(16, 4320),
    width=st.integers(16, 7680),
    factor=st.sampled_from([28, 32]),
    pixels=st.sampled_from([VIDEOCHAT_R1, QWEN3_VL, PixelBudget(10**5, min_total=10**4)]),
)
def test_sizes_are_multiples_of_the_factor_and_within_the_budget(
    frames: int, height: int, width: int, factor: int, pixels: PixelBudget
) -> None:
    if max(height, width) / min(height, width) > 200:
        return
    size = resized_size(frames, height, width, pixels, factor)
    assert all(side >= factor and side % factor == 0 for side in size)
    if pixels == VIDEOCHAT_R1 and min(size) > factor and height * width > 2 * 12544:
        assert math.prod(size) <= max(min(602112, pixels.total / frames * 2), 13171)
    if pixels.min_total is not None and min(size) > factor and frames * height * width > 2 * pixels.min_total:
        assert frames * math.prod(size) <= pixels.total * (1 + 1 / frames)
    if min(size) > 8 * factor:
        assert size[0] / size[1] == pytest.approx(height / width, rel=0.3)


def test_whole_video_rule_shares_the_budget() -> None:
    budget = PixelBudget(total=768 * 32 * 32, min_total=128 * 32 * 32)
    assert resized_size(16, 480, 640, budget, 32) == (192, 256)
    assert resized_size(2, 64, 64, budget, 32) == (256, 256)
    assert resized_size(16, 96, 128, budget, 32) == (96, 128)


def test_sizes_equal_transformers() -> None:
    """transformers imports its processors without torchvision; only calling them needs it."""
    qwen3 = pytest.importorskip("transformers.models.qwen3_vl.video_processing_qwen3_vl")
    qwen2 = pytest.importorskip("transformers.models.qwen2_vl.image_processing_pil_qwen2_vl")
    random = np.random.default_rng(0)
    for _ in range(2000):
        frames = 2 * int(random.integers(1, 300)) - int(random.integers(0, 2))
        height, width = (int(side) for side in random.integers(33, 2200, 2))
        if max(height, width) / min(height, width) > 60:
            continue
        if frames >= 2:
            low, high = 4 * 32 * 32, int(random.integers(2**15, 2**25))
            ours = resized_size(frames, height, width, PixelBudget(high, min_total=low), 32)
            assert ours == qwen3.smart_resize(frames, height, width, 2, 32, low, high)
        share = max(min(602112, VIDEOCHAT_R1.total / frames * 2), int(12544 * 1.05))
        ours = resized_size(frames, height, width, VIDEOCHAT_R1, 28)
        assert ours == qwen2.smart_resize(height, width, 28, 12544, share)


def test_extreme_aspect_ratio_is_refused() -> None:
    with pytest.raises(InputError, match="at most 200, got 8000 x 32"):
        resized_size(4, 32, 8000, VIDEOCHAT_R1, 28)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FrameSampling(fps=0), "fps must be a positive number, got 0"),
        (lambda: FrameSampling(fps=math.nan), "got nan"),
        (lambda: FrameSampling(min_frames=9, max_frames=8), "min_frames=9, max_frames=8"),
        (lambda: FrameSampling(min_frames=1, max_frames=1), "raise max_frames"),
        (lambda: FrameSampling(frame_multiple=0), "frame_multiple must be at least 1"),
        (lambda: PixelBudget(100), "either both"),
        (lambda: PixelBudget(100, min_per_frame=1), "either both"),
        (lambda: PixelBudget(100, 1, 2, 3), "either both"),
        (lambda: PixelBudget(100, 5, 2), "got 5, 2"),
        (lambda: PixelBudget(100, min_total=200), "got 200, 100"),
    ],
)
def test_contradictions_are_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(InputError, match=message):
        make()
