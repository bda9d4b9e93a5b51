"""Fuzzy c-means as a plain loop, one array for all pixels: what the product's is held to."""

import numpy as np


def plain_fuzzy_c_means(values: np.ndarray, clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """Centers, not sorted, and the cluster of every value; the published start, at most 150 rounds."""
    membership = np.random.RandomState(42).rand(len(values), clusters)
    membership /= membership.sum(axis=1, keepdims=True)
    for _ in range(150):
        mass = membership**2
        centers = (mass * values[:, None]).sum(axis=0) / mass.sum(axis=0)
        distance = (values[:, None] - centers) ** 2
        before, membership = membership, 1 / (distance[:, :, None] / distance[:, None, :]).sum(axis=2)
        if np.sqrt(((membership - before) ** 2).sum()) < 1e-5:
            break
    return centers, membership.argmax(axis=1)
