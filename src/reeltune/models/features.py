"""Vision features kept across steps and runs: while the tower is frozen, each video is encoded once.

In memory and, where a folder is given, on disk. A key names all that features depend on: the video's content, the
frames taken from it, the weights of the tower and its pixel statistics, and the precision they are computed in. So
an entry is never stale, whoever wrote it.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor

from reeltune.models.model import Policy
from reeltune.models.types import Prompt, VideoFeatures
from reeltune.video.clip import Clip
from reeltune.video.disk_cache import DiskCache

# Raise this when patches, towers or the file layout change what features hold.
FORMAT_VERSION = 3


class FeatureCache:
    """Features in memory, at most `max_bytes`, least recently used out first, before those on `disk`.

    `tower` names the weights that features come from; it is asked once, at the first use.
    """

    def __init__(self, max_bytes: int, tower: Callable[[], str], disk: DiskCache | None = None) -> None:
        self.max_bytes = max_bytes
        self.nbytes = 0
        self.disk = disk
        self._tower = tower
        self._tower_name: str | None = None
        self._entries: OrderedDict[str, VideoFeatures] = OrderedDict()

    def get(self, clip: Clip, device: torch.device) -> VideoFeatures | None:
        key = self._key(clip, device)
        if key in self._entries:
            self._entries.move_to_end(key)
            return self._entries[key]
        body = self.disk.read(key) if self.disk else None
        if body is None:
            return None
        tensors = load(body)
        layers = [tensors[str(number)].to(device) for number in range(len(tensors))]
        features = VideoFeatures(layers[0], tuple(layers[1:]))
        self._remember(key, features)
        return features

    def put(self, clip: Clip, features: VideoFeatures) -> None:
        key = self._key(clip, features.tokens.device)
        if self.disk:
            layers = (features.tokens, *features.deepstack)
            self.disk.write(key, save({str(number): layer.cpu().contiguous() for number, layer in enumerate(layers)}))
        self._remember(key, features)

    def _remember(self, key: str, features: VideoFeatures) -> None:
        if features.nbytes > self.max_bytes or key in self._entries:
            return
        self._entries[key] = features
        self.nbytes += features.nbytes
        while self.nbytes > self.max_bytes:
            _, oldest = self._entries.popitem(last=False)
            self.nbytes -= oldest.nbytes

    def _key(self, clip: Clip, device: torch.device) -> str:
        if self._tower_name is None:
            self._tower_name = self._tower()
        autocast = str(torch.get_autocast_dtype(device.type)) if torch.is_autocast_enabled(device.type) else None
        facts = [FORMAT_VERSION, self._tower_name, autocast, device.type, clip_key(clip)]
        return hashlib.blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest()


def encode_each(policy: Policy, prompts: Sequence[Prompt]) -> list[VideoFeatures]:
    """The features of what each prompt shows, each distinct video or image encoded once.

    The tower runs clip by clip, so that what it says of one never depends on those beside it, and each has a graph of
    its own, for a pass that needs this clip alone.
    """
    known = {key: policy.encode([clip])[0] for key, clip in _distinct(prompts).items()}
    return joined(policy, prompts, known)


def encode_at_once(policy: Policy, prompts: Sequence[Prompt]) -> list[VideoFeatures]:
    """The same in one pass of the tower, which is made whether or not a prompt shows anything."""
    clips = _distinct(prompts) or {"": policy.family.smallest_clip()}
    found = policy.encode(list(clips.values()))
    return joined(policy, prompts, dict(zip(clips, found, strict=True)), found[0].empty())


def joined(
    policy: Policy,
    prompts: Sequence[Prompt],
    known: Mapping[str, VideoFeatures],
    nothing: VideoFeatures | None = None,
) -> list[VideoFeatures]:
    """The features of each prompt's media, one after the other, from those by `clip_key`; of none: `nothing`."""
    needed = not all(prompt.media for prompt in prompts)
    none = [nothing or policy.no_features()] if needed else []
    own = [[known[clip_key(clip)] for clip in prompt.media] for prompt in prompts]
    return [VideoFeatures.join(parts or none) for parts in own]


def _distinct(prompts: Sequence[Prompt]) -> dict[str, Clip]:
    return {clip_key(clip): clip for prompt in prompts for clip in prompt.media}


def clip_key(clip: Clip) -> str:
    """The file's content, the frames taken from it and their size."""
    shape = "x".join(map(str, clip.frames.shape))
    times = hashlib.blake2b(clip.timestamps.tobytes(), digest_size=8).hexdigest()
    image = f"/image {clip.size}" if clip.is_image else ""
    return f"{clip.video_hash}/{shape}/{times}{image}"


def feature_disk(directory: Path, max_bytes: int) -> DiskCache:
    return DiskCache(directory, max_bytes, name="feature", magic=b"reelfeat", suffix=".features")


def tower_name(policy: Policy) -> str:
    """Hex digits naming the weights between pixels and vision tokens, and how pixels are normalized."""
    digest = hashlib.blake2b(digest_size=16)
    family = policy.family
    digest.update(json.dumps([type(family).__name__, family.mean, family.std]).encode())
    for module in family.vision_modules(policy.model):
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data
