"""The media of samples, decoded once each as a run decodes them by default: for `data check --decode` and `--fix`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reeltune.errors import VideoError
from reeltune.media import Medium
from reeltune.sample import Sample
from reeltune.tasks import get_task
from reeltune.tasks.spans import PAST_DURATION_TOLERANCE

if TYPE_CHECKING:
    from reeltune.video.contained import Bounds
    from reeltune.video.index import VideoIndex

DURATION_TOLERANCE = 1.0
"""Seconds by which a sample's duration may differ from its file's: annotations cut to whole seconds (ours)."""


@dataclass(frozen=True)
class Decoded:
    """end: the seconds that a medium shows, None of an image. index: the frames' times, of a whole video only."""

    end: float | None = None
    index: "VideoIndex | None" = None


class Decoder:
    """Decodes each medium once, wherever it is named."""

    def __init__(self) -> None:
        self._found: dict[object, Decoded | VideoError] = {}

    def look(self, medium: Medium, folder: Path) -> Decoded:
        """VideoError for what cannot be decoded, every time."""
        files = tuple(path.resolve() for path in medium.files(folder))
        key = files, medium.start, medium.end, medium.fps
        if key not in self._found:
            try:
                self._found[key] = _decoded(medium, files)
            except VideoError as error:
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, VideoError):
            raise found
        return found

    def length(self, sample: Sample) -> float | None:
        """The seconds of the one video, or list of frames, that a sample shows; None where it shows none, or several.

        VideoError when any of its media cannot be decoded.
        """
        ends = [self.look(medium, sample.folder).end for medium in sample.all_media]
        timed = [end for end in ends if end is not None]
        return timed[0] if len(timed) == 1 else None


def times_after(sample: Sample, length: float) -> list[float]:
    """Times of its question and answer that are after the end of what it shows."""
    late = [time for time in getattr(sample, "times", ()) if time > length + PAST_DURATION_TOLERANCE]
    return late + [end for _, end in get_task(sample.task).spans(sample) if end > length + DURATION_TOLERANCE]


def _decoded(medium: Medium, files: tuple[Path, ...]) -> Decoded:
    from reeltune.video.images import frame_files, read_image

    if medium.kind == "image":
        read_image(files[0])
        return Decoded()
    if medium.kind == "frames":
        frames = frame_files(files)
        read_image(frames[0]), read_image(frames[-1])
        assert medium.fps is not None
        whole = len(frames) / medium.fps
        return Decoded(min(whole, medium.end or whole) - (medium.start or 0.0))
    part = None if medium.start is None and medium.end is None else (medium.start or 0.0, medium.end)
    index = _decoded_video(files[0], part)
    return Decoded(index.end, index if part is None else None)


def _decoded_video(path: Path, part: "Bounds | None") -> "VideoIndex":
    from reeltune.video.contained import decode_frames, index_video
    from reeltune.video.sampling import FrameSampling, frame_count, frame_indices

    index = index_video(path, part=part)
    total = len(index.times)
    wanted = frame_indices(total, frame_count(total, index.fps, FrameSampling()))
    decode_frames(index, wanted, lambda frame: frame[:1, :1])
    return index
