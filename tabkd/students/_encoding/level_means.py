"""The levels of a categorical column: their positions, and their mean soft targets."""

from __future__ import annotations

import numpy as np

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
