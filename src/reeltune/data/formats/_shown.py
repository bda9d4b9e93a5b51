"""What the messages of a conversation show: videos, images and parts of videos, each in the turn where it stands."""

import re
from collections.abc import Iterator
from typing import Any

from reeltune.data.formats import Annotations, Row
from reeltune.data.formats._training import LeftOut, image_file, video_file

Message = tuple[str, list[Row]]
"""(role, parts of the content), a text being one part."""
PLACES = re.compile(r"[ \t]*<(video|image)>[ \t]*")
_KINDS = {"video": "video", "video_url": "video", "image": "image", "image_url": "image"}


def shown_by(entry: Row, messages: list[Message], annotations: Annotations) -> list[list[Row]]:
    """The media of each message, as a sample has them; LeftOut where they cannot be told or are not there.

    A place, `<video>`, `<image>` or a part of the content, takes the entry's next file of its kind; files without any
    place stand before the first question. LLaVA-Video writes `<image>` where its video goes.
    """
    given = {kind: _files(entry, kind) for kind in ("video", "image")}
    if any(entry.get(key) for key in ("audio", "audios")):
        raise LeftOut("entries with audio or other parts")
    places = [list(_places(parts)) for _, parts in messages]
    own = [_name(part) for found in places for _, part in found if part]
    if own and all(own):
        given = {"video": [], "image": []}  # said twice
    left = {kind: iter(names) for kind, names in given.items()}
    media = [[_medium(kind, part, given, left) for kind, part in found] for found in places]
    unplaced = [{kind: name} for kind, names in left.items() for name in names]
    if unplaced and any(media):
        raise LeftOut("entries whose files do not match their placeholders")
    first = next((number for number, (role, _) in enumerate(messages) if role == "user"), None)
    if unplaced and first is not None:
        media[first] = unplaced
    for medium in (each for found in media for each in found):
        _require_file(annotations, medium)
    return media


def _places(parts: list[Row]) -> Iterator[tuple[str, Row | None]]:
    """(kind, the part that says more) of each medium in a message's content, in order."""
    for part in parts:
        if part.get("type") == "text":
            yield from ((found[1], None) for found in PLACES.finditer(str(part.get("text"))))
        elif str(part.get("type")) in _KINDS:
            yield _KINDS[str(part["type"])], part
        else:
            raise LeftOut("entries with audio or other parts")


def _medium(kind: str, part: Row | None, given: dict[str, list[str]], left: dict[str, Iterator[str]]) -> Row:
    name = _name(part) if part else ""
    if not name:
        kind = "video" if kind == "image" and not given["image"] else kind
        name = next(left[kind], "")
    if not name:
        raise LeftOut("entries whose files do not match their placeholders")
    bounds = {"start": "video_start", "end": "video_end"}
    return {kind: name} | {to: part[key] for to, key in bounds.items() if part and part.get(key) is not None}


def _name(part: Row) -> str:
    keys = ("video", "image", "path", "url", "video_url", "image_url")
    return next((name for key in keys if (name := _file_name(part.get(key)))), "")


def _files(entry: Row, kind: str) -> list[str]:
    values = [entry.get(f"{kind}s"), entry.get(kind)]
    given = [each for value in values for each in (value if isinstance(value, list) else [value])]
    return list(filter(None, map(_file_name, given)))


def _file_name(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("path") or value.get("video") or value.get("image") or value.get("url")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise LeftOut("entries whose video is given as frames or bytes, not as a file")
    return value.strip().removeprefix("file://")


def _require_file(annotations: Annotations, medium: Row) -> None:
    if "video" in medium:
        video_file(annotations, medium["video"])
    else:
        image_file(annotations, medium["image"])
