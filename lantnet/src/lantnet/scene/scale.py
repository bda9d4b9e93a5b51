"""What the numbers of an image mean, and how they become the 8-bit-like amplitude that every recipe expects.

The published difference image is |ln((s1 + 1)/(s2 + 1))| on 8-bit images, which hold amplitude. The "+ 1" is
harmless there, but on linear power (0..1) it erases every difference, and on decibels it is meaningless.
So power and decibels become amplitude, and one common factor puts the joint median of both dates at 80.
"""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from lantnet.errors import InputError
from lantnet.types import Float32, Float64, Int64, Mask

TYPICAL_AMPLITUDE = 80.0
"""Where the median amplitude is put: our choice, the middle of what 8-bit SAR images have."""
SIDE, FEWEST_BLOCKS = 16, 20
"""Blocks that the skew of the speckle is measured on: pixels a side, and how many there must be."""
LEAST_SKEW = 1.35
"""Below it the speckle of fractions looks like amplitude's, which texture and many looks do to power's too: on 120
generated scenes power had .8 to 3.7 and amplitude .5 to 3.1. So it is a reason to ask the user, and none to refuse."""
CLOSE, FEWEST_CLOSE = 0.1, 20
"""Decibels to both sides of 0, and pixels within them from which they show how dense the values lie there."""
LARGEST_POWER = 10.0
"""Calibrated backscatter of land lies below 1."""
_LOWEST, _HIGHEST, _BINS = -8.0, 8.0, 16000


class Scale(StrEnum):
    EIGHT_BIT = "8bit"
    AMPLITUDE = "amplitude"
    POWER = "power"
    DECIBEL = "db"


@dataclass
class Look:
    """What one pass saw of an image's values. `zeros`: exactly 0; `near`, `close`: within 1 and within
    CLOSE of 0 but not 0; `at_lowest`: exactly the lowest value; `moments`: (N, 2) second and third of small blocks, of
    the values over their mean."""

    valid: int = 0
    negative: int = 0
    zeros: int = 0
    near: int = 0
    close: int = 0
    whole: bool = True
    lowest: float = np.inf
    at_lowest: int = 0
    highest: float = -np.inf
    counts: Int64 = field(default_factory=lambda: np.zeros(_BINS, dtype=np.int64))
    moments: Float64 = field(default_factory=lambda: np.empty((0, 2)))

    def add(self, values: Float32, valid: Mask) -> None:
        """A part of the image, (H, W) or flat."""
        seen = values[valid]
        if not seen.size:
            return
        self.join(
            Look(
                seen.size, int((seen < 0).sum()), int((seen == 0).sum()),
                int(((np.abs(seen) <= 1) & (seen != 0)).sum()), int(((np.abs(seen) <= CLOSE) & (seen != 0)).sum()),
                bool((seen == np.rint(seen)).all()), float(seen.min()), int((seen == seen.min()).sum()),
                float(seen.max()), amplitude_histogram(seen), block_moments(values, valid),
            )
        )  # fmt: skip

    def join(self, other: "Look") -> None:
        """What another part of the same image showed."""
        self.valid += other.valid
        self.negative += other.negative
        self.zeros += other.zeros
        self.near += other.near
        self.close += other.close
        self.whole = self.whole and other.whole
        if other.lowest <= self.lowest:
            self.at_lowest = other.at_lowest + (self.at_lowest if other.lowest == self.lowest else 0)
        self.lowest = min(self.lowest, other.lowest)
        self.highest = max(self.highest, other.highest)
        self.counts = self.counts + other.counts
        self.moments = np.concatenate([self.moments, other.moments])

    @property
    def framed(self) -> bool:
        """Whether exact zeros of decibels are a frame: more pixels than lie within 1 dB of 0, or three times as many as
        lie within CLOSE of it (none do where values are rounded to steps)."""
        return self.zeros > self.near or self.zeros > 3 * self.close > 3 * FEWEST_CLOSE

    @property
    def skew(self) -> float | None:
        """Third moment of the speckle over its squared variance, median over blocks: 2 for power of any number of
        looks, about 1 for amplitude (moments of the gamma and Nakagami distributions); texture adds to both."""
        if len(self.moments) < FEWEST_BLOCKS:
            return None
        second, third = np.median(self.moments, axis=0)
        return float(third / second**2) if second > 1e-4 else None


