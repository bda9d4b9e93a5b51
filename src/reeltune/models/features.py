"""Vision features kept across steps: while the tower is frozen, each video is encoded once."""

import hashlib
from collections import OrderedDict

from reeltune.models.prompt import VideoFeatures
from reeltune.video.clip import Clip


class FeatureCache:
    """Features in memory, least recently used out first; valid for one tower whose weights do not change."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.nbytes = 0
        self._entries: OrderedDict[str, VideoFeatures] = OrderedDict()

    def get(self, clip: Clip) -> VideoFeatures | None:
        key = clip_key(clip)
        features = self._entries.get(key)
        if features is not None:
            self._entries.move_to_end(key)
        return features

    def put(self, clip: Clip, features: VideoFeatures) -> None:
        if features.nbytes > self.max_bytes:
            return
        self._entries[clip_key(clip)] = features
        self.nbytes += features.nbytes
        while self.nbytes > self.max_bytes:
            _, oldest = self._entries.popitem(last=False)
            self.nbytes -= oldest.nbytes


def clip_key(clip: Clip) -> str:
    """The file's content, the frames taken from it and their size."""
    shape = "x".join(map(str, clip.frames.shape))
    times = hashlib.blake2b(clip.timestamps.tobytes(), digest_size=8).hexdigest()
    return f"{clip.video_hash}/{shape}/{times}"
