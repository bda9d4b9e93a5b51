"""From a sample to what a model takes: its media, its prompt, their features.

Training and evaluation both read samples here, so they see the same frames, times and tokens.
"""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from reeltune.config.recipe import VideoConfig
from reeltune.models.features import FeatureCache, clip_key, encode_each, feature_disk, joined, tower_name
from reeltune.models.policy import Policy
from reeltune.models.types import Message, Prompt, VideoFeatures
from reeltune.rollout.media import MediaReader
from reeltune.rollout.prefetch import Prefetch
from reeltune.rollout.prompts import check_length
from reeltune.sample import Medium, Sample, medium_of
from reeltune.tasks import get_task
from reeltune.tasks.base import Mode
from reeltune.video.cache import FrameCache
from reeltune.video.clip import Clip
from reeltune.video.digests import require_recorded


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
        self.frames = FrameCache(cache, int(video.cache_gib * 2**30))
        self.media = MediaReader(video, policy.family, self.frames)
        self.ahead = Prefetch(self._messages, video.prefetch)
        disk_bytes = int(video.feature_disk_gib * 2**30)
        self.features = FeatureCache(
            int(video.feature_cache_gib * 2**30),
            lambda: tower_name(policy),
            feature_disk(cache, disk_bytes) if disk_bytes else None,
        )

    def prompt(self, sample: Sample) -> Prompt:
        """Raises SampleError when the sample cannot be used: VideoError for its media, else by its id for a prompt
        longer than the model takes.
        """
        prompt = self.policy.chat(self.ahead.take(sample))
        check_length(sample, len(prompt), self.policy.max_positions)
        return prompt

    def _messages(self, sample: Sample) -> list[Message]:
        text = self.put(sample) if self.put else get_task(sample.task).prompt(sample, self.mode)
        require_recorded(sample)
        return self.media.messages(sample, text, self.system)

    def ask(self, text: str, *media: Path | str | Medium) -> Prompt:
        """One user turn about videos and images: VideoError when one cannot be used."""
        shown = [each if isinstance(each, Medium) else medium_of(each) for each in media]
        images = sum(medium.kind == "image" for medium in shown)
        clips = [self.media.clip(medium, alone=images == 1) for medium in shown]
        return self.policy.prompt(text, clips, system=self.system)

    def encode(self, prompts: Sequence[Prompt]) -> list[VideoFeatures]:
        """The features of what each prompt shows, each distinct video or image encoded once.

        The tower runs clip by clip, so that what it says of a clip never depends on the clips beside it. A frozen one
        runs without gradient; a trained one gives every clip a graph of its own, for a pass that needs this clip alone.
        """
        if not self.policy.vision_frozen:
            return encode_each(self.policy, prompts)
        clips = {clip_key(clip): clip for prompt in prompts for clip in prompt.media}
        return joined(self.policy, prompts, {key: self._frozen(clip) for key, clip in clips.items()})

    def _frozen(self, clip: Clip) -> VideoFeatures:
        features = self.features.get(clip, self.policy.device)
        if features is None:
            with torch.no_grad():
                [features] = self.policy.encode([clip])
            self.features.put(clip, features)
        return features


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[object]:
    """bf16 autocast, or nothing for float32. Rollout, update and evaluation run under the same one."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()
