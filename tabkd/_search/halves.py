"""The rows that candidates learn from, and those that they are measured on."""

from __future__ import annotations

import numpy as np


def halves(y: np.ndarray, fraction: float, is_classification: bool, rng: np.random.RandomState) -> tuple:
    """Positions of the rows to learn from, and of those to measure on: each class in proportion, never its last row.

    Parameters
    ----------
    y : array of shape (n,) or (n, K)
        Labels or values.
    fraction : float
        The share to measure on.
    is_classification : bool
        Whether `y` has labels.
    rng : numpy.random.RandomState
        Draws the rows.
    """
    strata = np.unique(y, return_inverse=True)[1] if is_classification else np.zeros(len(y), dtype=np.int64)
    order = rng.permutation(len(y))
    order = order[np.argsort(strata[order], kind="stable")]
    counts = np.bincount(strata)
    # The place of each row among those of its class.
    place = np.arange(len(y)) - np.repeat(np.cumsum(counts) - counts, counts)
    held = np.minimum(np.rint(fraction * counts), counts - 1)[strata[order]]
    return np.sort(order[place >= held]), np.sort(order[place < held])
