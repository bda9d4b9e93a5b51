"""PNG, BMP, JPEG and the like as sources, by Pillow: palettes become gray levels, transparency becomes no data."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from lantnet.errors import InputError
from lantnet.scene.source import ArraySource, differing, numbered, plain

SUFFIXES = {".png", ".bmp", ".jpg", ".jpeg", ".gif", ".pgm", ".ppm"}


def open_picture(path: Path, band: int | str | None, nodata: float | None) -> ArraySource:
    try:
        with Image.open(path) as opened:
            image: Image.Image = opened
            if (frames := getattr(image, "n_frames", 1)) > 1:
                raise InputError(f"an image file must contain one image; {path} contains {frames}. Split it first.")
            transparent = image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info
            if image.mode in ("P", "PA") or (transparent and image.mode in ("L", "RGB")):
                image = image.convert("RGBA" if transparent else "RGB")
            elif image.mode == "1":
                image = image.convert("L")
            values = np.asarray(image)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as error:
        raise InputError(f"{path} cannot be read as an image: {error}. Very large images should be GeoTIFF.") from error
    if values.ndim == 2:
        values = values[..., None]
    valid = values[..., -1] > 0 if transparent else None
    colors = values[..., :-1] if transparent else values
    gray = _one_of([colors[..., i] for i in range(colors.shape[2])], band, str(path))
    if gray.dtype == np.int32 and path.suffix.lower() == ".png":
        gray = gray.astype(np.uint16)
    return ArraySource(plain(gray, str(path)), str(path), valid=valid, nodata=nodata, kind="png")


def _one_of(bands: list[NDArray[Any]], chosen: int | str | None, name: str) -> NDArray[Any]:
    if chosen is not None:
        return bands[numbered(chosen, len(bands), [], name) - 1]
    if any(not np.array_equal(bands[0], other) for other in bands[1:]):
        raise differing(name, len(bands), [])
    return bands[0]
