"""From a sample to what a model takes: its clip, its prompt, the features of its video.

Training and evaluation both read samples here, so they see the same frames, times and tokens.
"""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from reeltune.config.recipe import VideoConfig
from reeltune.models.features import FeatureCache, clip_key, feature_disk, tower_name
from reeltune.models.policy import Policy
from reeltune.models.types import Prompt, VideoFeatures
from reeltune.rollout.prompts import check_length, check_text, frame_sampling, pixel_budget, special_tokens
from reeltune.sample import Sample
from reeltune.tasks import get_task
from reeltune.tasks.base import Mode
from reeltune.video.cache import FrameCache
from reeltune.video.clip import require_recorded
from reeltune.video.load import load_clip


class InputReader:
    """Reads samples for one policy. Decoded frames are cached on disk, a frozen tower's features also in memory."""

    def __init__(
        self, policy: Policy, video: VideoConfig, *, cache: Path, mode: Mode, system: str | None = None
    ) -> None:
        self.policy = policy
        self.mode: Mode = mode
        self.put: Callable[[Sample], str] | None = None
        """How a question is put where not as its task does: a published protocol's way."""
        self.system = system
        self.timeout_s = video.timeout_s
        self.sampling = frame_sampling(video, policy.family)
        self.pixels = policy.family.frame_size or pixel_budget(video)
        self.special_tokens = special_tokens(policy.tokenizer, policy.family)
        self.frames = FrameCache(cache, int(video.cache_gib * 2**30))
        disk_bytes = int(video.feature_disk_gib * 2**30)
        self.features = FeatureCache(
            int(video.feature_cache_gib * 2**30),
            lambda: tower_name(policy),
            feature_disk(cache, disk_bytes) if disk_bytes else None,
        )

    def prompt(self, sample: Sample) -> Prompt:
        """Raises SampleError when the sample cannot be used: VideoError for its video, else by its id for a text with
        special tokens and for a prompt longer than the model takes.
        """
        text = self.put(sample) if self.put else get_task(sample.task).prompt(sample, self.mode)
        check_text(sample, text, self.special_tokens)
        prompt = self.ask(text, sample.video_path)
        require_recorded(sample.video_path, sample.meta.get("video_digest"), prompt.clip.video_hash)
        check_length(sample, len(prompt), self.policy.max_positions)
        return prompt

    def ask(self, text: str, video: Path) -> Prompt:
        """One user turn about a video: VideoError when it cannot be used."""
        factor = self.policy.family.factor
        clip = load_clip(video, self.sampling, self.pixels, factor, self.frames, timeout_s=self.timeout_s)
        return self.policy.prompt(text, clip, system=self.system)

    def encode(self, prompts: Sequence[Prompt]) -> list[VideoFeatures]:
        """The features of each prompt's video, each distinct clip encoded once.

        The tower runs clip by clip, so that what it says of a clip never depends on the clips beside it. A frozen one
        runs without gradient; a trained one gives every clip a graph of its own, for a pass that needs this clip alone.
        """
        if not self.policy.vision_frozen:
            clips = {clip_key(prompt.clip): prompt.clip for prompt in prompts}
            encoded = {key: self.policy.encode([clip])[0] for key, clip in clips.items()}
            return [encoded[clip_key(prompt.clip)] for prompt in prompts]
        return [self._frozen(prompt) for prompt in prompts]

    def _frozen(self, prompt: Prompt) -> VideoFeatures:
        features = self.features.get(prompt.clip, self.policy.device)
        if features is None:
            with torch.no_grad():
                [features] = self.policy.encode([prompt.clip])
            self.features.put(prompt.clip, features)
        return features


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[object]:
    """bf16 autocast, or nothing for float32. Rollout, update and evaluation run under the same one."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()
