"""Resizing equals the processors' to the last bit: by stored values, by a plain reference, by torchvision itself."""

import math

import numpy as np
import pytest

from reeltune.video.resize import resize_frame

PATTERN = (np.arange(9 * 11 * 3).reshape(9, 11, 3) * 37 % 256).astype(np.uint8)

# torchvision 0.29.2, transforms.v2.functional.resize(PATTERN, size, BICUBIC, antialias=True), green channel.
GREEN = {
    (4, 6): [
        [125, 113, 136, 130, 132, 95],
        [133, 138, 146, 110, 141, 117],
        [156, 117, 142, 122, 109, 125],
        [151, 126, 105, 139, 101, 131],
    ],
    (12, 13): [
        [22, 137, 46, 32, 161, 217, 83, 189, 72, 105, 107, 15, 131],
        [166, 124, 128, 94, 98, 180, 29, 141, 178, 146, 128, 131, 89],
        [237, 80, 144, 171, 124, 139, 87, 100, 219, 141, 111, 181, 25],
    ],
}


@pytest.mark.parametrize("size", list(GREEN))
def test_values_of_torchvision(size: tuple[int, int]) -> None:
    resized = resize_frame(PATTERN, *size)
    assert resized.shape == (*size, 3) and resized.dtype == np.uint8
    assert resized[:3, :, 1].tolist() == GREEN[size][:3]


def _cubic(distance: float) -> float:
    """The cubic convolution kernel with a = -0.5 (Keys 1981)."""
    x = abs(distance)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def _weights(source: int, target: int) -> np.ndarray:
    """[target, source]: the kernel stretched to the size of a target pixel when shrinking, so nothing aliases."""
    scale = source / target
    stretch = max(scale, 1.0)
    weights = np.zeros((target, source))
    for place in range(target):
        center = (place + 0.5) * scale
        for other in range(source):
            weights[place, other] = _cubic((other + 0.5 - center) / stretch)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("size", [(28, 56), (84, 112), (20, 31)])
def test_plain_reference_on_a_smooth_picture(size: tuple[int, int]) -> None:
    rows, columns = np.mgrid[:61, :83]
    waves = [127.5 + 100 * np.sin(rows / 9 + phase) * np.cos(columns / 11) for phase in range(3)]
    picture = np.stack(waves, axis=-1).round().astype(np.uint8)
    expected = np.einsum("yr,rcd,xc->yxd", _weights(61, size[0]), picture.astype(float), _weights(83, size[1]))
    assert math.ceil(np.abs(resize_frame(picture, *size) - expected).max() - 0.5) <= 1


def test_same_size_is_untouched() -> None:
    assert resize_frame(PATTERN, 9, 11) is PATTERN


def test_mirrored_and_turned_views() -> None:
    for view in (PATTERN[::-1, ::-1], PATTERN.transpose(1, 0, 2)):
        np.testing.assert_array_equal(resize_frame(view, 6, 4), resize_frame(view.copy(), 6, 4))


def test_torchvision_where_it_loads() -> None:
    functional = pytest.importorskip("torchvision.transforms.v2.functional", reason="torchvision does not load here")
    import torch
    from torchvision.transforms import InterpolationMode

    frames = np.random.default_rng(0).integers(0, 256, (4, 97, 131, 3), np.uint8)
    for size in [(84, 112), (140, 196), (28, 224)]:
        video = torch.from_numpy(frames).permute(0, 3, 1, 2)
        whole = functional.resize(video, list(size), interpolation=InterpolationMode.BICUBIC, antialias=True)
        ours = np.stack([resize_frame(frame, *size) for frame in frames])
        np.testing.assert_array_equal(ours, whole.permute(0, 2, 3, 1).numpy())