def block_moments(values: Float32, valid: Mask) -> Float64:
    """(N, 2): second and third central moments of the full blocks of an image (H, W), relative to the block's mean."""
    if values.ndim != 2 or min(values.shape) < SIDE:
        return np.empty((0, 2))
    height, width = (length - length % SIDE for length in values.shape)
    shape = (height // SIDE, SIDE, width // SIDE, SIDE)
    blocks, full = (
        part[:height, :width].reshape(shape).swapaxes(1, 2).reshape(-1, SIDE * SIDE) for part in (values, valid)
    )
    blocks = blocks[full.all(axis=1)].astype(np.float64)
    mean = blocks.mean(axis=1)
    blocks = blocks[mean > 0] / mean[mean > 0, None] - 1
    return np.stack([(blocks**2).mean(axis=1), (blocks**3).mean(axis=1)], axis=1)


def detect_scale(dtype: str, look: Look, name: str) -> Scale:
    """The scale of an image from its number type and values; an error where they leave a doubt."""
    if dtype in ("uint8", "bool"):
        return Scale.EIGHT_BIT
    values = f"{name} contains {dtype} from {look.lowest:g} to {look.highest:g}"
    ask = "Set --scale to 8bit, amplitude, power or db."
    if look.whole and look.lowest >= 0:
        return Scale.EIGHT_BIT if look.highest <= 255 else Scale.AMPLITUDE
    if np.issubdtype(np.dtype(dtype), np.integer):
        raise InputError(
            f"negative integers are neither amplitude nor power, but may be scaled decibels; {values}. {ask} "
            "(A scale and offset declared in the file would be applied; this one declares none.)"
        )
    if look.negative >= 0.05 * max(look.valid - look.zeros, 1):
        if look.lowest >= -100 and look.highest <= 60:
            return Scale.DECIBEL
        raise InputError(f"negative numbers are read as decibels only within -100..60; {values}. {ask}")
    if look.highest <= 255 and look.negative == 0 and look.lowest > 1:
        raise InputError(
            f"fractional numbers between 1 and 255 may be 8-bit gray levels, amplitude or power; {values}. {ask}"
        )
    if median_amplitude(look.counts) > LARGEST_POWER:
        raise InputError(
            f"fractional numbers with a median above {LARGEST_POWER:g} are digital numbers and may be amplitude or "
            f"power; {values}. {ask}"
        )
    return Scale.POWER


def explained(scale: Scale, look: Look, name: str) -> list[str]:
    """What was concluded of an image's values, where a user may know better."""
    notes = []
    if scale is Scale.POWER and in_doubt(look):
        notes.append(
            f"{name}: fractions were read as linear power, but the skew of their speckle is {look.skew:.2f} "
            "(amplitude has about 1, power 2). Set --scale power or --scale amplitude."
        )
    elif scale is Scale.POWER:
        notes.append(f"{name}: fractions were read as linear power. If they are amplitude, set --scale amplitude.")
    elif scale is Scale.AMPLITUDE:
        notes.append(f"{name}: whole numbers above 255 were read as amplitude. If they are power, set --scale power.")
    return notes


def in_doubt(look: Look) -> bool:
    """Whether fractions may as well be amplitude."""
    return look.skew is not None and look.skew < LEAST_SKEW


def frames(scale: Scale, look: Look, name: str) -> list[str]:
    """What looks like a frame around the scene in an image of decibels."""
    notes = []
    if scale is Scale.DECIBEL and look.framed:
        notes.append(
            f"{name}: {look.zeros} pixels are exactly 0 dB, more than are near 0 dB, so they are treated as no data."
        )
    if scale is Scale.DECIBEL and not look.whole and look.at_lowest > 0.01 * look.valid:
        notes.append(
            f"{name}: {100 * look.at_lowest / look.valid:.1f} % is exactly {look.lowest:g} dB. If that is the "
            f"border of the scene, set --nodata {look.lowest:g}."
        )
    return notes


def measured(values: Float32, scale: Scale, *, framed: bool = False) -> Mask:
    """Where an image holds a measurement: finite, and for amplitude and power not exactly 0.

    Speckle never returns exactly nothing, so 0 there is the frame around a scene. 8-bit images do hold 0; decibels may,
    unless they are `framed` by it.
    """
    finite = np.isfinite(values)
    if framed or scale in (Scale.POWER, Scale.AMPLITUDE):
        finite &= values != 0
    return finite


def amplitude(values: Float32, scale: Scale) -> Float32:
    """Amplitude on an arbitrary common factor; power below 0 (noise subtracted from calm water) counts as 0."""
    if scale is Scale.DECIBEL:
        return np.power(np.float32(10), values / 20)
    if scale is Scale.POWER:
        return np.sqrt(np.maximum(values, 0))
    return values


def amplitude_histogram(values: Float32) -> Int64:
    """Counts of positive amplitudes over 16 decades, 1000 bins each: windows of a scene add up."""
    positive = values[values > 0]
    index = ((np.log10(positive) - _LOWEST) * (_BINS / (_HIGHEST - _LOWEST))).astype(np.int64)
    return np.bincount(np.clip(index, 0, _BINS - 1), minlength=_BINS)


def median_amplitude(counts: Int64) -> float:
    """The median of what `amplitude_histogram` counted; 0 where nothing was above 0."""
    total = int(counts.sum())
    if not total:
        return 0.0
    middle = int(np.searchsorted(np.cumsum(counts), (total + 1) // 2))
    return float(10 ** (_LOWEST + (middle + 0.5) * (_HIGHEST - _LOWEST) / _BINS))
