"""Still images and lists of frames as RGB arrays, turned as their EXIF data says."""

import hashlib
import io
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from reeltune.errors import VideoError
from reeltune.media import IMAGE_SUFFIXES

FIX = "Fetch the file again or save it anew as PNG or JPEG, or drop the sample"


def read_image(path: Path) -> tuple[np.ndarray, str]:
    """uint8 [H, W, 3] and the digest of the file. VideoError for what cannot be read as an image.

    As transformers reads images: turned by EXIF, transparency dropped, the first picture of several.
    """
    data = read_bytes(path)
    return decode_image(path, data), digest([data])


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise VideoError(f"{path}: {error.strerror}. Check the sample's media.") from error


def digest(parts: Sequence[bytes]) -> str:
    """What these files together are known by, 32 hex digits."""
    whole = hashlib.blake2b(digest_size=16)
    for part in parts:
        whole.update(hashlib.blake2b(part, digest_size=16).digest())
    return whole.hexdigest()


def decode_image(path: Path, data: bytes) -> np.ndarray:
    """The image in `data`, which `path` holds, as uint8 [H, W, 3]."""
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
            warnings.simplefilter("ignore")  # of size and of odd metadata; what is too large raises
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except UnidentifiedImageError as error:  # its words are an object's address
        raise VideoError(f"{path}: cannot be read as an image (no known format). {FIX}.") from error
    # Its decoders raise errors of many kinds on damaged files.
    except (OSError, ValueError, SyntaxError, ArithmeticError, LookupError, Image.DecompressionBombError) as error:
        raise VideoError(f"{path}: cannot be read as an image ({error}). {FIX}.") from error


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) as it is shown, from the file's header."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            return (width, height) if image.getexif().get(0x0112, 1) in (5, 6, 7, 8) else (height, width)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise VideoError(f"{path}: cannot be read as an image ({error}). {FIX}.") from error


def frame_files(paths: Sequence[Path]) -> list[Path]:
    """The files of a list of frames; of one folder its images by name, numbers in names as numbers."""
    if len(paths) > 1 or not paths[0].is_dir():
        return list(paths)
    found = [path for path in paths[0].iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    if not found:
        raise VideoError(
            f"{paths[0]}: the folder holds no image ({', '.join(IMAGE_SUFFIXES)}). Check the sample's media."
        )
    return sorted(found, key=lambda path: [int(part) if part.isdigit() else part for part in _parts(path.name)])


def _parts(name: str) -> list[str]:
    """Text and numbers in turn, text first: names compare part by part."""
    return re.split(r"(\d+)", name)
