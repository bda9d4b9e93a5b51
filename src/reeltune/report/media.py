"""What a sample shows, inside a page."""

import base64
from pathlib import Path

from reeltune.report.page import text, video_tag
from reeltune.sample import Sample

IMAGE_TYPES = {
    ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".bmp": "image/bmp",
}  # fmt: skip


def media_tags(sample: Sample, *, max_bytes: int = 8_000_000) -> str:
    """Its videos and images, in order; a line for what a page cannot hold: frames, and what is too large or gone."""
    tags = []
    for medium in sample.all_media:
        first = medium.files(sample.folder)[0]
        if medium.kind == "video":
            part = "" if medium.start is None and medium.end is None else _note(f"the sample shows {medium}")
            tags.append(video_tag(first, max_bytes=max_bytes) + part)
        elif medium.kind == "image":
            tags.append(image_tag(first, max_bytes=max_bytes))
        else:
            tags.append(_note(f"frames: {medium}"))
    return "".join(tags) or _note("text alone")


def image_tag(path: Path, *, max_bytes: int = 8_000_000) -> str:
    """The image inside the page, or a line that says why it is not."""
    kind = IMAGE_TYPES.get(path.suffix.lower())
    if kind is None or not path.is_file() or path.stat().st_size > max_bytes:
        return _note(f"image missing, too large or of a type that browsers do not support: {path}")
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f'<img alt="{text(path.name)}" src="data:{kind};base64,{data}">'


def _note(words: str) -> str:
    return f'<p class="no-video muted">{text(words)}</p>'
