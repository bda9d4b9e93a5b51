"""Noisy labels without truth: difference image, hierarchical fuzzy c-means (arXiv 2208.04481, section II-A)."""

from dataclasses import dataclass

import numpy as np

from lantnet.published.clustering import fuzzy_c_means
from lantnet.published.srad import srad
from lantnet.types import Float32, Float64, Labels

UNCHANGED, UNCERTAIN, CHANGED = 0, 1, 2


def difference_image(before: Float32, after: Float32) -> Float32:
    """Despeckled absolute log-ratio, (H, W) in nepers, of two (H, W) images of 8-bit-like amplitude (>= 0)."""
    ratio = (srad(before) + 1) / (srad(after) + 1)
    return srad(np.abs(np.log(ratio)))


@dataclass(frozen=True)
class PreLabels:
    """Thresholds on the difference image, nepers: unchanged below the first, changed from the second on."""

    unchanged_below: float
    changed_from: float
    otsu_like: float
    """Border of the two-cluster round: the plain split into changed and unchanged."""

    def label(self, difference: Float32) -> Labels:
        """(H, W) difference image -> (H, W) of UNCHANGED, UNCERTAIN, CHANGED."""
        labels = np.full(difference.shape, UNCERTAIN, dtype=np.uint8)
        labels[difference < self.unchanged_below] = UNCHANGED
        labels[difference >= self.changed_from] = CHANGED
        return labels


def hierarchical_clustering(values: Float32) -> PreLabels:
    """Two rounds of fuzzy c-means on the pixels (N,) of a difference image, in the order of its rows; NaN is no data.

    Two clusters give T, the size of the smaller one. Five clusters are then walked from the highest mean down, counting
    pixels: the first is changed, and so are the next while the count stays below T/1.10; uncertain while it stays below
    1.25 T (one cluster at least); unchanged after that. An empty cluster counts as the highest (as published: its mean
    is NaN).
    """
    split = _borders(fuzzy_c_means(values, 2))
    upper = int((values >= split[0]).sum())
    smaller = min(upper, int((values < split[0]).sum()))
    low, high = round(smaller / 1.10), round(smaller * 1.25)
    bottoms = [float(np.nanmin(values)), *_borders(fuzzy_c_means(values, 5))]
    counts = [int((values >= bottom).sum()) for bottom in bottoms]
    sizes = np.diff([*counts[::-1]], prepend=0)
    walked = [bottom for bottom, size in zip(bottoms[::-1], sizes, strict=True) if size]
    changed_from = unchanged_below = float(np.nanmax(values)) + 1 if len(walked) < len(bottoms) else walked.pop(0)
    uncertain_seen = False
    for bottom in walked:
        count = int((values >= bottom).sum())
        if count < low:
            changed_from = unchanged_below = bottom
        elif count < high or not uncertain_seen:
            unchanged_below = bottom
            uncertain_seen = True
        else:
            break
    return PreLabels(float(unchanged_below), float(changed_from), float(split[0]))


def _borders(centers: Float64) -> Float64:
    """The nearest center has the largest membership, so clusters meet half-way."""
    borders: Float64 = (centers[1:] + centers[:-1]) / 2
    return borders
