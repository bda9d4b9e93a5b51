"""One image, whatever it comes from: values and where they are data, read in windows, with its place on the ground."""

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lantnet.errors import InputError
from lantnet.scene.georeference import Georeference
from lantnet.scene.scale import Scale
from lantnet.scene.windows import Window
from lantnet.types import Float32, Mask


class Source(Protocol):
    """Values (H, W) with the file's scale and offset applied, and where they are data.

    kind: what results are written as: tif, png or npy. dtype: of the values as stored, but float32 where a scale or
    offset turned them into others. declared: the scale of the numbers, where the file says it. date: of acquisition,
    ISO 8601, where file or name say it. channel: the band's own name, such as VV. remark: what a user must know of how
    it is read.
    """

    name: str
    kind: str
    height: int
    width: int
    dtype: str
    georeference: Georeference | None
    declared: Scale | None
    date: str | None
    channel: str | None
    remark: str | None

    def read(self, window: Window) -> tuple[Float32, Mask]: ...

    def portable(self, folder: Path) -> "Source":
        """The same image as one that other processes can open: what lies in memory becomes files in `folder`."""


@dataclass(kw_only=True)
class Described:
    """What is known of an image besides its values; `Source` says what each means. nodata: the value of gaps."""

    nodata: float | None = None
    kind: str = "npy"
    georeference: Georeference | None = None
    declared: Scale | None = None
    date: str | None = None
    channel: str | None = None
    remark: str | None = None

    def description(self) -> dict[str, Any]:
        """All of it, for another source of the same image."""
        return {field.name: getattr(self, field.name) for field in fields(Described)}


@dataclass
class ArraySource(Described):
    """An image that lies in memory."""

    values: NDArray[Any]
    name: str
    valid: Mask | None = None

    def __post_init__(self) -> None:
        self.height, self.width = self.values.shape
        self.dtype = self.values.dtype.name

    def read(self, window: Window) -> tuple[Float32, Mask]:
        values = np.asarray(self.values[window.slices])
        valid = np.isfinite(values)
        if self.valid is not None:
            valid &= self.valid[window.slices]
        return values.astype(np.float32), without(valid, values, self.nodata)

    def portable(self, folder: Path) -> "NumpySource":
        number = sum(1 for _ in folder.glob("image-*.npy"))
        path, mask = folder / f"image-{number}.npy", None
        np.save(path, self.values)
        if self.valid is not None:
            mask = str(folder / f"valid-{number}.npy")
            np.save(mask, self.valid)
        return NumpySource(str(path), self.name, mask, **self.description())


@dataclass
class NumpySource(Described):
    """A .npy file, mapped into memory where and when it is read; `mask`: a second one, True where there is data."""

    path: str
    name: str
    mask: str | None = None

    def __post_init__(self) -> None:
        values = self._values()
        self.height, self.width = values.shape
        self.dtype = values.dtype.name

    def read(self, window: Window) -> tuple[Float32, Mask]:
        valid = None if self.mask is None else np.load(self.mask, mmap_mode="r")
        return ArraySource(self._values(), self.name, valid, nodata=self.nodata).read(window)

    def portable(self, folder: Path) -> "NumpySource":
        return self

    def _values(self) -> NDArray[Any]:
        try:
            values = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise InputError(f"a .npy file must contain one array of numbers; {self.name} does not: {error}") from error
        return plain(values, self.name)


def plain(values: NDArray[Any], name: str) -> NDArray[Any]:
    """`values` as (H, W) real numbers, or an error that says how to get there."""
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[2]):
        values = values[0] if values.shape[0] == 1 else values[:, :, 0]
    if values.ndim != 2 or not values.size:
        raise InputError(f"an image array must be (height, width); {name} has shape {values.shape}. Pass one band.")
    if np.iscomplexobj(values):
        raise InputError(f"{name} is complex (single-look complex data); pass its amplitude, abs(values).")
    if not (np.issubdtype(values.dtype, np.number) or values.dtype == np.bool_):
        raise InputError(f"an image array must contain numbers; {name} contains {values.dtype}.")
    return values


def without(valid: Mask, values: NDArray[Any], nodata: float | None) -> Mask:
    if nodata is None or math.isnan(nodata):
        return valid
    kept: Mask = valid & (values != nodata)
    return kept


def differing(name: str, count: int, channels: list[str]) -> InputError:
    """The error for a file of several bands of which none was chosen."""
    named = f" ({', '.join(channels)})" if any(channels) else ""
    return InputError(
        f"the method compares one radar band with one; {name} has {count} bands that differ (colors, or "
        f"polarizations){named}. Choose one with --band 1..{count}."
    )


def numbered(chosen: int | str, count: int, channels: list[str], name: str) -> int:
    """A band by number (from 1) or by its name in the file."""
    if isinstance(chosen, str) and not chosen.isdigit():
        names = [channel.lower() for channel in channels]
        if names.count(chosen.lower()) != 1:
            raise InputError(
                f"--band names one of the bands {', '.join(channels) or '(without names)'} of {name}, or counts from 1 "
                f"to {count}; got {chosen!r}."
            )
        return names.index(chosen.lower()) + 1
    if not 1 <= int(chosen) <= count:
        raise InputError(f"--band counts from 1; {name} has {count} band(s), but band {chosen} was requested.")
    return int(chosen)
