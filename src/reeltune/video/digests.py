"""Digests of a sample's media: they tell damage that no decoder sees, a flipped bit above all.

    {"id": "a", "video": "a.mp4", ..., "meta": {"media_digests": ["0f3a..."]}}

One for each medium, in the order of the conversation; null where there was no file. They are recorded where samples are
written (`reeltune init`, `data import`, `data check --fix`) and compared where samples are read, once per file and
process, and again when its size or time stamp has changed.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from reeltune.errors import SampleError, VideoError
from reeltune.media import names_shown
from reeltune.progress import Progress
from reeltune.sample import Sample
from reeltune.video.clip import video_hash
from reeltune.video.images import frame_files

FIELD = "media_digests"
"""Of a sample's `meta`."""
READERS = 8
"""Files read together: a network mount answers each in milliseconds."""
Row = dict[str, Any]


def medium_digest(paths: Sequence[Path]) -> str:
    """`video_hash` of a file; of a list or a folder of frames the digest of theirs. VideoError for what is missing."""
    files = frame_files(paths)
    if len(files) == 1 and files[0] == paths[0]:
        return video_hash(files[0])
    return hashlib.blake2b("".join(map(video_hash, files)).encode(), digest_size=16).hexdigest()


def record_digests(rows: Sequence[Row], folder: Path) -> list[int]:
    """Write the digests of their media into rows of a samples file in `folder`; the numbers of those that recorded
    others before."""
    media = list(dict.fromkeys(names for row in rows for names in names_shown(row)))
    with ThreadPoolExecutor(READERS) as readers, Progress(len(media), "digests of media", unit="medium") as progress:
        found = {}
        for names, digest in zip(media, readers.map(lambda names: _there(folder, names), media), strict=True):
            found[names] = digest
            progress.update()
    changed = []
    for number, row in enumerate(rows):
        digests = [found[names] for names in names_shown(row)]
        before = (row.get("meta") or {}).get(FIELD)
        if any(digests):
            row["meta"] = {**(row.get("meta") or {}), FIELD: digests}
        if before is not None and before != digests:
            changed.append(number)
    return changed


def require_recorded(sample: Sample) -> None:
    """VideoError where a medium has other bytes than those whose digest the sample records; nothing recorded is none.

    SampleError where the number of digests differs from number of media.
    """
    recorded = sample.meta.get(FIELD)
    if recorded is None:
        return
    media = sample.all_media
    if not isinstance(recorded, list) or len(recorded) != len(media):
        raise SampleError(
            f"id {sample.id!r}: meta.{FIELD} has one digest for each medium of the sample ({len(media)}), or stays "
            f"away; got {recorded!r}. Record them with reeltune data check --fix"
        )
    for medium, digest in zip(media, recorded, strict=True):
        files = medium.files(sample.folder)
        if digest is not None and medium_digest(files) != digest:
            raise VideoError(
                f"{files[0]}: its bytes are not those that were recorded (meta.{FIELD}): the file was damaged or "
                "replaced. Fetch it again, or check the samples again with reeltune data check --decode --fix"
            )


def without_digests(rows: Iterable[Row]) -> None:
    """Take away what rows record."""
    for row in rows:
        if FIELD in (row.get("meta") or {}):
            row["meta"] = {key: value for key, value in row["meta"].items() if key != FIELD}


def _there(folder: Path, names: tuple[str, ...]) -> str | None:
    """Without `..`: the folder may not be there yet."""
    try:
        return medium_digest([Path(os.path.normpath((folder / name).absolute())) for name in names])
    except VideoError:
        return None
