"""Our pixels and token ids are those of transformers' own processors, of Qwen3-VL also the positions.

The other families' positions are our own rule, and stand in test_positions.py: `get_rope_index` forgets time.

Where torchvision is importable the processors run beside ours; everywhere, ours are compared with what they
gave when the vectors were stored: transformers 5.23, torchvision 0.28, by `processor_summary` below.
"""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reeltune.models.policy import Policy, load_policy
from reeltune.models.types import Prompt
from reeltune.video.clip import Clip
from reeltune.video.resize import resize_frame

VECTORS = Path(__file__).parent / "processor_vectors.json"
FAMILIES = ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"]
FACTOR = {"qwen2_vl": 28, "qwen2_5_vl": 28, "qwen3_vl": 32}
QUESTION = "When does the red circle appear?"
# frames, height, width, frames per second of the source, every how many frames one was taken
CASES = [(4, 60, 90, 30.0, 15), (5, 100, 70, 29.97, 10), (8, 64, 64, 2.0, 1)]


def source_frames(count: int, height: int, width: int) -> np.ndarray:
    """uint8 [T, H, W, 3] from a formula: the same on every machine."""
    t, y, x, c = np.meshgrid(*map(np.arange, (count, height, width, 3)), indexing="ij")
    return ((7 * t + 3 * y + 5 * x + 11 * c + (x * y) // 9) % 256).astype(np.uint8)


def resized_sides(family: str, height: int, width: int) -> tuple[int, int]:
    factor = FACTOR[family]
    return round(height / factor) * factor, round(width / factor) * factor


def our_prompt(policy: Policy, family: str, case: tuple[int, int, int, float, int]) -> Prompt:
    count, height, width, fps, stride = case
    frames = [resize_frame(frame, *resized_sides(family, height, width)) for frame in source_frames(*case[:3])]
    clip = Clip(np.stack(frames), np.arange(count) * stride / fps, count * stride / fps, "formula")
    return policy.prompt(QUESTION, clip)


def summary(policy: Policy, prompt: Prompt) -> dict[str, Any]:
    patches = policy.family.patches(prompt.clip, torch.device("cpu"))
    return _summary(prompt.input_ids, prompt.position_ids, patches)


def _summary(ids: torch.Tensor, positions: torch.Tensor, patches: torch.Tensor) -> dict[str, Any]:
    return {
        "ids": ids.tolist(),
        "positions": positions.tolist(),
        "patches_shape": list(patches.shape),
        "patches_sample": [round(value, 5) for value in patches.flatten()[::997].tolist()],
    }


def processor_summary(policy: Policy, family: str, case: tuple[int, int, int, float, int]) -> dict[str, Any]:
    from transformers import Qwen2_5_VLProcessor, Qwen2VLProcessor, Qwen3VLProcessor
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor
    from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor
    from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor
    from transformers.video_utils import VideoMetadata

    count, height, width, fps, stride = case
    kind = {"qwen2_vl": Qwen2VLProcessor, "qwen2_5_vl": Qwen2_5_VLProcessor, "qwen3_vl": Qwen3VLProcessor}[family]
    video_kind = Qwen3VLVideoProcessor if family == "qwen3_vl" else Qwen2VLVideoProcessor
    pixels = int(np.prod(resized_sides(family, height, width)))
    scale = count if family == "qwen3_vl" else 1
    size = {"shortest_edge": FACTOR[family] ** 2, "longest_edge": pixels * (scale + 1)}
    processor = kind(
        image_processor=Qwen2VLImageProcessor(),
        tokenizer=policy.tokenizer,
        video_processor=video_kind(size=size),
        chat_template=policy.tokenizer.chat_template,
    )
    content = [{"type": "video"}, {"type": "text", "text": QUESTION}]
    text = policy.tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    metadata = VideoMetadata(
        total_num_frames=count * stride,
        fps=fps,
        duration=count * stride / fps,
        frames_indices=[index * stride for index in range(count)],
    )
    video = torch.from_numpy(source_frames(*case[:3])).permute(0, 3, 1, 2)
    found = processor(
        text=[text],
        videos=[video],
        videos_kwargs={"video_metadata": [metadata], "do_sample_frames": False},
        return_tensors="pt",
    )
    if family != "qwen3_vl":
        found_summary = _summary(found["input_ids"][0], torch.zeros(3, 0), found["pixel_values_videos"])
        return {name: value for name, value in found_summary.items() if name != "positions"}
    positions, _ = policy.model.model.get_rope_index(
        found["input_ids"],
        mm_token_type_ids=found["mm_token_type_ids"],
        video_grid_thw=found["video_grid_thw"],
    )
    return _summary(found["input_ids"][0], positions[:, 0], found["pixel_values_videos"])


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found["ids"] == expected["ids"]
    if "positions" in expected:
        assert found["positions"] == expected["positions"]
    assert found["patches_shape"] == expected["patches_shape"]
    np.testing.assert_allclose(found["patches_sample"], expected["patches_sample"], atol=2e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_pixels_and_ids_are_the_stored_ones(family: str, tiny_models: Any) -> None:
    policy = load_policy(tiny_models(family))
    stored = json.loads(VECTORS.read_text())[family]
    for case, expected in zip(CASES, stored, strict=True):
        assert_same(summary(policy, our_prompt(policy, family, case)), expected)


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="the processors need torchvision")
@pytest.mark.parametrize("family", FAMILIES)
def test_pixels_and_ids_are_the_processors(family: str, tiny_models: Any) -> None:
    policy = load_policy(tiny_models(family))
    for case in CASES:
        assert_same(summary(policy, our_prompt(policy, family, case)), processor_summary(policy, family, case))
