"""From a sample's media to clips as its model's family takes them, and to the messages of its prompt."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reeltune.config.recipe import VideoConfig
from reeltune.errors import InputError, SampleError
from reeltune.models.families.base import Family
from reeltune.models.types import Message
from reeltune.sample import Medium, Sample
from reeltune.video.cache import FrameCache
from reeltune.video.clip import Clip, video_hash
from reeltune.video.images import image_size, read_image
from reeltune.video.load import blank_clip, blank_frames, load_clip, load_frames
from reeltune.video.resize import FrameSize
from reeltune.video.sampling import FrameSampling, PixelBudget

KEYS = ("fps", "sampling", "min_frames", "max_frames", "total_pixels", "min_frame_pixels", "max_frame_pixels")
"""What a medium may set in place of the recipe."""


def frame_sampling(video: VideoConfig, family: Family) -> FrameSampling:
    return FrameSampling(
        fps=video.fps,
        min_frames=video.min_frames,
        max_frames=video.max_frames,
        frame_multiple=family.temporal_patch,
        by=video.sampling,
    )


def pixel_budget(video: VideoConfig) -> PixelBudget:
    return PixelBudget(
        total=video.total_pixels, min_per_frame=video.min_frame_pixels, max_per_frame=video.max_frame_pixels
    )


@dataclass(frozen=True)
class Look:
    """How a medium is looked at: which frames, how large, and which part [start, end] of it; None is all."""

    sampling: FrameSampling
    pixels: PixelBudget | FrameSize
    part: tuple[float, float | None] | None


class MediaReader:
    """Reads media for one family under a recipe's settings; decoded frames of videos are cached on disk."""

    def __init__(self, video: VideoConfig, family: Family, cache: FrameCache | None = None) -> None:
        frame_sampling(video, family), pixel_budget(video)  # an error of the recipe, not of its samples
        self.video = video
        self.family = family
        self.cache = cache

    def messages(self, sample: Sample, text: str, system: str | None) -> list[Message]:
        """The conversation in which a sample asks `text`: its system message, else `system`; its turns; the question.

        Raises SampleError where a medium cannot be used.
        """
        images = sum(medium.kind == "image" for medium in sample.all_media)
        said = [(turn.role, turn.text, turn.media) for turn in sample.turns] + [("user", text, sample.own_media)]
        system = sample.system or system
        found = [Message("system", system)] if system else []
        for role, words, media in said:
            clips = tuple(self.clip(medium, sample.folder, alone=images == 1) for medium in media)
            found.append(Message(role, words, clips))
        return found

    def clip(self, medium: Medium, folder: Path = Path(), *, alone: bool = True) -> Clip:
        """One medium, its paths relative to `folder`; `alone`: if it is an image, the only one of its prompt."""
        own = {key: getattr(medium, key) for key in KEYS if getattr(medium, key) is not None}
        if medium.kind == "frames":
            own.pop("fps")
        if medium.max_frames is not None and medium.min_frames is None:
            own["min_frames"] = min(self.video.min_frames, medium.max_frames)
        settings = self.video.model_copy(update=own)
        paths = medium.files(folder)
        try:
            pixels = self.family.frame_size or pixel_budget(settings)
            look = Look(frame_sampling(settings, self.family), pixels, _part(medium))
        except InputError as error:
            raise SampleError(f"{medium}: {error}") from error
        if medium.kind == "image":
            return self._image(paths[0], pixels, alone=alone)
        if medium.kind == "video":
            return self._video(paths[0], look)
        assert medium.fps is not None
        return self._frames(paths, medium.fps, look)

    def _image(self, path: Path, pixels: PixelBudget | FrameSize, *, alone: bool) -> Clip:
        picture, content = read_image(path)
        return self._cut(path, picture, content, pixels, alone=alone)

    def _cut(
        self, path: Path, picture: np.ndarray, content: str, pixels: PixelBudget | FrameSize, *, alone: bool
    ) -> Clip:
        if self.family.image_placeholder is None:
            raise SampleError(f"{path}: {type(self.family).__name__} does not accept images; use another model")
        try:
            pieces = self.family.image_frames(picture, pixels, alone=alone)
        except InputError as error:
            raise SampleError(f"{path}: {error}") from error
        height, width = picture.shape[:2]
        return Clip(pieces, np.zeros(len(pieces)), 0.0, content, (height, width))

    def _video(self, path: Path, look: Look) -> Clip:
        return load_clip(
            path, look.sampling, look.pixels, self.family.factor, self.cache,
            part=look.part, timeout_s=self.video.timeout_s,
        )  # fmt: skip

    def _frames(self, paths: tuple[Path, ...], rate: float, look: Look) -> Clip:
        return load_frames(paths, rate, look.sampling, look.pixels, self.family.factor, self.cache, part=look.part)


class BlankMedia(MediaReader):
    """The same clips in black: their sizes and times, without decoding. Each is made once."""

    def __init__(self, video: VideoConfig, family: Family) -> None:
        super().__init__(video, family)
        self._known: dict[tuple[Medium, Path, bool], Clip] = {}

    def clip(self, medium: Medium, folder: Path = Path(), *, alone: bool = True) -> Clip:
        key = (medium, folder, alone)
        if key not in self._known:
            self._known[key] = super().clip(medium, folder, alone=alone)
        return self._known[key]

    def _image(self, path: Path, pixels: PixelBudget | FrameSize, *, alone: bool) -> Clip:
        black = np.broadcast_to(np.uint8(0), (*image_size(path), 3))
        return self._cut(path, black, video_hash(path), pixels, alone=alone)

    def _video(self, path: Path, look: Look) -> Clip:
        return blank_clip(path, look.sampling, look.pixels, self.family.factor, part=look.part)

    def _frames(self, paths: tuple[Path, ...], rate: float, look: Look) -> Clip:
        return blank_frames(paths, rate, look.sampling, look.pixels, self.family.factor, part=look.part)


def _part(medium: Medium) -> tuple[float, float | None] | None:
    return None if medium.start is None and medium.end is None else (medium.start or 0.0, medium.end)
