"""Pictures for people: gray views of the dates, the probability, and the changes in color."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lantnet.results.maps import BRIGHTER, DARKER, NO_DATA
from lantnet.types import Float32, Labels, Mask

Rgb = NDArray[np.uint8]
BRIGHTER_COLOR = (230, 159, 0)
DARKER_COLOR = (0, 114, 178)
"""Orange and blue of Okabe and Ito: told apart by color-blind eyes too."""
NO_DATA_COLOR = (90, 60, 90)
INK, PAPER = (25, 25, 25), (255, 255, 255)
LINE, GAP = 18, 8
"""Pixels of a line of a caption, and between panels."""
SEEN, NARROWEST = 256, 128
"""Pixels that the longer side of a small picture is enlarged to at most, and least width of a panel."""
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def gray(values: Float32, low: float, high: float) -> Rgb:
    """(H, W) -> (H, W, 3), `low` black and `high` white."""
    level = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    return np.repeat((255 * level).astype(np.uint8)[..., None], 3, axis=2)


def stretch(*images: Float32) -> tuple[float, float]:
    """Limits that suit all images: from 0 to the 98th percentile of their values."""
    return 0.0, float(np.percentile(np.concatenate([image.ravel() for image in images]), 98))


def overlay(background: Rgb, direction: Labels) -> Rgb:
    """Changes in color over a darkened gray view."""
    picture = (background * 0.6).astype(np.uint8)
    picture[direction == BRIGHTER] = BRIGHTER_COLOR
    picture[direction == DARKER] = DARKER_COLOR
    picture[direction == NO_DATA] = NO_DATA_COLOR
    return picture


def verdicts(mask: Mask, truth: Mask) -> Rgb:
    """Hits white, false alarms orange, misses blue."""
    picture = np.zeros((*mask.shape, 3), dtype=np.uint8)
    picture[mask & truth] = 255
    picture[mask & ~truth] = BRIGHTER_COLOR
    picture[~mask & truth] = DARKER_COLOR
    return picture


def sheet(panels: Iterable[tuple[str, Rgb]], columns: int) -> Image.Image:
    """Pictures of one size side by side, each under its caption; small ones are enlarged, long captions wrapped."""
    tiles = list(panels)
    times = max(1, SEEN // max(max(picture.shape[:2]) for _, picture in tiles))
    height = times * max(picture.shape[0] for _, picture in tiles)
    width = max(times * max(picture.shape[1] for _, picture in tiles), NARROWEST)
    font = ImageFont.load_default(size=14)
    captions = [_wrapped(caption, width, font) for caption, _ in tiles]
    head = LINE * max(len(lines) for lines in captions) + GAP
    rows = -(-len(tiles) // columns)
    canvas = Image.new("RGB", (columns * (width + GAP) + GAP, rows * (height + head + GAP) + GAP), PAPER)
    pen = ImageDraw.Draw(canvas)
    for number, (lines, (_, picture)) in enumerate(zip(captions, tiles, strict=True)):
        x = GAP + (number % columns) * (width + GAP)
        y = GAP + (number // columns) * (height + head + GAP)
        for line, text in enumerate(lines):
            pen.text((x, y + head - GAP - (len(lines) - line) * LINE), text, fill=INK, font=font)
        shown = Image.fromarray(picture)
        canvas.paste(shown.resize([times * side for side in shown.size], Image.Resampling.NEAREST), (x, y + head))
    return canvas


def _wrapped(text: str, width: int, font: Font) -> list[str]:
    """Lines of whole words, none wider than `width` pixels unless a word is."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def save_png(path: Path, picture: Image.Image) -> None:
    picture.save(path, format="PNG")
