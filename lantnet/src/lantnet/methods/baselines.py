"""Quick methods without learning, to compare with. All take amplitudes (H, W) >= 0 and give a mask (H, W)."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from lantnet.methods.histograms import histogram, kittler_illingworth, otsu
from lantnet.published.prelabels import difference_image
from lantnet.types import Float32, Float64, Mask

Baseline = Callable[[Float32, Float32], Mask]


def srad_otsu(before: Float32, after: Float32) -> Mask:
    """Otsu's threshold on the published difference image (SRAD, log-ratio, SRAD)."""
    difference = difference_image(before, after)
    mask: Mask = difference > otsu(histogram(difference))
    return mask


def srad_kittler_illingworth(before: Float32, after: Float32) -> Mask:
    """The minimum-error threshold of Kittler and Illingworth (1986) on the published difference image."""
    difference = difference_image(before, after)
    mask: Mask = difference > kittler_illingworth(histogram(difference))
    return mask


def mean_ratio(before: Float32, after: Float32) -> Mask:
    """Otsu's threshold on the mean-ratio image 1 - min(m1/m2, m2/m1), m the 3x3 means (Inglada and Mercier 2007)."""
    first = ndimage.uniform_filter(before, 3, mode="nearest") + 1
    second = ndimage.uniform_filter(after, 3, mode="nearest") + 1
    difference = (1 - np.minimum(first / second, second / first)).astype(np.float32)
    mask: Mask = difference > otsu(histogram(difference))
    return mask


def pca_k_means(before: Float32, after: Float32, *, block: int = 5, components: int = 3) -> Mask:
    """PCA and k-means of Celik (2009): blocks of the absolute log-ratio, projected on their principal axes, two means.

    The start of the means is fixed (least and greatest first component), so the result is too.
    """
    difference = np.abs(np.log((before + 1) / (after + 1)))
    radius = block // 2
    padded = np.pad(difference, radius, mode="symmetric")
    around = np.lib.stride_tricks.sliding_window_view(padded, (block, block))
    tiles = around[::block, ::block].reshape(-1, block * block).astype(np.float64)
    mean = tiles.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov(tiles - mean, rowvar=False))
    features = (around.reshape(-1, block * block) - mean) @ axes[:, : -components - 1 : -1]
    brightness = difference.ravel()
    labels = _two_means(features)
    changed = brightness[labels].mean() > brightness[~labels].mean() if 0 < labels.sum() < labels.size else False
    result: Mask = (labels if changed else ~labels).reshape(before.shape)
    return result if labels.any() and not labels.all() else np.zeros(before.shape, dtype=bool)


BASELINES: dict[str, Baseline] = {
    "srad + otsu": srad_otsu,
    "srad + kittler-illingworth": srad_kittler_illingworth,
    "mean ratio + otsu": mean_ratio,
    "pca + k-means": pca_k_means,
}


def _two_means(features: Float64) -> Mask:
    order = np.argsort(features[:, 0])
    centers = features[[order[0], order[-1]]]
    labels = np.zeros(len(features), dtype=bool)
    for _ in range(100):
        distance = ((features[:, None, :] - centers) ** 2).sum(axis=2)
        moved = distance[:, 1] < distance[:, 0]
        if (moved == labels).all() or not 0 < moved.sum() < len(moved):
            break
        labels = moved
        centers = np.stack([features[~labels].mean(axis=0), features[labels].mean(axis=0)])
    return labels
