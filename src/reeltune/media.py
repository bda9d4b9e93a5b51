"""What a prompt shows beside its text: videos or parts of them, images, lists of frames; and earlier turns.

{"media": [{"video": "a.mp4", "start": 12, "end": "0:31.5"}, {"image": "map.png"},
           {"frames": "walk/", "fps": 10, "max_frames": 16}]}
"""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from reeltune.fields import Duration, FieldError, MediaPath, Seconds, Text

Positive = Annotated[int, Field(strict=True, ge=1)]
KINDS = ("video", "image", "frames")
NAMES_SHOWN = 3


class Medium(BaseModel):
    """One video, one image, or one list of frames; paths are relative to the folder of the samples file.

    video: a file. `start` and `end`: the part that is shown, in seconds of the file; times in the sample's question,
        answer and time texts then count from `start`. `fps`: frames looked at per second.
    image: a file. It is an image to the model, not a video of one frame.
    frames: a folder of images, in the order of their names, or a list of files; `fps` is their own rate. `start` and
        `end` count from the first of them.

    The other keys stand for those of the recipe's section `video`, for this medium alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    video: MediaPath | None = None
    image: MediaPath | None = None
    frames: MediaPath | tuple[MediaPath, ...] | None = None
    start: Seconds | None = None
    end: Seconds | None = None
    fps: Duration | None = None
    sampling: Literal["number", "time"] | None = None
    min_frames: Positive | None = None
    max_frames: Positive | None = None
    total_pixels: Positive | None = None
    min_frame_pixels: Positive | None = None
    max_frame_pixels: Positive | None = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            found = f"got {' and '.join(given)}" if given else "got none"
            raise FieldError("media", f"an entry of media needs exactly one of {', '.join(KINDS)}; {found}")
        if self.image is not None:
            timed = ("start", "end", "fps", "sampling", "min_frames", "max_frames", "total_pixels")
            if wrong := [name for name in timed if getattr(self, name) is not None]:
                raise FieldError("media", f"an image cannot have {', '.join(wrong)}")
        if self.frames is not None and (self.fps is None or not self.frames):
            raise FieldError("media", "frames must be one or more files, or a folder, with their rate in `fps`")
        if self.end is not None and self.end <= (self.start or 0.0):
            raise FieldError("media", f"a part must end after its start; got {self.start or 0:g} to {self.end:g}")
        return self

    @property
    def kind(self) -> Literal["video", "image", "frames"]:
        return "video" if self.video is not None else "image" if self.image is not None else "frames"

    @property
    def names(self) -> tuple[str, ...]:
        """The paths as they are written."""
        given = getattr(self, self.kind)
        return given if isinstance(given, tuple) else (given,)

    def files(self, folder: Path) -> tuple[Path, ...]:
        """Where they stand, the samples file being in `folder`."""
        return tuple((folder / name).absolute() for name in self.names)

    def __str__(self) -> str:
        names = self.names[:NAMES_SHOWN]
        more = f" and {len(self.names) - len(names)} more" if len(names) < len(self.names) else ""
        part = "" if self.start is None and self.end is None else f" [{self.start or 0:g}, {_end(self.end)}]"
        return ", ".join(names) + more + part


def _end(end: float | None) -> str:
    return "end" if end is None else f"{end:g}"


IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm")


def medium_of(path: Path | str) -> Medium:
    """The image or video that a file is by its name."""
    is_image = str(path).lower().endswith(IMAGE_SUFFIXES)
    return Medium(image=str(path)) if is_image else Medium(video=str(path))


class Turn(BaseModel):
    """A turn before the question: what the user showed and said, or what the assistant answered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Literal["user", "assistant"]
    text: Text
    media: tuple[Medium, ...] = ()

    @model_validator(mode="after")
    def _only_users_show(self) -> Self:
        if self.role == "assistant" and self.media:
            raise FieldError("turns", "only user turns can show media")
        return self


def names_shown(row: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The paths of each medium that a sample's row shows, as they are written, in the order of the conversation."""
    entries = [*(each for turn in row.get("turns") or () for each in turn.get("media") or ()), row]
    entries += row.get("media") or ()
    named = [entry[kind] for entry in entries for kind in KINDS if entry.get(kind)]
    return [(each,) if isinstance(each, str) else tuple(each) for each in named]


def with_paths(row: Mapping[str, Any], moved: Callable[[str], str]) -> dict[str, Any]:
    """A sample's row in which every path of its media is `moved(path)`."""

    def medium(own: Mapping[str, Any]) -> dict[str, Any]:
        paths = {kind: own[kind] for kind in KINDS if own.get(kind)}
        return {**own, **{k: moved(p) if isinstance(p, str) else [moved(each) for each in p] for k, p in paths.items()}}

    found = medium(row)
    if row.get("media"):
        found["media"] = [medium(each) for each in row["media"]]
    if row.get("turns"):
        found["turns"] = [
            {**turn, "media": [medium(each) for each in turn["media"]]} if turn.get("media") else turn
            for turn in row["turns"]
        ]
    return found


def rebase(row: Mapping[str, Any], base: Path, folder: Path) -> dict[str, Any]:
    """A sample's row whose media are relative to `base`, with them relative to `folder`."""
    origin, place = base.absolute(), folder.absolute()

    def moved(name: str) -> str:
        return Path(os.path.relpath(origin / name, place)).as_posix()

    return with_paths(row, moved)


def require_alternating(turns: tuple[Turn, ...]) -> None:
    """FieldError unless they go user, assistant, user, assistant: the question that follows is the user's."""
    wanted: Iterator[str] = iter(("user", "assistant") * (len(turns) // 2 + 1))
    if len(turns) % 2 or any(turn.role != role for turn, role in zip(turns, wanted, strict=False)):
        raise FieldError("turns", "the turns before a question must alternate: user, assistant, user, assistant, ...")
