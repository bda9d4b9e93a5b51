"""Pictures for people: gray views of the dates, the probability, and the changes in color."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lantnet.results.maps import BRIGHTER, DARKER, NO_DATA
from lantnet.types import Float32, Labels, Mask

Rgb = NDArray[np.uint8]
BRIGHTER_COLOUR = (230, 159, 0)
DARKER_COLOUR = (0, 114, 178)
"""Orange and blue of Okabe and Ito: told apart by color-blind eyes too."""
NO_DATA_COLOUR = (90, 60, 90)
INK, PAPER = (25, 25, 25), (255, 255, 255)
CAPTION = 26


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
    picture[direction == BRIGHTER] = BRIGHTER_COLOUR
    picture[direction == DARKER] = DARKER_COLOUR
    picture[direction == NO_DATA] = NO_DATA_COLOUR
    return picture


def verdicts(mask: Mask, truth: Mask) -> Rgb:
    """Hits white, false alarms orange, misses blue."""
    picture = np.zeros((*mask.shape, 3), dtype=np.uint8)
    picture[mask & truth] = 255
    picture[mask & ~truth] = BRIGHTER_COLOUR
    picture[~mask & truth] = DARKER_COLOUR
    return picture


def sheet(panels: Iterable[tuple[str, Rgb]], columns: int) -> Image.Image:
    """Pictures of one size side by side, each under its caption."""
    tiles = list(panels)
    height = max(picture.shape[0] for _, picture in tiles)
    width = max(max(picture.shape[1] for _, picture in tiles), 180)
    rows = -(-len(tiles) // columns)
    gap = 8
    canvas = Image.new("RGB", (columns * (width + gap) + gap, rows * (height + CAPTION + gap) + gap), PAPER)
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=14)
    for number, (caption, picture) in enumerate(tiles):
        x = gap + (number % columns) * (width + gap)
        y = gap + (number // columns) * (height + CAPTION + gap)
        pen.text((x, y + 4), caption, fill=INK, font=font)
        canvas.paste(Image.fromarray(picture), (x, y + CAPTION))
    return canvas


def save_png(path: Path, picture: Image.Image) -> None:
    picture.save(path, format="PNG")
