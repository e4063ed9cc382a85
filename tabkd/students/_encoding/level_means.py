"""The levels of a categorical column: their positions, and their mean soft targets."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans

# A level's mean is shrunk towards the overall mean as if that mean had this many rows.
_SMOOTHING = 10.0


def level_positions(codes: np.ndarray, n: int) -> np.ndarray:
    """Codes of one categorical column as positions: categories, then unseen (n), then missing (n + 1)."""
    return np.where(np.isnan(codes), n + 1, codes).astype(np.int64)


def level_means(codes: np.ndarray, n: int, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The smoothed weighted mean target of each category, of unseen ones and of missing ones: float32 (n + 2, k)."""
    positions = level_positions(codes, n)
    total = np.bincount(positions, weights, minlength=n + 2)[:, None]
    sums = np.stack([np.bincount(positions, weights * t, minlength=n + 2) for t in targets.T], axis=1)
    prior = np.average(targets, axis=0, weights=weights)
    return ((sums + _SMOOTHING * prior) / (total + _SMOOTHING)).astype(np.float32)


def distinct_means(means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different rows of a table of means, and the position of each row among them."""
    found, position = np.unique(means, axis=0, return_inverse=True)
    return found, position.reshape(len(means))


def merged_means(means: np.ndarray, counts: np.ndarray, most: int, random_state: int) -> np.ndarray:
    """The table of means with at most so many different rows: those that are alike get their weighted mean.

    Parameters
    ----------
    means : ndarray of shape (n, k)
        The means of each level.
    counts : ndarray of shape (n,)
        The weight of each level.
    most : int
        Most different rows.
    random_state : int
        Seed of the k-means clusters.
    """
    if len(distinct_means(means)[0]) <= most:
        return means
    clusters = KMeans(most, n_init=1, random_state=random_state).fit(means, sample_weight=counts + 1e-6 * counts.max())
    return clusters.cluster_centers_[clusters.labels_].astype(np.float32)
