"""What the numbers of an image mean, and how they become the 8-bit-like amplitude that every recipe expects.

The published difference image is |ln((s1 + 1)/(s2 + 1))| on 8-bit images, which hold amplitude. The "+ 1" is
harmless there, but on linear power (0..1) it erases every difference, and on decibels it is meaningless.
So power and decibels become amplitude, and one common factor puts the joint median of both dates at 80.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from lantnet.errors import InputError
from lantnet.types import Float32, Int64, Mask

TYPICAL_AMPLITUDE = 80.0
"""Where the median amplitude is put: our choice, the middle of what 8-bit SAR images have."""


class Scale(StrEnum):
    EIGHT_BIT = "8bit"
    AMPLITUDE = "amplitude"
    POWER = "power"
    DECIBEL = "db"


@dataclass
class Look:
    """What one pass saw of an image's values."""

    valid: int = 0
    negative: int = 0
    whole: bool = True
    lowest: float = np.inf
    highest: float = -np.inf

    def add(self, values: Float32, valid: Mask) -> None:
        seen = values[valid]
        if not seen.size:
            return
        self.valid += seen.size
        self.negative += int((seen < 0).sum())
        self.whole = self.whole and bool((seen == np.rint(seen)).all())
        self.lowest = min(self.lowest, float(seen.min()))
        self.highest = max(self.highest, float(seen.max()))


def detect_scale(dtype: str, look: Look, name: str) -> Scale:
    """The scale of an image from its number type and values; an error where they leave a doubt."""
    if dtype in ("uint8", "bool"):
        return Scale.EIGHT_BIT
    values = f"{name} holds {dtype} from {look.lowest:g} to {look.highest:g}"
    ask = "Say what they are: --scale 8bit, amplitude, power or db."
    if look.whole and look.lowest >= 0:
        return Scale.EIGHT_BIT if look.highest <= 255 else Scale.AMPLITUDE
    if np.issubdtype(np.dtype(dtype), np.integer):
        raise InputError(
            f"integers below 0 are neither amplitude nor power, and may be scaled decibels; {values}. {ask}"
        )
    if look.negative >= 0.05 * look.valid:
        if look.lowest >= -100 and look.highest <= 60:
            return Scale.DECIBEL
        raise InputError(f"negative numbers are read as decibels only within -100..60; {values}. {ask}")
    if look.highest <= 255 and look.negative == 0 and look.lowest > 1:
        raise InputError(
            f"fractional numbers between 1 and 255 may be 8-bit grey levels, amplitude or power; {values}. {ask}"
        )
    return Scale.POWER


def measured(values: Float32, scale: Scale) -> Mask:
    """Where an image holds a measurement: finite, and for amplitude and power not exactly 0.

    Speckle never returns exactly nothing, so 0 there is the frame around a scene. 8-bit images do hold 0.
    """
    finite = np.isfinite(values)
    if scale in (Scale.POWER, Scale.AMPLITUDE):
        finite &= values != 0
    return finite


def amplitude(values: Float32, scale: Scale) -> Float32:
    """Amplitude on an arbitrary common factor; power below 0 (noise subtracted from calm water) counts as 0."""
    if scale is Scale.DECIBEL:
        return np.power(np.float32(10), values / 20)
    if scale is Scale.POWER:
        return np.sqrt(np.maximum(values, 0))
    return values


_LOWEST, _HIGHEST, _BINS = -8.0, 8.0, 16000


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
