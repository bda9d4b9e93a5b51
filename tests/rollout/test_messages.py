"""What is sent of a video where servers read its frames from a shared disk: the frames, their times, the positions."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reeltune.errors import InputError
from reeltune.models.families.qwen2_5_vl import Qwen25VL
from reeltune.models.policy import load_policy
from reeltune.rollout.engine import SamplingParams
from reeltune.rollout.messages import Messages, require_served
from reeltune.rollout.probe import noise_clip, video_case
from reeltune.rollout.vllm_plugin import POSITIONS, read_frames
from reeltune.video.cache import FrameCache
from reeltune.video.clip import Clip


@pytest.mark.parametrize("family", ["qwen3_vl", "qwen2_5_vl"])
def test_frames_travel_by_name_and_positions_with_them(family: str, tiny_models: Any, tmp_path: Path) -> None:
    policy = load_policy(tiny_models(family), self_check=False)
    clip = noise_clip(policy, even=False)
    case = video_case(policy, "video", clip)
    messages = Messages(policy, frames=FrameCache(tmp_path, 2**28))
    call = json.loads(messages.body(case.request, 2, SamplingParams(max_new_tokens=4)))
    assert call["media_io_kwargs"] == {"video": {"video_backend": "reeltune"}}
    assert call["mm_processor_kwargs"] == {"do_resize": False, "do_sample_frames": False}
    [part] = call["messages"][0]["content"]
    told = json.loads(base64.b64decode(part["video_url"]["url"].removeprefix("data:video/reeltune;base64,")))
    frames, about = read_frames(Path(told["frames"]))
    assert (frames == clip.frames).all()
    # vLLM's arithmetic: a frame's place over the rate is its time.
    assert np.allclose([place / about["fps"] for place in about["frames_indices"]], clip.timestamps)
    # Qwen3-VL's times are in its text; Qwen2.5-VL's positions are ours, for a clip of a variable frame rate above all.
    assert (POSITIONS in told) == (family == "qwen2_5_vl")
    if POSITIONS in told:
        sent = torch.load(io.BytesIO(base64.b64decode(told[POSITIONS])), weights_only=True)
        assert torch.equal(sent, case.request.prompt.position_ids)


def test_a_family_of_ones_own_says_what_a_server_is_told(tiny_models: Any) -> None:
    class Own(Qwen25VL):
        served_times = "text"

        def served_fields(self, clip: Clip) -> dict[str, Any]:
            return super().served_fields(clip) | {"own_times": [float(time) for time in clip.timestamps]}

    policy = load_policy(tiny_models("qwen2_5_vl"), self_check=False)
    case = video_case(policy, "video", noise_clip(policy))
    policy.family = Own(policy.family.config, {})
    call = json.loads(Messages(policy).body(case.request, 2, SamplingParams(max_new_tokens=4)))
    sent = call["messages"][0]["content"][0]["video_embeds"]
    assert set(sent) == {"video_embeds", "video_grid_thw", "own_times"}
    assert sent["own_times"] == case.request.prompt.clip.timestamps.tolist()
    require_served(policy.family, "embeds")
    Own.served_times = None
    with pytest.raises(InputError, match=r"declare `served_times`.*Own does not, so rollout.media=embeds"):
        require_served(policy.family, "embeds")


def test_a_damaged_entry_of_the_frame_cache_is_no_video(tiny_models: Any, tmp_path: Path) -> None:
    policy = load_policy(tiny_models("qwen3_vl"), self_check=False)
    cache = FrameCache(tmp_path, 2**28)
    cache.put("key", noise_clip(policy))
    [path] = tmp_path.glob(f"*{cache.suffix}")
    blob = bytearray(path.read_bytes())
    blob[-1] ^= 1
    path.write_bytes(blob)
    with pytest.raises(ValueError, match="damaged entry"):
        read_frames(path)
