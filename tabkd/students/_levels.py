"""The levels of a categorical column: their positions, and their mean soft targets."""

from __future__ import annotations

import numpy as np

# Rows that a level's mean is drawn towards the overall mean by.
_SMOOTHING = 10.0


def level_positions(codes: np.ndarray, n: int) -> np.ndarray:
    """Codes of one categorical column as positions: categories, then unseen (n), then missing (n + 1)."""
    return np.where(np.isnan(codes), n + 1, codes).astype(np.int64)


def level_means(codes, n, targets, weights) -> np.ndarray:
    """Smoothed weighted mean target of each category, of unseen, and of missing: float32 (n + 2, k)."""
    positions = level_positions(codes, n)
    total = np.bincount(positions, weights, minlength=n + 2)[:, None]
    sums = np.stack([np.bincount(positions, weights * t, minlength=n + 2) for t in targets.T], axis=1)
    prior = np.average(targets, axis=0, weights=weights)
    return ((sums + _SMOOTHING * prior) / (total + _SMOOTHING)).astype(np.float32)
