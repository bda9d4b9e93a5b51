"""Families that see a video as images: each frame is resized once, from its own size, as the processors do it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.models.families.generated import SIDE, build, class_of

from reeltune.config.recipe import VideoConfig
from reeltune.models.policy import load_policy
from reeltune.rollout import reader as reader_module
from reeltune.sample import Medium
from reeltune.video import load as load_module
from reeltune.video import resize
from reeltune.video.encode import write_video
from reeltune.video.resize import FrameSize, resize_frame


def picture(height: int, width: int) -> np.ndarray:
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return ((4 * x * (c == 0) + 6 * y * (c == 1) + x * y * (c == 2)) % 256).astype(np.uint8)


@pytest.mark.parametrize("name", ["llava", "internvl", "smolvlm", "llava_onevision"])
def test_a_frame_from_a_file_is_resized_once_or_as_its_processor_does(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = load_policy(build(tmp_path / "model", name, class_of(name)))
    write_video(tmp_path / "clip.mp4", np.stack([picture(90, 120)] * 8), 4.0)
    sizes: list[tuple[int, ...]] = []

    def counted(frame: np.ndarray, height: int, width: int) -> np.ndarray:
        sizes.append((*frame.shape[:2], height, width))
        return resize_frame(frame, height, width)

    monkeypatch.setattr(resize, "resize_frame", counted)
    monkeypatch.setattr(resize, "resize_lanczos", counted)
    monkeypatch.setattr(load_module, "resize_frame", counted)
    reader = reader_module.InputReader(policy, VideoConfig(), cache=tmp_path / "cache", mode="direct")
    clip = reader.media.clip(Medium(video=str(tmp_path / "clip.mp4")))
    patches = policy.family.patches(clip, torch.device("cpu"))
    source = (120, 120) if name == "llava" else (90, 120)
    steps = [(90, 120, 42, SIDE), (42, SIDE, SIDE, SIDE)] if name == "smolvlm" else [(*source, SIDE, SIDE)]
    assert sizes == steps * len(clip.frames)
    assert clip.frames.shape[1:] == (SIDE, SIDE, 3)
    mean = torch.tensor(policy.family.mean)[:, None, None]
    std = torch.tensor(policy.family.std)[:, None, None]
    pixels = torch.from_numpy(clip.frames).permute(0, 3, 1, 2).float()
    assert torch.allclose((patches * std + mean) * 255, pixels, atol=1e-3)


def test_llava_frames_are_those_of_transformers_processor_with_padding() -> None:
    module = pytest.importorskip("transformers.models.llava.image_processing_pil_llava")
    pytest.importorskip("PIL")
    processor = module.LlavaImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}, do_pad=True, do_normalize=False
    )
    fill = tuple(int(value * 255) for value in processor.image_mean)
    for height, width in ((40, 60), (70, 50), (64, 64)):
        frame = picture(height, width)
        theirs = processor(frame, return_tensors="pt")["pixel_values"][0] * 255
        ours = FrameSize(SIDE, SIDE, fill).resize(frame).transpose(2, 0, 1).astype(np.float32)
        # PIL rounds otherwise than torch: one gray level.
        assert float((theirs - ours).abs().max()) <= 1.01, (height, width)


def test_other_families_keep_the_pixel_budget(tiny_models: Any, tmp_path: Path) -> None:
    policy = load_policy(tiny_models("qwen3_vl"))
    reader = reader_module.InputReader(policy, VideoConfig(), cache=tmp_path, mode="direct")
    write_video(tmp_path / "clip.mp4", np.stack([picture(90, 120)] * 8), 4.0)
    clip = reader.media.clip(Medium(video=str(tmp_path / "clip.mp4")))
    assert clip.frames.shape[1:3] == (128, 160), "its own shape, in multiples of 32, of the least pixels"
