"""What the readers of training files share: an entry becomes a row or is left out under a reason that is counted."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from reeltune.data.formats import Annotations, Row, read_records
from reeltune.errors import InputError


class LeftOut(Exception):
    """An entry that makes no sample; the message is its count's name."""


def rows_of(
    annotations: Annotations,
    convert: Callable[[Row, int], Row],
    recognizes: Callable[[Row], bool],
    fields: str,
) -> Iterator[Row]:
    """`convert(entry, row number from 1)` for every entry; what it leaves out and entries of another form are counted.

    InputError when the first entry is not of the form; `fields` says what the form has.
    """
    path = annotations.file
    for number, entry in enumerate(read_records(path), start=1):
        try:
            if not recognizes(entry):
                raise LeftOut(f"entries without {fields}")
            row = convert(entry, number)
        except LeftOut as reason:
            if number == 1 and not recognizes(entry):
                raise InputError(
                    f"{path}, entry 1: expected {fields}; the entry has {', '.join(map(str, entry)) or 'none'}. "
                    "Is this the right format?"
                ) from None
            annotations.counts[f"{reason}: left out"] += 1
            continue
        yield row


def entry_id(value: Any, number: int) -> str:
    """The id as text; an entry without one is known by its row number."""
    return str(value) if value is not None and str(value).strip() else f"row {number}"


def video_file(annotations: Annotations, name: str) -> Path:
    """The file of a video: training needs it, so an entry whose video is not there is left out."""
    path = annotations.find_video(name)
    if path is None:
        raise LeftOut("entries whose video is not there")
    if not path.is_file():
        raise LeftOut("entries whose video is a folder of frames")
    return path


def image_file(annotations: Annotations, name: str) -> Path:
    """The same of an image."""
    path = annotations.find_video(name)
    if path is None or not path.is_file():
        raise LeftOut("entries whose image is not there")
    return path
